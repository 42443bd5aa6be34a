"""The surroundings: what is behind people and before them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.looks import cloth_colour
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.shapes import Shape, capsules


def backdrop(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return a background of soft blotches, often with a floor: (H, W, 3).

    Args:
        rng: draws it.
        height: H, pixels.
        width: W, pixels.
    """
    rows, columns = rng.integers(2, 12, 2)
    base = 20.0 + 0.9 * cloth_colour(rng, [])
    grey, tint = rng.standard_normal((rows, columns, 1)), rng.standard_normal((rows, columns, 3))
    blotches = base + rng.uniform(8.0, 40.0) * grey + rng.uniform(2.0, 18.0) * tint
    if rng.random() < 0.6:
        blotches[int(rows * rng.uniform(0.5, 0.8)) :] += rng.uniform(-70.0, 70.0, 3)
    soft = cv2.resize(
        np.clip(blotches, 0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
    )
    return np.asarray(soft, dtype=np.uint8)


def clutter(rng: np.random.Generator, height: int, width: int, people_colours: list[Array]) -> list[Shape]:
    """Return furniture-like boxes, poles and blobs, and bars that could be limbs but are nobody's.

    Args:
        rng: draws them.
        height: pixels of the picture.
        width: pixels of the picture.
        people_colours: (3,) RGB each; the bars have some of them.
    """
    size = float(min(height, width))
    shapes = []
    for _ in range(rng.integers(1, 7)):
        centre, half = rng.random(2) * [width, height], size * rng.uniform(0.03, 0.28, 2)
        if rng.random() < 0.35:
            half = half * [0.12, 2.0]
        sides = 4 if rng.random() < 0.6 else 12
        angle = 2.0 * np.pi * (np.arange(sides) + 0.5) / sides
        colour = cloth_colour(rng, [])
        outline = centre + np.stack([np.cos(angle), np.sin(angle)], axis=1) * half * 1.3
        shapes += [Shape(0.0, outline, 0.75 * colour), Shape(0.0, outline - 0.08 * half, colour)]
    for _ in range(rng.integers(0, 4)):
        start = rng.random((1, 2)) * [width, height]
        turn, length = rng.uniform(0.0, 2.0 * np.pi), size * rng.uniform(0.08, 0.3)
        end = start + length * np.array([np.cos(turn), np.sin(turn)])
        radius = size * rng.uniform(0.01, 0.03)
        colour = people_colours[rng.integers(len(people_colours))]
        outline = capsules(start, end, np.array([[radius, 0.7 * radius]]))[0]
        shapes += [Shape(0.0, outline, 0.7 * colour), Shape(0.0, outline + 0.2 * radius, colour)]
    return shapes


def object_shapes(outlines: Array, colours: Array) -> list[Shape]:
    """Return the shapes of things in front, each in a colour of its own with a band across.

    Args:
        outlines: (O, 8, 2) pixels.
        colours: (O, 3) RGB.
    """
    shapes = []
    for outline, colour in zip(outlines, colours, strict=True):
        shapes += [Shape(0.0, outline, colour), Shape(0.0, outline[[1, 2, 5, 6]], 0.75 * colour)]
    return shapes
