"""Lines and dots with dark edges, at places between pixels: what skeletons are drawn with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = tuple[int, int, int]

LEFT: Colour = (255, 150, 20)
RIGHT: Colour = (70, 150, 255)
MIDDLE: Colour = (90, 220, 90)
OUTLINE: Colour = (20, 20, 20)
_FAR = 1e4
_SUBPIXELS = 16
_SUBPIXEL_BITS = 4


def within_reach(points: NDArray[np.float64], canvas: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return (K, 2) points that are no farther outside the canvas than OpenCV's integers reach."""
    return np.clip(points, -_FAR, max(canvas.shape) + _FAR)


def limb_colour(start: Colour, end: Colour) -> Colour:
    """Return the colour of a limb: its side's, or the middle's if it leads from side to side."""
    if MIDDLE in (start, end):
        return end if start == MIDDLE else start
    return start if start == end else MIDDLE


def draw_line(
    canvas: NDArray[np.uint8],
    ends: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    colour: Colour,
    width: int,
) -> None:
    """Draw a line between two places.

    Args:
        canvas: (H, W, 3) RGB, which is drawn on.
        ends: (2,) pixels each.
        colour: RGB.
        width: pixels.
    """
    cv2.line(canvas, _fixed(ends[0]), _fixed(ends[1]), colour, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_point(
    canvas: NDArray[np.uint8], point: NDArray[np.float64], *, radius: float, colour: Colour, filled: bool
) -> None:
    """Draw a disc with a dark edge, or a ring.

    Args:
        canvas: (H, W, 3) RGB, which is drawn on.
        point: (2,) pixels.
        radius: pixels, without the edge.
        colour: RGB.
        filled: whether it is a disc.
    """
    draw_disc(canvas, point, radius=radius + 1, colour=OUTLINE)
    draw_disc(canvas, point, radius=radius, colour=colour)
    if not filled:
        draw_disc(canvas, point, radius=0.6 * radius, colour=OUTLINE)


def draw_disc(
    canvas: NDArray[np.uint8], point: NDArray[np.float64], *, radius: float, colour: Colour
) -> None:
    """Draw a disc.

    Args:
        canvas: (H, W, 3) RGB, which is drawn on.
        point: (2,) pixels.
        radius: pixels.
        colour: RGB.
    """
    size = round(radius * _SUBPIXELS)
    cv2.circle(canvas, _fixed(point), size, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(point: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(point[0]) * _SUBPIXELS), round(float(point[1]) * _SUBPIXELS)
