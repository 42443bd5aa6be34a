"""Videos and cameras that are read frame by frame, and videos that are written so."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from pose_run.errors import PoseRunError
from pose_run.images import without_remarks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Opened: TypeAlias = tuple[float, int | None, Callable[[], Iterator[Pixels]]]

_USUAL_RATE = 25.0
"""The frames per second of a video or a camera that does not tell."""
_LAST_CAMERA = 2**31 - 1
"""The highest number of a camera that OpenCV takes."""
_QUIET = "-8"
"""The log level at which FFmpeg writes no line."""


def open_video(path: Path, *, limit: int | None, warn: Callable[[str], None]) -> Opened:
    """Return frames per second, the number of frames to expect, and what yields the frames.

    Args:
        path: the file.
        limit: at most this many frames; None for all.
        warn: told if there are fewer frames than the header says.

    Raises:
        PoseRunError: if the file is no video with a frame that can be decoded.
    """
    capture = _capture(path)
    try:
        if not capture.isOpened():
            raise PoseRunError(f"{path}: neither an image nor a video that can be read")
        if not capture.grab():
            raise PoseRunError(f"{path}: not an image, and no frame of a video in it can be decoded")
        rate, frames = _rate(capture), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()
    announced = frames if frames > 0 else None
    total = min((each for each in (announced, limit) if each is not None), default=None)

    def ended(read: int) -> None:
        if announced is not None and read < announced:
            warn(
                f"{path}: ends, or lacks frames: {read} can be read, and its header tells of {announced}; "
                "frames after a gap have too low a number"
            )

    return rate, total, lambda: _read(_capture(path), limit, ended)


def open_camera(number: int, *, limit: int | None) -> Opened:
    """Return frames per second, the number of frames to expect, and what yields the frames of a camera.

    Args:
        number: of the camera, from 0.
        limit: at most this many frames; None for no end.

    Raises:
        PoseRunError: if there is no such camera.
    """
    with without_remarks():
        capture = cv2.VideoCapture(number) if number <= _LAST_CAMERA else cv2.VideoCapture()
    if not capture.isOpened():
        raise PoseRunError(
            f"{number}: there is neither such a file nor camera {number}; give a path or another number"
        )

    def ended(read: int) -> None:
        raise PoseRunError(f"camera {number}: gives no more frames after {read}; plug it in again")

    return _rate(capture), limit, partial(_read, capture, limit, ended)


def _read(
    capture: cv2.VideoCapture, limit: int | None, ended: Callable[[int], None]
) -> Iterator[NDArray[np.uint8]]:
    """Yield RGB frames; `ended` is called with their number where they end before the limit."""
    try:
        for number in count():
            if number == limit:
                return
            read, pixels = capture.read()
            if not read:
                ended(number)
                return
            yield np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    finally:
        capture.release()


def _rate(capture: cv2.VideoCapture) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and rate > 0 else _USUAL_RATE


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

    The video has the size of the first frame; one of another size is stretched to it.
    """

    def __init__(self, path: Path, *, rate: float) -> None:
        self._path, self._rate = path, rate
        self._opened: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Write a frame, (H, W, 3) RGB."""
        height, width = pixels.shape[:2]
        if self._opened is None:
            self._size = width, height
            self._opened = self._open()
        if (width, height) != self._size:
            pixels = np.asarray(cv2.resize(pixels, self._size, interpolation=cv2.INTER_LINEAR), np.uint8)
        self._opened.write(cv2.cvtColor(_even(pixels), cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """End the file; without a frame there is none."""
        if self._opened is not None:
            self._opened.release()

    def _open(self) -> cv2.VideoWriter:
        width, height = self._size
        even = width + width % 2, height + height % 2
        with without_remarks():
            opened = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"MJPG"), self._rate, even)
        if not opened.isOpened():
            raise PoseRunError(f"{self._path}: no video can be written here; choose another --output")
        return opened


def _even(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pixels with even sides: the codec cuts an odd side, so its last row or column is there twice."""
    odd = [(0, side % 2) for side in pixels.shape[:2]]
    return np.pad(pixels, [*odd, (0, 0)], mode="edge") if any(after for _, after in odd) else pixels
