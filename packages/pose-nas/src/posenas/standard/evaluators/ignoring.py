"""Points inside the regions of an image in which people may not be annotated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.samples import Sample


def ignored_regions(sample: Sample) -> list[NDArray[np.float64]]:
    """Return the corners (M, 2) of the polygons of an image, and those of its crowds' boxes."""
    boxes = [person.box for person in sample.people if person.crowd]
    rectangles = [np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)]) for x, y, w, h in boxes]
    return [*sample.ignored, *rectangles]


def in_regions(
    image_ids: NDArray[np.int64],
    places: NDArray[np.float64],
    regions: Mapping[int, Sequence[NDArray[np.float64]]],
) -> NDArray[np.bool_]:
    """Return whether each keypoint of N poses lies inside a region of its image, (N, K).

    Args:
        image_ids: (N,) ids of the poses' images.
        places: (N, K, 2) pixels; one that is not finite lies nowhere.
        regions: corners (M, 2) in pixels of each polygon, by the image's id.
    """
    found = np.zeros(places.shape[:2], np.bool_)
    order = np.argsort(image_ids, kind="stable")
    ascending = image_ids[order]
    for image, polygons in regions.items():
        first, last = np.searchsorted(ascending, image, "left"), np.searchsorted(ascending, image, "right")
        rows = order[first:last]
        if polygons and len(rows):
            points = places[rows].reshape(-1, 2)
            found[rows] = _in_any(points, polygons).reshape(len(rows), -1)
    return found


def _in_any(points: NDArray[np.float64], polygons: Sequence[NDArray[np.float64]]) -> NDArray[np.bool_]:
    found = np.zeros(len(points), np.bool_)
    for polygon in polygons:
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        near = np.flatnonzero(~found & ((points > low) & (points < high)).all(axis=1))
        if len(near):
            found[near] = is_inside(points[near], polygon)
    return found


def is_inside(points: NDArray[np.float64], polygon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether each finite point (N, 2) lies inside a polygon (M, 2), but not on its edge.

    Where the polygon crosses itself, a point is inside if a ray from it crosses the edges an odd number of
    times.
    """
    x, y = points[:, :1], points[:, 1:]
    (x0, y0), (x1, y1) = polygon.T, np.roll(polygon, -1, axis=0).T
    side = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
    # An upward edge is to the right of the point where the side is positive, a downward one where negative.
    crosses = ((y0 <= y) & (y < y1) & (side > 0)) | ((y1 <= y) & (y < y0) & (side < 0))
    within = (np.minimum(x0, x1) <= x) & (x <= np.maximum(x0, x1))
    within &= (np.minimum(y0, y1) <= y) & (y <= np.maximum(y0, y1))
    on_edge = ((side == 0) & within).any(axis=1)
    return np.asarray((crosses.sum(axis=1) % 2 == 1) & ~on_edge)
