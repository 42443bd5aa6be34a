"""The folder of what was found: results, and drawn pictures or a drawn video."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pose_run.errors import PoseRunError
from pose_run.images import without_remarks
from pose_run.results import entries
from pose_run.videos import VideoWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pose_run.manifest import KeypointSet
    from pose_run.poses import Poses
    from pose_run.sources import Frame, Source

_WRITTEN = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class OutputFolder:
    """The folder that poses are written to. It is made with the first frame.

    It is a context, so that its files are whole however writing ends.

    Attributes:
        results: the file of the results.
        drawn: the folder of the drawn pictures, or the drawn video.
    """

    def __init__(self, path: Path, source: Source, *, keypoints: KeypointSet) -> None:
        """Prepare the folder; nothing is written yet.

        Args:
            path: the folder.
            source: its rate decides between pictures and a video.
            keypoints: what the poses consist of.
        """
        self.path = path
        self.results = path / "predictions.json"
        self.drawn = path / ("drawn" if source.rate is None else "drawn.avi")
        self._keypoints = keypoints
        self._film = None if source.rate is None else VideoWriter(self.drawn, rate=source.rate)
        self._results: ResultsFile | None = None
        self._names: set[str] = set()

    def write(self, frame: Frame, poses: Poses, canvas: NDArray[np.uint8]) -> None:
        """Add a frame's poses to the results, and its drawing to the pictures or the video.

        Args:
            frame: the frame.
            poses: those in it.
            canvas: (H, W, 3) RGB, the frame with its poses drawn.
        """
        with disk_errors(self.path):
            if self._results is None:
                (self.path if self._film else self.drawn).mkdir(parents=True, exist_ok=True)
                self._results = ResultsFile(self.results)
            self._results.add(entries(frame, poses, self._keypoints))
            if self._film:
                self._film.add(canvas)
            else:
                self._write_picture(frame.file_name, canvas)

    def _write_picture(self, name: str, canvas: NDArray[np.uint8]) -> None:
        """Write a picture; a PNG, with `.png` behind its name, where its own format cannot be written."""
        content = _encoded(canvas, Path(name).suffix.lower())
        if content is None:
            name, content = name + ".png", _encoded(canvas, ".png")
        assert content is not None
        while name in self._names:  # where a.gif and a.gif.png lie in one folder
            name += ".png"
        self._names.add(name)
        (self.drawn / name).write_bytes(content)

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._film:
            self._film.close()
        if self._results is not None:
            with disk_errors(self.results):
                self._results.close()


class ResultsFile:
    """A results file with one line for each pose, so that a long video need not fit into the memory.

    It has its name once it is closed, and before that `.partial` behind it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._file = self._partial.open("w")
        self._file.write("[")
        self._before = "\n"

    def add(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Write one line for each of these poses."""
        for result in results:
            self._file.write(self._before + json.dumps(result))
            self._before = ",\n"

    def close(self) -> None:
        """End the list, and give the file its name."""
        self._file.write("\n]\n")
        self._file.close()
        self._partial.replace(self._path)


def check_unused(path: Path) -> None:
    """Check that nothing lies at a path that would be overwritten or mixed up.

    Raises:
        PoseRunError: if it is anything but an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise PoseRunError(f"{path}: exists and is not an empty folder; choose another --output")


def unused_path(folder: Path, name: str) -> Path:
    """Return `folder/name-1`, or the same with the first number that is free."""
    paths = (folder / f"{name}-{number}" for number in count(1))
    return next(path for path in paths if not path.exists())


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a forbidden folder and the like into one line for the user.

    Raises:
        PoseRunError: for any OSError within; the message names the path.
    """
    try:
        yield
    except OSError as error:
        raise PoseRunError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def _encoded(canvas: NDArray[np.uint8], ending: str) -> bytes | None:
    """Return the bytes of an image file; None if the format cannot be written, or not of this size."""
    if ending not in _WRITTEN:
        return None
    with without_remarks():
        done, encoded = cv2.imencode(ending, cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
    return np.asarray(encoded).tobytes() if done else None
