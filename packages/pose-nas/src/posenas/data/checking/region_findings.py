"""Findings on the boxes of people's regions, such as faces and hands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from posenas.contract.finding import Finding
    from posenas.contract.keypoints import KeypointSet
    from posenas.data.checking.people_table import PeopleTable

# Annotated boxes are drawn by eye, so keypoints may lie beside them by this share of a side.
_BESIDE = 0.25
_MOST_OUTSIDE = 0.5


def region_findings(table: PeopleTable, keypoints: KeypointSet) -> Iterator[Finding]:
    """Yield findings on regions whose box has no area, or does not hold the region's keypoints.

    Args:
        table: the people of a split.
        keypoints: the keypoint set of the dataset, which names the regions.
    """
    for name, indices in keypoints.regions.items():
        boxed = np.array([name in person.regions for person in table.people], np.bool_)
        boxes = [person.regions.get(name, (0.0, 0.0, 0.0, 0.0)) for person in table.people]
        corner, size = np.split(np.array(boxes, np.float64).reshape(-1, 4), 2, axis=1)
        empty = boxed & (size <= 0).any(axis=1)
        yield from table.finding(
            f"people have a box of no area for region {name}, which counts as none", empty
        )
        points, labelled = table.points[:, list(indices)], table.labelled[:, list(indices)]
        low, high = corner - _BESIDE * size, corner + (1 + _BESIDE) * size
        outside = ((points < low[:, None]) | (points > high[:, None])).any(axis=2) & labelled
        yield from table.finding(
            f"people have most labelled keypoints of region {name} outside its box",
            boxed & ~empty & (outside.sum(axis=1) > _MOST_OUTSIDE * labelled.sum(axis=1)),
        )
