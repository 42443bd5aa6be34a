"""Images in files: read whole or refused with a reason."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from posenas.contract.samples import UnreadableImageError
from posenas.data.images import jpeg
from posenas.data.images.headers import image_size, tells_depth

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any] | np.floating[Any]]]

MOST_PIXELS = 2**27
"""The most pixels of an image: 134 million, 400 MB decoded. A camera of 100 million stays below."""
_MOST_BYTES = 2**31 - 1
"""The most bytes of a file; OpenCV takes no more."""
_DEPTHS = (8, 10, 12, 14, 16)
"""The bits that cameras and scanners have."""


class Decoded(NamedTuple):
    """An image's content.

    Attributes:
        pixels: (H, W, 3) RGB, upright.
        stretched: how many of 16 bits it uses, where it was stretched to them; else None.
    """

    pixels: NDArray[np.uint8]
    stretched: int | None


@dataclass(frozen=True)
class FileImage:
    """An image file of any format that OpenCV reads.

    Attributes:
        most_pixels: an image with more is refused, from its header, before anything of it is decoded.
    """

    path: Path
    most_pixels: int = MOST_PIXELS

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> NDArray[np.uint8]:
        """Return the image as (H, W, 3) RGB, upright; see `decode`."""
        return self.decode().pixels

    def decode(self) -> Decoded:
        """Return the image, and what was done to it.

        Raises:
            UnreadableImageError: if the file is missing, empty, cut off, no file or no image, or the image is
                too large.
        """
        data = self._content()
        size = image_size(data)
        if size is not None and size[0] * size[1] > self.most_pixels:
            raise UnreadableImageError(
                f"{self.path}: {size[0]} x {size[1]} pixels are more than the {self.most_pixels:,} that are "
                "decoded at most; make the image smaller, or raise dataset.max_pixels (predict: --max-pixels)"
            )
        if _is_cut_off(data):
            raise UnreadableImageError(f"{self.path}: the file is cut off")
        if size is None:
            raise UnreadableImageError(f"{self.path}: not an image, or damaged")
        try:
            decoded = _decoded(data)
        except _NumbersError as error:
            raise UnreadableImageError(f"{self.path}: {error}") from None
        if decoded is None:
            raise UnreadableImageError(f"{self.path}: not an image, or damaged")
        return decoded

    def _content(self) -> bytes:
        """Return the bytes of a regular file: a device may never end, and a pipe may never begin."""
        try:
            status = self.path.stat()
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                raise UnreadableImageError(f"{self.path}: a device or a pipe, not an image file")
            if status.st_size > _MOST_BYTES:
                raise UnreadableImageError(f"{self.path}: {status.st_size:,} bytes are too many for an image")
            data = self.path.read_bytes()
        except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
            reason = error.strerror if isinstance(error, OSError) else error
            raise UnreadableImageError(f"{self.path}: {reason}") from None
        if not data:
            raise UnreadableImageError(f"{self.path}: the file is empty")
        return data


class _NumbersError(Exception):
    """The image's pixels are numbers of a kind that is not read."""


def _decoded(data: bytes) -> Decoded | None:
    """Return the decoded image; None if OpenCV finds no whole one."""
    every_bit = 0 if tells_depth(data) else cv2.IMREAD_ANYDEPTH
    image, stretched = _imdecode(data, cv2.IMREAD_COLOR | every_bit), None
    if image is not None and image.dtype == np.uint16:
        bits = _used_bits(image)
        if bits < _DEPTHS[-1]:
            image, stretched = np.right_shift(image, bits - 8).astype(np.uint8), bits
    if image is None or image.dtype != np.uint8:
        image = _imdecode(data, cv2.IMREAD_COLOR)
    if image is None:
        _check_numbers(_imdecode(data, cv2.IMREAD_UNCHANGED))
        return None
    return Decoded(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), stretched)


def _check_numbers(image: Pixels | None) -> None:
    """Check that OpenCV found no image at all.

    Raises:
        _NumbersError: if it decodes one, but not to bytes.
    """
    if image is not None:
        numbers = "floats" if np.issubdtype(image.dtype, np.floating) else f"the type {image.dtype}"
        raise _NumbersError(f"an image of {numbers}, which is not read; save it with 8 or 16 bits")


def _imdecode(data: bytes, flags: int) -> Pixels | None:
    try:
        with without_remarks():
            image: Pixels | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # its words name OpenCV's own source files
        return None
    return image


def _used_bits(image: Pixels) -> int:
    """Return the smallest usual depth that holds the image's greatest value."""
    used = int(image.max()).bit_length()
    return next(depth for depth in _DEPTHS if used <= depth)


@contextmanager
def without_remarks() -> Iterator[None]:
    """Keep OpenCV from writing to standard error. Libraries below it, such as libpng, still may."""
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


def _is_cut_off(data: bytes) -> bool:
    """Return whether a JPEG has no end of its own; decoders fill the rest with grey and say nothing."""
    return data.startswith(jpeg.START) and jpeg.jpeg_layout(data).end is None
