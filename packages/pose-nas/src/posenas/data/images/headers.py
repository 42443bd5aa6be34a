"""Sizes of images from the headers of their files: known before anything is decoded.

The formats are those that OpenCV decodes. Anything else has no size here, and is not decoded either.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import pairwise

from posenas.data.images import jpeg

Size = tuple[int, int]
"""The (width, height) of an image in pixels, as stored."""

_WIDTH_TAG, _HEIGHT_TAG = 256, 257
_TIFF_TYPES = {3: "H", 4: "I", 16: "Q"}
_COMMENT = re.compile(rb"#[^\r\n]*")
_RADIANCE_SIZE = re.compile(rb"\n([-+])([XY]) +(\d+) +([-+])([XY]) +(\d+)")
_CODE_STREAM = b"\xff\x4f\xff\x51"
_MOST_HEADER = 2**16
"""The most bytes that the header of a text format has."""


def image_size(data: bytes) -> Size | None:
    """Return the size; None if this is no image, or its header is cut off or damaged."""
    for signature, read in _FORMATS.items():
        if data.startswith(signature):
            try:
                return read(data)
            except (ArithmeticError, IndexError, KeyError, ValueError, struct.error):
                return None
    if data[4:8] == b"ftyp":
        return _avif(data)
    return None


def tells_depth(data: bytes) -> bool:
    """Return whether the format itself says how many bits are used, so that a decoder can bring them to 8."""
    return data[4:8] in (b"ftyp", b"jP  ") or data.startswith(_CODE_STREAM)


def _jpeg(data: bytes) -> Size | None:
    return jpeg.jpeg_layout(data).size


def _png(data: bytes) -> Size:
    return struct.unpack_from(">II", data, 16)


def _bmp(data: bytes) -> Size:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = (
        struct.unpack_from("<HH", data, 18) if header == 12 else struct.unpack_from("<ii", data, 18)
    )
    return abs(width), abs(height)


def _gif(data: bytes) -> Size:
    return struct.unpack_from("<HH", data, 6)


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff(data: bytes) -> Size:
    """Return the size in the first directory.

    Files may be of either byte order, and have addresses of 32 or 64 bits.
    """
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    address, count, entry, value = ("Q", "Q", 20, 12) if is_big else ("I", "H", 12, 8)
    (place,) = struct.unpack_from(order + address, data, 8 if is_big else 4)
    (entries,) = struct.unpack_from(order + count, data, place)
    place += struct.calcsize(order + count)
    tags = {}
    for start in range(place, place + min(entries, 4096) * entry, entry):
        tag, kind = struct.unpack_from(f"{order}HH", data, start)
        if tag in (_WIDTH_TAG, _HEIGHT_TAG):
            (tags[tag],) = struct.unpack_from(order + _TIFF_TYPES[kind], data, start + value)
    return tags[_WIDTH_TAG], tags[_HEIGHT_TAG]


def _portable(data: bytes) -> Size:
    """Return the first two numbers of a PBM, PGM, PPM or PFM."""
    width, height = _COMMENT.sub(b" ", data[2:_MOST_HEADER]).split(maxsplit=2)[:2]
    return int(width), int(height)


def _portable_map(data: bytes) -> Size:
    """Return the size in a PAM, which has a word and a number in each line."""
    words = _COMMENT.sub(b" ", data[2:_MOST_HEADER]).split()
    found = dict(pairwise(words))
    return int(found[b"WIDTH"]), int(found[b"HEIGHT"])


def _sun(data: bytes) -> Size:
    return struct.unpack_from(">II", data, 4)


def _radiance(data: bytes) -> Size | None:
    found = _RADIANCE_SIZE.search(data[:_MOST_HEADER])
    if found is None:
        return None
    sizes = {found[2]: int(found[3]), found[5]: int(found[6])}
    return sizes[b"X"], sizes[b"Y"]


def _jpeg2000(data: bytes) -> Size | None:
    """Return the size of the code stream within its boxes, which is what is decoded."""
    for kind, start, _ in _boxes(data, 0, len(data)):
        if kind == b"jp2c":
            return _code_stream(data, start)
    return None


def _code_stream(data: bytes, start: int = 0) -> Size:
    right, bottom, left, top = struct.unpack_from(">IIII", data, start + 8)
    return right - left, bottom - top


def _avif(data: bytes) -> Size | None:
    """Return the largest of all sizes that its properties tell: a file holds previews and tiles too."""
    sizes = [
        struct.unpack_from(">II", data, found.end() + 4)
        for found in re.finditer(rb"ispe", data)
        if found.end() + 12 <= len(data)
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _boxes(data: bytes, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, first byte and end of each box of the ISO's form."""
    while place + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        stop = end if length == 0 else place + length
        if stop <= place:
            return
        yield kind, start, stop
        place = stop


_FORMATS = {
    jpeg.START: _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"BM": _bmp,
    b"GIF8": _gif,
    b"RIFF": _webp,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
    b"II+\0": _tiff,
    b"MM\0+": _tiff,
    **{b"P" + kind: _portable for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"F", b"f")},
    b"P7": _portable_map,
    b"\x59\xa6\x6a\x95": _sun,
    b"#?RADIANCE": _radiance,
    b"#?RGBE": _radiance,
    b"\0\0\0\x0cjP  ": _jpeg2000,
    _CODE_STREAM: _code_stream,
}
