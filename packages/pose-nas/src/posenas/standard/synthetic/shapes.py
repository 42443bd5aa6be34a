"""Shapes: coloured outlines at a depth, which are all that a figure is drawn with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.pose import Array

_SUBPIXEL_BITS = 4
_HALF_CIRCLE = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 5)


@dataclass(frozen=True)
class Shape:
    """A filled convex outline, or a line where `thickness` (pixels) is above 0.

    Attributes:
        depth: larger is nearer; shapes of equal depth keep their order.
        points: (n, 2) pixels.
        colour: (3,) RGB.
        thickness: pixels of a line; 0 for a filled outline.
    """

    depth: float
    points: Array
    colour: Array
    thickness: int = 0


def draw(image: NDArray[np.uint8], shapes: Iterable[Shape]) -> None:
    """Draw shapes into an image, (H, W, 3) RGB, the farthest first."""
    for shape in sorted(shapes, key=lambda shape: shape.depth):
        points = np.round(shape.points * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        red, green, blue = (min(max(value, 0.0), 255.0) for value in shape.colour.tolist())
        if shape.thickness:
            cv2.polylines(
                image, [points], False, (red, green, blue), shape.thickness, cv2.LINE_AA, _SUBPIXEL_BITS
            )
        else:
            cv2.fillConvexPoly(image, points, (red, green, blue), cv2.LINE_AA, _SUBPIXEL_BITS)


def hull(points: Array) -> Array:
    """Return the convex outline of (m, 2) points: (n, 2)."""
    outline: Array = cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
    return outline


def capsules(starts: Array, ends: Array, radii: Array) -> Array:
    """Return the outlines of n rounded bars, (n, 10, 2).

    Args:
        starts: (n, 2) pixels.
        ends: (n, 2) pixels.
        radii: (n, 2) pixels, at the starts and at the ends.
    """
    axis = ends - starts
    along = axis / np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-6)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    forward = np.cos(_HALF_CIRCLE)[None, :, None] * along[:, None]
    sideways = np.sin(_HALF_CIRCLE)[None, :, None] * across[:, None]
    cap = ends[:, None] + radii[:, 1, None, None] * (forward + sideways)
    foot = starts[:, None] - radii[:, 0, None, None] * (forward + sideways)
    return np.concatenate([cap, foot], axis=1)


def shaded(depth: float, outline: Array, colour: Array, light: Array) -> list[Shape]:
    """Return the outline in shade, and a smaller one in full colour, moved towards the light.

    Args:
        depth: depth of both shapes; larger is nearer.
        outline: (n, 2) pixels, convex.
        colour: (3,) RGB.
        light: (2,) direction of the light in the picture.
    """
    centre = outline.mean(axis=0)
    inner = centre + 0.72 * (outline - centre)
    shift = 0.10 * np.abs(outline - centre).max(axis=0).min() * light
    return [Shape(depth, outline, 0.72 * colour), Shape(depth, inner + shift, colour)]
