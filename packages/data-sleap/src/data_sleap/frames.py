"""Frames of videos, and pictures inside packages, read by sleap-io as SLEAP shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from posenas import UnreadableImageError
from posenas.annotations import encoded_size

from data_sleap.slp import DAMAGED, in_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

Size = tuple[int, int]


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video, or a picture in a package.

    The file is opened for each frame, so that worker processes share nothing.

    Attributes:
        path: the video, the package or another HDF5 file.
        index: of the frame in it.
        stored: the data set of an HDF5 file; empty for a video.
        name: by which a user knows a frame in an HDF5 file; empty for a frame of a video.
    """

    path: Path
    index: int
    stored: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{self.name or self.index}"

    def read(self) -> NDArray[np.uint8]:
        """Return the frame as (H, W, 3) RGB.

        Raises:
            UnreadableImageError: if the file is missing or damaged, or its pixels are not of 8 bits.
        """
        try:
            with opened(self.path, self.stored) as video:
                pixels: NDArray[np.uint8] = video.get_frame(self.index)
        except (*DAMAGED, cv2.error) as error:
            raise UnreadableImageError(f"{self}: cannot be read ({in_words(error)})") from None
        if pixels.dtype != np.uint8:
            raise UnreadableImageError(
                f"{self}: pixels of type {pixels.dtype}; only those of 8 bits are read"
            )
        colours = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[:, :, :3]
        return np.ascontiguousarray(colours)


def frame_sizes(path: Path, stored: str, indices: Iterable[int]) -> dict[int, Size | None]:
    """Return the (width, height) of frames in pixels; None for a frame that the file does not have.

    Args:
        path: the video, the package or another HDF5 file.
        stored: the data set of an HDF5 file; empty for a video.
        indices: of the frames in it.

    Raises:
        UnreadableImageError: if the file is missing or damaged.
    """
    try:
        with opened(path, stored) as video:
            return {index: _size(video, index) for index in indices}
    except (*DAMAGED, cv2.error) as error:
        raise UnreadableImageError(f"{path}: cannot be read as a video ({in_words(error)})") from None


@contextmanager
def opened(path: Path, stored: str) -> Iterator[Any]:
    """Open a video by sleap-io, and close it in the end."""
    from sleap_io import VideoBackend  # type: ignore[import-untyped]  # heavy: loaded where a file is opened

    video = VideoBackend.from_filename(
        str(path.absolute()), dataset=stored or None, grayscale=False, plugin="opencv"
    )
    try:
        yield video
    finally:
        video.close()


def _size(video: Any, index: int) -> Size | None:
    """Return the size of a frame. Pictures in a package may be of different sizes."""
    if index < 0 or not video.has_frame(index):
        return None
    if getattr(video, "has_embedded_images", False):
        return encoded_size(video.get_frame_raw_bytes(index).tobytes())
    _, height, width, _ = video.shape
    return int(width), int(height)
