"""Regions of drawn people, faces and hands: as in COCO-WholeBody, only those that are clear are labelled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.world import World

_LEAST_VISIBLE = 0.5
"""The least share of a region's keypoints that must be visible: a face from behind is not labelled."""


def without_unclear(seen: NDArray[np.int64], regions: Mapping[str, tuple[int, ...]]) -> NDArray[np.int64]:
    """Return the visibility with all of a region unlabelled where less than half of it is visible.

    Args:
        seen: (S, M, K) 2 visible, 1 hidden, 0 outside the picture.
        regions: the indices of each region's keypoints, by its name.
    """
    labelled = seen.copy()
    for indices in regions.values():
        part = seen[..., list(indices)]
        clear = (part == 2).mean(axis=-1, keepdims=True) >= _LEAST_VISIBLE
        labelled[..., list(indices)] = np.where(clear, part, 0)
    return labelled


def region_boxes(
    places: Array, seen: NDArray[np.int64], *, regions: Mapping[str, tuple[int, ...]], world: World
) -> dict[str, tuple[float, float, float, float]]:
    """Return x, y, width and height of the rectangle around each labelled region, clipped to the picture.

    Args:
        places: (K, 2) pixels of a person's keypoints, also of those outside the picture.
        seen: (K,) 0 where unlabelled.
        regions: the indices of each region's keypoints, by its name.
        world: tells the picture's size.
    """
    last = np.array([world.width, world.height]) - 1.0
    boxes = {}
    for name, indices in regions.items():
        if seen[list(indices)].any():
            inside = places[list(indices)].clip(0.0, last)
            x, y = inside.min(axis=0).tolist()
            width, height = np.ptp(inside, axis=0).tolist()
            boxes[name] = (x, y, width, height)
    return boxes
