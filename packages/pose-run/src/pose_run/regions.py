"""Faces and hands drawn on images: lines and dots that are as thin as suits the region's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pose_run.strokes import OUTLINE, Colour, draw_disc, draw_line, draw_point, limb_colour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pose_run.manifest import KeypointSet

_CONTOURS = (
    tuple(range(17)),
    tuple(range(17, 22)),
    tuple(range(22, 27)),
    tuple(range(27, 31)),
    tuple(range(31, 36)),
    (*range(36, 42), 36),
    (*range(42, 48), 42),
    (*range(48, 60), 48),
    (*range(60, 68), 60),
)
"""Indices along the contours of a face's 68 keypoints: jaw, brows, nose, nostrils, eyes and lips."""
_FACE = 68
_FINGERS: tuple[Colour, ...] = (
    (255, 80, 80),
    (255, 215, 60),
    (90, 220, 90),
    (70, 200, 255),
    (230, 110, 255),
)
_MARGIN = 0.1
_EXTENT_TO_LINE = 60
_EXTENT_TO_RADIUS = 45
_LEAST_DOTTED = 40
"""The least pixels of a region whose keypoints have dots; in a smaller one they would cover each other."""
_LEAST_EDGED = 90
"""The least pixels of a region whose lines and dots have dark edges."""


@dataclass(frozen=True)
class DrawnRegion:
    """A region of one pose, about to be drawn.

    Attributes:
        lines: from keypoint to keypoint, each with its colour.
        dots: the colour of each keypoint, by its index.
        extent: pixels of the larger side of the rectangle around the keypoints that are drawn.
    """

    lines: tuple[tuple[int, int, Colour], ...]
    dots: Mapping[int, Colour]
    extent: float


def drawn_regions(
    keypoints: KeypointSet,
    points: NDArray[np.float64],
    seen: NDArray[np.int64],
    *,
    sides: Sequence[Colour],
) -> list[DrawnRegion]:
    """Return the regions of a pose of which any keypoint is drawn.

    Keypoints of the head that lie in a region are of it too: the body's eyes are drawn as thinly as the face.

    Args:
        keypoints: has the regions and the limbs.
        points: (K, 2) pixels.
        seen: (K,) 0 is not drawn.
        sides: the colour of each of the K keypoints.
    """
    return [
        _drawn(keypoints, region, points, shown, sides)
        for region in keypoints.regions.values()
        if (shown := [index for index in region if seen[index] > 0])
    ]


def _drawn(
    keypoints: KeypointSet,
    region: Sequence[int],
    points: NDArray[np.float64],
    shown: Sequence[int],
    sides: Sequence[Colour],
) -> DrawnRegion:
    low, high = points[list(shown)].min(axis=0), points[list(shown)].max(axis=0)
    extent = float((high - low).max())
    inside = ((points >= low - _MARGIN * extent) & (points <= high + _MARGIN * extent)).all(axis=1)
    head = [index for index in keypoints.parts.get("head", ()) if inside[index]]
    dots = {index: sides[index] for index in (*head, *region)}
    lines = [(*limb, limb_colour(sides[limb[0]], sides[limb[1]])) for limb in _within(head, keypoints)]
    chains = _chains(keypoints, region)
    if len(chains) == len(_FINGERS):
        for chain, colour in zip(chains, _FINGERS, strict=True):
            dots |= dict.fromkeys(chain[1:], colour)
            lines += [(start, end, colour) for start, end in pairwise(chain)]
    else:
        pairs = [pair for chain in chains for pair in pairwise(chain)]
        lines += [(start, end, limb_colour(sides[start], sides[end])) for start, end in pairs]
    return DrawnRegion(tuple(lines), dots, extent)


def _chains(keypoints: KeypointSet, region: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the region's limbs, those that go on from each other as one; contours of a face without any."""
    chains: list[tuple[int, ...]] = []
    for start, end in _within(region, keypoints):
        if chains and chains[-1][-1] == start:
            chains[-1] += (end,)
        else:
            chains.append((start, end))
    if not chains and len(region) == _FACE:
        return [tuple(region[index] for index in contour) for contour in _CONTOURS]
    return chains


def add_region(
    canvas: NDArray[np.uint8],
    points: NDArray[np.float64],
    seen: NDArray[np.int64],
    *,
    region: DrawnRegion,
) -> None:
    """Draw a region on the image itself: a small one as thin lines alone, a large one like a body.

    Args:
        canvas: (H, W, 3) RGB.
        points: (K, 2) pixels of the whole pose.
        seen: (K,) 0 is not drawn, 1 is a ring if the region is large, 2 a disc.
        region: what is drawn.
    """
    width, edged = max(1, round(region.extent / _EXTENT_TO_LINE)), region.extent >= _LEAST_EDGED
    lines = [line for line in region.lines if seen[line[0]] > 0 and seen[line[1]] > 0]
    if edged:
        for start, end, _ in lines:
            draw_line(canvas, (points[start], points[end]), colour=OUTLINE, width=width + 2)
    for start, end, colour in lines:
        draw_line(canvas, (points[start], points[end]), colour=colour, width=width)
    radius = region.extent / _EXTENT_TO_RADIUS
    for index, colour in region.dots.items():
        if seen[index] > 0 and edged:
            draw_point(canvas, points[index], radius=radius, colour=colour, filled=bool(seen[index] > 1))
        elif seen[index] > 0 and region.extent >= _LEAST_DOTTED:
            draw_disc(canvas, points[index], radius=radius, colour=colour)


def _within(indices: Sequence[int], keypoints: KeypointSet) -> list[tuple[int, int]]:
    return [limb for limb in keypoints.limbs if set(limb) <= set(indices)]
