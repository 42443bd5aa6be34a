"""The folder of what was predicted: results, and drawn pictures or a drawn video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from posenas.contract.errors import PosenasError
from posenas.data.images.file_image import without_remarks
from posenas.prediction.results_file import ResultsFile
from posenas.prediction.video import VideoWriter
from posenas.runs.files import disk_errors, write_atomically
from posenas.runs.predictions_file import as_results
from posenas.runs.stopping import interrupts_deferred

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.scores import Predictions
    from posenas.prediction.frames import Frame, Source
    from posenas.prediction.labelling import Labels

RESULTS = "predictions.json"
_WRITTEN = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Canvases(Protocol):
    """A place that drawn frames go to."""

    def add(self, frame: Frame, canvas: NDArray[np.uint8]) -> None: ...

    def close(self) -> None: ...


class OutputFolder:
    """The folder that predictions are written to. It is made with the first frame.

    It is a context, so that its files are whole however writing ends.

    Attributes:
        results: the file of the results.
        drawn: the folder of the drawn pictures, or the drawn video.
        pre_labels: the annotations; None if there are none.
    """

    def __init__(
        self, path: Path, source: Source, *, keypoints: KeypointSet, pre_labels: Labels | None = None
    ) -> None:
        """Prepare the folder; nothing is written yet.

        Args:
            path: the folder.
            source: its rate decides between pictures and a video.
            keypoints: the keypoint set of the poses.
            pre_labels: annotations that the poses are written to as well.
        """
        self.path = path
        self.pre_labels = pre_labels
        self._keypoints = keypoints
        self.results = path / RESULTS
        self.drawn = path / ("drawn" if source.rate is None else "drawn.avi")
        self._rate = source.rate
        self._results: ResultsFile | None = None
        self._canvases: Canvases | None = None

    def write(self, frame: Frame, predictions: Predictions, canvas: NDArray[np.uint8]) -> None:
        """Add a frame's poses to the results, and its drawing to the pictures or the video.

        Args:
            frame: the frame.
            predictions: the poses in it.
            canvas: (H, W, 3) RGB, the frame with its poses drawn.
        """
        if self._results is None:
            with disk_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            self._results = ResultsFile(self.results)
            self._canvases = _Pictures(self.drawn) if self._rate is None else _Film(self.drawn, self._rate)
        assert self._canvases is not None
        about = {"file_name": frame.file_name} if frame.file_name else {}
        results = as_results(predictions, keypoints=self._keypoints, samples=[frame.as_sample()])
        self._results.add(result | about for result in results)
        if self.pre_labels is not None:
            self.pre_labels.add(frame, predictions)
        self._canvases.add(frame, canvas)

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(self, *_: object) -> None:
        with interrupts_deferred():
            if self._canvases is not None:
                self._canvases.close()
            if self._results is not None:
                self._results.close()
                if self.pre_labels is not None:
                    self.pre_labels.close()


def check_unused(path: Path) -> None:
    """Check that nothing lies at a path that would be overwritten or mixed up.

    Raises:
        PosenasError: if it is anything but an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise PosenasError(f"{path}: exists and is not an empty folder; choose another --output")


class _Pictures:
    """A picture for each image, by the name of its file.

    It is a PNG, with `.png` behind its name, if its own format is only read or has no room for that many
    pixels in a row.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()

    def add(self, frame: Frame, canvas: NDArray[np.uint8]) -> None:
        name = frame.file_name
        content = _encoded(canvas, Path(name).suffix.lower())
        if content is None:
            name, content = name + ".png", _encoded(canvas, ".png")
        assert content is not None
        while name in self._names:  # where a.gif and a.gif.png lie in one folder
            name += ".png"
        self._names.add(name)
        write_atomically(self._folder / name, content)

    def close(self) -> None:
        """Do nothing, since every picture is whole already."""


def _encoded(canvas: NDArray[np.uint8], ending: str) -> bytes | None:
    """Return the bytes of an image file; None if the format cannot be written, or not of this size."""
    if ending not in _WRITTEN:
        return None
    with without_remarks():
        done, encoded = cv2.imencode(ending, cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
    return np.asarray(encoded).tobytes() if done else None


class _Film:
    """A video of all frames."""

    def __init__(self, path: Path, rate: float) -> None:
        self._writer = VideoWriter(path, rate=rate)

    def add(self, frame: Frame, canvas: NDArray[np.uint8]) -> None:  # noqa: ARG002
        self._writer.add(canvas)

    def close(self) -> None:
        self._writer.close()
