"""Image files: read whole or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from pose_run.errors import PoseRunError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEPTHS = (8, 10, 12, 14, 16)
"""The bits that cameras and scanners have."""
_EXAMPLES = 3
_ROOM = 180
"""The most characters that the examples in a remark have together; the first one has any number."""
_JPEG, _SCAN, _END = b"\xff\xd8", 0xDA, b"\xff\xd9"


class Decoded(NamedTuple):
    """An image's content.

    Attributes:
        pixels: (H, W, 3) RGB, upright.
        stretched: how many of 16 bits it uses, where it was stretched to them; else None.
    """

    pixels: NDArray[np.uint8]
    stretched: int | None


def read_image(path: Path) -> Decoded:
    """Return an image file of any format that OpenCV reads.

    A picture of 16 bits that uses fewer of them is stretched to what it uses.

    Raises:
        PoseRunError: if the file is missing, cut off or no image, or its pixels have neither 8 nor 16 bits.
    """
    data = _content(path)
    if data.startswith(_JPEG) and _is_cut_off(data):
        raise PoseRunError(f"{path}: the file is cut off")
    stretched = None
    image = _decoded(data, cv2.IMREAD_COLOR | (0 if _tells_depth(data) else cv2.IMREAD_ANYDEPTH))
    if image is not None and image.dtype == np.uint16:
        used = next(depth for depth in _DEPTHS if int(image.max()).bit_length() <= depth)
        if used < _DEPTHS[-1]:
            image, stretched = np.right_shift(image, used - 8).astype(np.uint8), used
    if image is None or image.dtype != np.uint8:
        image = _decoded(data, cv2.IMREAD_COLOR)
    if image is None:
        raise PoseRunError(f"{path}: {_why_not(data)}")
    return Decoded(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), stretched)


def stretched_images(uses: Sequence[str]) -> str:
    """Return the remark on images that were stretched, each of which is told with the bits that it uses."""
    fit = sum(len("; ".join(uses[:count])) < _ROOM for count in range(1, _EXAMPLES + 1))
    examples = uses[: max(1, fit)]
    more = "; ..." if len(uses) > len(examples) else ""
    return (
        f"{len(uses)} images of 16 bits use fewer of them and are stretched to what they use: "
        f"{'; '.join(examples)}{more}; save them with 8 bits to choose the brightness yourself"
    )


@contextmanager
def without_remarks() -> Iterator[None]:
    """Keep OpenCV from writing to standard error. Libraries below it, such as libpng, still may."""
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe may never begin
        raise PoseRunError(f"{path}: not an image file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PoseRunError(f"{path}: {error.strerror}") from None
    if not data:
        raise PoseRunError(f"{path}: the file is empty")
    return data


def _decoded(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        with without_remarks():
            image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # its words name OpenCV's own source files
        return None
    return image


def _why_not(data: bytes) -> str:
    """Return why nothing was decoded to bytes."""
    image = _decoded(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        return "not an image, damaged, or too large"
    numbers = "floats" if np.issubdtype(image.dtype, np.floating) else f"the type {image.dtype}"
    return f"an image of {numbers}, which is not read; save it with 8 or 16 bits"


def _tells_depth(data: bytes) -> bool:
    """Return whether this is AVIF or JPEG 2000, whose decoders bring any depth to 8 bits."""
    return data[4:8] in (b"ftyp", b"jP  ") or data.startswith(b"\xff\x4f\xff\x51")


def _is_cut_off(data: bytes) -> bool:
    """Return whether a JPEG has no end behind its first scan: decoders fill the rest with grey.

    Segments before the scan are passed over, since a preview in them has an end of its own.
    """
    place = len(_JPEG)
    while data[place : place + 1] == b"\xff":
        kind = data[place + 1 : place + 2]
        if kind == bytes([_SCAN]):
            return data.find(_END, place) < 0
        is_filling = kind == b"\xff"
        place += 1 if is_filling else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return True
