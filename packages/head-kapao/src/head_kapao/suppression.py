"""Non-maximum suppression: of boxes that overlap too much, the best one stays.

Only boxes of one group that can overlap enough over x are compared; a sort finds them. What a loop would find
row by row follows from repeating one step for all rows: a row stays if no better row that stays overlaps it.
Each repetition settles at least the next row of the loop. So it ends, in a few steps as a rule, with the
loop's result. Rows come in blocks, best first, so that no more are compared than the limit needs.

Source: KAPAO (McNally, thesis, 2022), equation 4.11. The limit is of its public code, where it holds for the
objects of all keypoints together: 300 of the 510 that 30 people have. Here it holds for each keypoint.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from head_kapao.pairs import Indices, following_pairs

_BLOCK = 1280
"""The number of rows in a block.

More would mean pairs of rows that the limit never reaches, fewer would mean more calls.
"""

Floats = NDArray[np.floating]


def select_objects(
    boxes: Floats,
    scores: Floats,
    category: NDArray[np.integer],
    *,
    pose_overlap: float = 0.65,
    keypoint_overlap: float = 0.25,
    limit: int = 300,
    candidates: int = 30_000,
) -> tuple[Indices, Indices]:
    """Return the rows of one image's poses and of its keypoint objects that stay, both best first.

    Args:
        boxes: (R, 4) x1, y1, x2, y2.
        scores: (R,) the rows' scores.
        category: (R,) 0 for a pose, k for keypoint k; each is a group of its own.
        pose_overlap: the intersection over union above which the worse of two poses is removed.
        keypoint_overlap: the intersection over union above which the worse of two keypoint objects goes.
        limit: how many of each category stay at most.
        candidates: how many of each category are looked at, best first.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[_ranks(category[order]) < candidates]
    is_pose = category[order] == 0
    return (
        _suppress(boxes, category, order[is_pose], overlap=pose_overlap, limit=limit),
        _suppress(boxes, category, order[~is_pose], overlap=keypoint_overlap, limit=limit),
    )


def suppress(
    boxes: Floats,
    scores: Floats,
    groups: NDArray[np.integer],
    *,
    overlap: float,
    limit: int,
    candidates: int = 30_000,
) -> Indices:
    """Return the rows that stay, best first; of equal scores the earlier row is the better one.

    Args:
        boxes: (R, 4) x1, y1, x2, y2, finite.
        scores: (R,) the rows' scores.
        groups: (R,) not negative; boxes of different groups do not compete.
        overlap: the intersection over union above which the worse of two boxes goes.
        limit: how many of each group stay at most.
        candidates: how many of each group are looked at, best first.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[_ranks(groups[order]) < candidates]
    return _suppress(boxes, groups, order, overlap=overlap, limit=limit)


def _suppress(
    boxes: Floats, groups: NDArray[np.integer], order: Indices, *, overlap: float, limit: int
) -> Indices:
    """Return the rows in `order`, which is best first, that stay; of each group as many as the limit."""
    kept = order[:0]
    while len(order):
        rows = np.concatenate([kept, order[:_BLOCK]])
        better, worse = _overlapping(boxes[rows].astype(np.float64), groups[rows], overlap)
        kept = rows[_stays(better, worse, len(rows))]
        kept = kept[_ranks(groups[kept]) < limit]
        order = order[_BLOCK:]
        full = np.bincount(groups[kept]) >= limit
        if full.any():
            order = order[~np.isin(groups[order], np.flatnonzero(full))]
    return kept


def _ranks(groups: NDArray[np.integer]) -> Indices:
    """Count the earlier rows that each row has in its group."""
    order = np.argsort(groups, kind="stable")
    counts = np.bincount(groups)
    ranks = np.empty(len(groups), np.intp)
    ranks[order] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return ranks


def _overlapping(
    boxes: NDArray[np.float64], groups: NDArray[np.integer], overlap: float
) -> tuple[Indices, Indices]:
    """Return all pairs of rows in a group whose intersection over union is greater than `overlap`.

    Returns:
        The earlier and the later rows of the pairs.
    """
    left, top, right, bottom = boxes.T
    span = 2 * (right.max() - left.min() + 1)
    starts = left + groups * span
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    left, top, right, bottom = np.ascontiguousarray(boxes[order].T)
    # What begins further to the right shares too little of x with this box, and what shares no more than
    # `least` of y too little of y. The margins outweigh rounding.
    reach = starts + (1 - overlap) * (right - left) + 1e-9 * span
    counts = np.maximum(np.searchsorted(starts, reach) - np.arange(1, len(order) + 1), 0)
    first, second = following_pairs(counts)
    shared = np.minimum(bottom.take(first), bottom.take(second))
    shared -= np.maximum(top.take(first), top.take(second))
    least = (overlap * (1 - 1e-9)) * (bottom - top)
    met = np.flatnonzero(shared > least.take(first))
    first, second, shared = first[met], second[met], shared[met]
    widths = np.minimum(right[first], right[second]) - np.maximum(left[first], left[second])
    shared *= np.maximum(widths, 0)
    areas = (right - left) * (bottom - top)
    # Boxes of no width share nothing; without the floor their quotient would not be a number.
    unions = np.maximum(areas[first] + areas[second] - shared, np.finfo(np.float64).tiny)
    much = np.flatnonzero(shared / unions > overlap)
    first, second = order[first[much]], order[second[much]]
    return np.minimum(first, second), np.maximum(first, second)


def _stays(better: Indices, worse: Indices, count: int) -> NDArray[np.bool_]:
    """Tell which rows stay after each row that stays has removed those that it overlaps.

    Returns:
        (count,) of rows, best first.
    """
    stays = np.ones(count, bool)
    while True:
        checked = np.ones(count, bool)
        checked[worse[stays[better]]] = False
        if np.array_equal(checked, stays):
            return stays
        stays = checked
