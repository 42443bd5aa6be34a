"""Cuts: frames of a video that show another scene than the frame before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZE = (32, 24)
_LEAST = 0.12
"""The mean difference of two small grey frames, as a share of white, below which there is no cut."""
_TIMES = 4.0
"""How many times the last difference a cut's is at least: a fast camera differs in every frame."""


class Cuts:
    """A look-out for cuts, which is shown each frame of a video."""

    def __init__(self) -> None:
        self._before: NDArray[np.floating[Any]] | None = None
        self._difference = 0.0

    def sees(self, pixels: NDArray[np.uint8]) -> bool:
        """Return whether a frame, (H, W, 3) RGB, shows another scene than the last one that was shown."""
        grey = cv2.cvtColor(cv2.resize(pixels, _SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        small = np.asarray(grey, np.float32) / 255
        if self._before is None:
            self._before = small
            return False
        difference = float(np.abs(small - self._before).mean())
        is_cut = difference >= max(_LEAST, _TIMES * self._difference)
        self._before, self._difference = small, difference
        return is_cut
