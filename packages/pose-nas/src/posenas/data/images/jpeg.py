"""The size and the end of a JPEG, from its own segments.

What lies behind its end marker, such as the film of a phone's motion photo, is not looked at.

Source: ITU-T T.81, annex B.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

START = b"\xff\xd8"
_END = 0xD9
_ALONE = (0x01, 0xD8)
"""The markers without a segment: TEM and the start of an image."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The segments that tell the size: SOF."""


class JpegLayout(NamedTuple):
    """The size and the end that a JPEG's segments tell.

    Attributes:
        size: (width, height) in pixels as stored; None if no segment tells it.
        end: bytes up to and with the end marker; None if the file is cut off before it.
    """

    size: tuple[int, int] | None
    end: int | None


def jpeg_layout(data: bytes) -> JpegLayout:
    """Walk from segment to segment and return what they tell; `data` begins with `START`."""
    content = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(content[:-1] == 0xFF)
    kinds = content[places + 1]
    # FF 00 is a byte of a scan, FF FF fills up. Restart markers go on with a scan, and nothing else has them.
    is_marker = (kinds != 0x00) & (kinds != 0xFF) & ((kinds < 0xD0) | (kinds > 0xD7))
    places, kinds = places[is_marker], kinds[is_marker]
    size, start = None, len(START)
    while (index := int(np.searchsorted(places, start))) < len(places):
        kind, start = int(kinds[index]), int(places[index]) + 2
        if kind == _END:
            return JpegLayout(size, start)
        if kind in _ALONE:
            continue
        length = int.from_bytes(data[start : start + 2], "big")
        if kind in _FRAMES and size is None:
            size = _frame_size(data[start : start + length])
        start += max(2, length)
    return JpegLayout(size, None)


def _frame_size(segment: bytes) -> tuple[int, int] | None:
    if len(segment) < 7:
        return None
    return int.from_bytes(segment[5:7], "big"), int.from_bytes(segment[3:5], "big")
