"""Videos that are read frame by frame, and written so."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posenas.contract.errors import PosenasError
from posenas.data.images.file_image import without_remarks
from posenas.prediction.frames import Frame, one_ahead

if TYPE_CHECKING:
    from numpy.typing import NDArray

_USUAL_RATE = 25.0
"""The frames per second of a video that does not tell."""
_QUIET = "-8"
"""The log level at which FFmpeg writes no line."""


@dataclass(frozen=True)
class Video:
    """The frames of a video, numbered from 0.

    Attributes:
        rate: frames per second.
        announced: frames that its header tells of; None if it tells of none.
        limit: at most this many are read; None for all.
        warn: told if there are fewer frames than the header says. The file may be cut off, or have damaged
            frames, which decoders pass over without telling where.
    """

    path: Path
    rate: float
    announced: int | None
    limit: int | None
    warn: Callable[[str], None]

    @property
    def total(self) -> int | None:
        """The number of frames to expect; None if neither the header nor a limit tells."""
        known = [number for number in (self.announced, self.limit) if number is not None]
        return min(known, default=None)

    def find(self, image: int | str) -> int | None:
        """Return the number if a frame of it is to be expected, else None."""
        if isinstance(image, str) or image < 0 or (self.total is not None and image >= self.total):
            return None
        return image

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in their order; the next one is decoded while one is used."""
        return one_ahead(self._decoded())

    def _decoded(self) -> Iterator[Frame]:
        capture = _capture(self.path)
        try:
            for number in count():
                if number == self.limit:
                    return
                read, pixels = capture.read()
                if not read:
                    self._tell_end(number)
                    return
                yield Frame(number, np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8))
        finally:
            capture.release()

    def _tell_end(self, read: int) -> None:
        if self.announced is not None and read < self.announced:
            self.warn(
                f"{self.path}: ends, or lacks frames: {read} can be read, and its header tells of "
                f"{self.announced}; frames after a gap have too low a number"
            )


def open_video(path: Path, *, limit: int | None, warn: Callable[[str], None]) -> Video:
    """Return the video in a file.

    Args:
        path: the file.
        limit: at most this many frames; None for all.
        warn: told if there are fewer frames than the header says.

    Raises:
        PosenasError: if the file is no video with a frame that can be decoded.
    """
    capture = _capture(path)
    try:
        if not capture.isOpened():
            raise PosenasError(f"{path}: neither an image nor a video that can be read")
        if not capture.grab():
            raise PosenasError(f"{path}: not an image, and no frame of a video in it can be decoded")
        rate, frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    finally:
        capture.release()
    return Video(
        path,
        rate=rate if math.isfinite(rate) and rate > 0 else _USUAL_RATE,
        announced=int(frames) if frames > 0 else None,
        limit=limit,
        warn=warn,
    )


def _capture(path: Path) -> cv2.VideoCapture:
    """Open a video by FFmpeg alone, if OpenCV has it.

    Others would take a file's name for that of a row of pictures, and write complaints of their own.
    """
    has_ffmpeg = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
    # Set for good, since FFmpeg only reads it before its first use.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _QUIET)
    with without_remarks():
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)


class VideoWriter:
    """A writer of Motion JPEG in an AVI file, which can be played though it was cut off.

    Every OpenCV can write this format. The video has the size of the first frame; one of another size is
    stretched to it. A frame is encoded in a thread, so it must not be changed once it was added.
    """

    def __init__(self, path: Path, *, rate: float) -> None:
        self._path, self._rate = path, rate
        self._opened: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] | None = None

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Write a frame, (H, W, 3) RGB."""
        height, width = pixels.shape[:2]
        if self._opened is None:
            self._size = width, height
            self._opened = self._open()
        self._finish()
        self._pending = self._thread.submit(self._encode, self._opened, pixels)

    def close(self) -> None:
        """End the file; without a frame there is none."""
        try:
            self._finish()
        finally:
            self._thread.shutdown()
            if self._opened is not None:
                self._opened.release()

    def _encode(self, opened: cv2.VideoWriter, pixels: NDArray[np.uint8]) -> None:
        if pixels.shape[1::-1] != self._size:
            pixels = np.asarray(cv2.resize(pixels, self._size, interpolation=cv2.INTER_LINEAR), np.uint8)
        opened.write(cv2.cvtColor(_even(pixels), cv2.COLOR_RGB2BGR))

    def _finish(self) -> None:
        """Wait for the frame that is being encoded; what went wrong there is raised here."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _open(self) -> cv2.VideoWriter:
        width, height = self._size
        even = width + width % 2, height + height % 2
        with without_remarks():
            opened = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"MJPG"), self._rate, even)
        if not opened.isOpened():
            raise PosenasError(f"{self._path}: no video can be written here; choose another --output")
        return opened


def _even(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pixels with even sides: the codec cuts an odd side, so its last row or column is there twice."""
    odd = [(0, side % 2) for side in pixels.shape[:2]]
    return np.pad(pixels, [*odd, (0, 0)], mode="edge") if any(after for _, after in odd) else pixels
