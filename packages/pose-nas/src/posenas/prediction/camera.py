"""A camera of this machine as a source of frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import cv2
import numpy as np

from posenas.contract.errors import PosenasError
from posenas.data.images.file_image import without_remarks
from posenas.prediction.frames import Frame

_USUAL_RATE = 25.0
"""The frames per second of a camera that does not tell."""

_LARGEST = 2**31 - 1
"""The largest number that OpenCV takes."""


@dataclass(frozen=True)
class Camera:
    """The frames of a camera, numbered from 0, until Ctrl-C or a limit.

    Attributes:
        number: of the camera, from 0.
        rate: frames per second.
        limit: at most this many are read; None for no end.
    """

    number: int
    rate: float
    limit: int | None
    _capture: cv2.VideoCapture = field(repr=False)

    @property
    def total(self) -> int | None:
        """The number of frames to expect; None where there is no limit."""
        return self.limit

    def find(self, image: int | str) -> int | None:
        """Return the number if a frame of it is to be expected, else None."""
        known = not isinstance(image, str) and image >= 0 and (self.limit is None or image < self.limit)
        return int(image) if known else None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames as they come."""
        try:
            for number in count():
                if number == self.limit:
                    return
                read, pixels = self._capture.read()
                if not read:
                    raise PosenasError(
                        f"camera {self.number}: gives no more frames after {number}; plug it in again"
                    )
                yield Frame(number, np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8))
        finally:
            self._capture.release()


def open_camera(number: int, *, limit: int | None) -> Camera:
    """Return a camera of this machine.

    Args:
        number: of the camera, from 0.
        limit: at most this many frames; None for no end.

    Raises:
        PosenasError: if there is no such camera.
    """
    with without_remarks():
        capture = cv2.VideoCapture(number) if number <= _LARGEST else cv2.VideoCapture()
    if not capture.isOpened():
        raise PosenasError(
            f"{number}: there is neither such a file nor camera {number}; give a path or another number"
        )
    rate = capture.get(cv2.CAP_PROP_FPS)
    return Camera(number, rate if math.isfinite(rate) and rate > 0 else _USUAL_RATE, limit, capture)
