"""Images in files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posenas.samples import UnreadableImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


@dataclass(frozen=True)
class FileImage:
    """An image file of any format that OpenCV reads."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> NDArray[np.uint8]:
        """(H, W, 3) RGB, upright.

        Raises:
            UnreadableImageError: where the file is missing, empty, cut off or no image.
        """
        try:
            data = self.path.read_bytes()
        except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
            reason = error.strerror if isinstance(error, OSError) else error
            raise UnreadableImageError(f"{self.path}: {reason}") from None
        if not data:
            raise UnreadableImageError(f"{self.path}: the file is empty")
        if _is_cut_off(data):
            raise UnreadableImageError(f"{self.path}: the file is cut off")
        try:
            with without_remarks():
                image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error as error:
            raise UnreadableImageError(f"{self.path}: {error}") from None
        if image is None:
            raise UnreadableImageError(f"{self.path}: not an image, or damaged")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def without_remarks() -> Iterator[None]:
    """OpenCV writes nothing of its own to standard error. Libraries below it, such as libpng, still may."""
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)


def _is_cut_off(data: bytes) -> bool:
    """Whether a JPEG has no end after its last scan; decoders fill the rest with grey and say nothing.

    Within a scan both markers are escaped, and a preview in the header comes before the scan, so neither can
    mislead.
    """
    if not data.startswith(_JPEG_START) or data.endswith(_JPEG_END):  # whole, without a search
        return False
    return data.find(_JPEG_END, data.rfind(_JPEG_SCAN) + 1) < 0
