"""Photographs: light, colour, blur and noise of a camera, and what makes single frames hard to read."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.pose import Array


@dataclass(frozen=True)
class Spoiling:
    """A hardship of one frame, which makes it hard to read.

    Attributes:
        streak: (x, y) pixels by which the camera jerks while it is exposed.
        softness: pixels of the blur of a picture that is out of focus; 0 is in focus.
        haze: share of the picture that is haze, from 0 to 1.
        grain: share of noise that is added, from 0 to 1.
    """

    streak: tuple[float, float] = (0.0, 0.0)
    softness: float = 0.0
    haze: float = 0.0
    grain: float = 0.0


UNSPOILT = Spoiling()
"""The spoiling of a clear picture: none."""

_HAZE = 120.0
"""The grey of haze, from 0 to 255."""
_LONGEST_STREAK = 8.0
"""The pixels of the longest line along which a picture is smeared in its full size."""


def photograph(
    image: NDArray[np.uint8], rng: np.random.Generator, noise: np.random.Generator, *, spoiling: Spoiling
) -> NDArray[np.uint8]:
    """Return an image with uneven light, a colour cast, blur and noise: (H, W, 3).

    Args:
        image: (H, W, 3) RGB.
        rng: draws what a scene keeps: light, colours, focus, how strong the noise is.
        noise: draws the noise; in single pictures it is `rng`.
        spoiling: what makes the picture hard to read.
    """
    height, width = image.shape[:2]
    gain, gamma = rng.uniform(0.85, 1.15) * rng.uniform(0.9, 1.1, 3), rng.uniform(0.75, 1.3)
    curve = np.clip(255.0 * gain * (np.arange(256)[:, None] / 255.0) ** gamma, 0.0, 255.0).astype(np.uint8)
    lit = cv2.LUT(image, curve[:, None, :])
    if rng.random() < 0.2:
        lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.5, 1.1))
    if rng.random() < 0.4:
        corners = rng.uniform(0.6, 1.0, (2, 2)).astype(np.float32)
        shade = cv2.resize((corners * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
        lit = cv2.multiply(lit, cv2.merge([shade, shade, shade]), scale=1 / 255.0)
    amount = rng.uniform(0.01, 0.04) + spoiling.grain
    lit = _spoilt(np.asarray(lit, dtype=np.uint8), spoiling)
    grains = noise.integers(0, 256, image.shape, dtype=np.uint8)
    return np.asarray(cv2.addWeighted(lit, 1.0, grains, amount, -127.5 * amount), dtype=np.uint8)


def _spoilt(image: NDArray[np.uint8], spoiling: Spoiling) -> NDArray[np.uint8]:
    spoilt: cv2.typing.MatLike = image
    if any(spoiling.streak):
        spoilt = _smeared(image, np.array(spoiling.streak))
    if spoiling.softness:
        spoilt = cv2.GaussianBlur(spoilt, (0, 0), spoiling.softness)
    if spoiling.haze:
        spoilt = cv2.convertScaleAbs(spoilt, alpha=1.0 - spoiling.haze, beta=_HAZE * spoiling.haze)
    return np.asarray(spoilt, dtype=np.uint8)


def _smeared(image: NDArray[np.uint8], streak: Array) -> NDArray[np.uint8]:
    """Return an image smeared along a line; a long line smears a smaller image, which costs less."""
    height, width = image.shape[:2]
    smaller = max(float(np.abs(streak).max()) / _LONGEST_STREAK, 1.0)
    size = (max(round(width / smaller), 1), max(round(height / smaller), 1))
    small = cv2.filter2D(cv2.resize(image, size, interpolation=cv2.INTER_AREA), -1, _line(streak / smaller))
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _line(pixels: Array) -> Array:
    """Return the kernel that smears a picture along a line about each pixel: (n, n), n odd."""
    radius = int(np.ceil(np.abs(pixels).max() / 2.0))
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
    ends = np.round(16.0 * (radius + np.array([-0.5, 0.5])[:, None] * pixels)).astype(np.int32)
    cv2.polylines(kernel, [ends], False, 255, 1, cv2.LINE_AA, 4)
    balanced = kernel.astype(np.float64) + kernel[::-1, ::-1]
    return np.asarray(balanced / balanced.sum())
