"""The size of an image file as it is seen, after a camera's turn, mostly without decoding it.

Source: Exif 2.32, tag 274 (orientation).
"""

from __future__ import annotations

import stat
import struct
from pathlib import Path

from posenas.contract.samples import UnreadableImageError
from posenas.data.images import jpeg
from posenas.data.images.file_image import FileImage
from posenas.data.images.headers import Size, image_size

_HEAD = 2**16
"""Bytes at the beginning of a file, which mostly tell the size."""
_ORIENTATION = 274
_TURNED = range(5, 9)
"""The orientations that exchange width and height."""
_TURNING = (b"Exif", b"eXIf", b"EXIF")
"""What a file other than a JPEG holds where it may be turned."""


def upright_size(path: Path, most_pixels: int) -> Size:
    """Return the (width, height) that `FileImage.read` gives the image.

    Args:
        path: the file; any format that OpenCV reads.
        most_pixels: a turned image that is no JPEG is decoded if it has at most so many.

    Raises:
        UnreadableImageError: if there is no image.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableImageError(f"{path}: no image file")
        with path.open("rb") as file:
            head = file.read(_HEAD)
            size = image_size(head) if head.startswith(jpeg.START) else None
            data = head if size else head + file.read()
    except OSError as error:
        raise UnreadableImageError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a name with a zero byte
        raise UnreadableImageError(f"{path}: {error}") from None
    size = size or image_size(data)
    if size is None or min(size) < 1:
        raise UnreadableImageError(f"{path}: not an image, or damaged")
    if data.startswith(jpeg.START):
        return size[::-1] if _jpeg_orientation(data) in _TURNED else size
    if data.startswith((b"II", b"MM")) or any(word in data for word in _TURNING):
        height, width, _ = FileImage(path, most_pixels).read().shape
        return width, height
    return size


def _jpeg_orientation(data: bytes) -> int:
    """Return the orientation that a JPEG's Exif segment tells; 1, upright, if none does."""
    place = len(jpeg.START)
    while data[place : place + 1] == b"\xff" and data[place + 1] not in (0xD9, 0xDA):
        end = place + 2 + max(2, int.from_bytes(data[place + 2 : place + 4], "big"))
        if data[place + 1] == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            return _tiff_orientation(data[place + 10 : end])
        place = end
    return 1


def _tiff_orientation(data: bytes) -> int:
    order = "<" if data.startswith(b"II") else ">"
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, place)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, place + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return int(value)
    except struct.error:  # cut off
        return 1
    return 1
