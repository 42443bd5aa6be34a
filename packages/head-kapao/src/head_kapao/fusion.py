"""Fusion: keypoint objects, the more precise ones, take the place of the keypoints of poses near them.

The algorithm goes through the objects one by one, and what one of them moves, a later one of its part sees.
Here all decide at once, seeing what the earlier ones of their part decided in the round before. Each round
settles at least the next object of every part. So the rounds end, after a few as a rule, with what the loop
gives.

Source: KAPAO (McNally, thesis, 2022), algorithm 2; objects best first, as in its public code.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from head_kapao.pairs import Indices, following_pairs

Doubles = NDArray[np.float64]


def fuse(
    keypoints: Doubles,
    pose_scores: Doubles,
    *,
    centres: Doubles,
    parts: Indices,
    scores: Doubles,
    distance: float = 50.0,
    confidence: float = 0.3,
) -> tuple[Doubles, Doubles]:
    """Return the poses of one image with the keypoint objects put in.

    Objects take turns, best first, of equal scores the earlier one. Each finds the pose whose keypoint of its
    part is nearest. It replaces that keypoint if it is nearer than `distance` and no object has done so
    before; otherwise it is dropped.

    Args:
        keypoints: (P, K, 2) pixels of the image.
        pose_scores: (P,) the scores of the poses.
        centres: (O, 2) of the keypoint objects, pixels of the image.
        parts: (O,) their keypoints, 0 to K - 1.
        scores: (O,) the scores of the keypoint objects.
        distance: pixels of the image.
        confidence: the score above which a pose takes part.

    Returns:
        (P, K, 2) pixels, and (P, K) the scores of the objects that were put in, 0 elsewhere.
    """
    fused, fused_scores = keypoints.copy(), np.zeros(keypoints.shape[:2])
    poses = np.flatnonzero(pose_scores > confidence)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > 0]
    if not len(poses) or not len(order):
        return fused, fused_scores
    centres, parts = centres[order], parts[order]
    x, y = (keypoints[poses, :, axis].T[parts] - centres[:, axis, None] for axis in (0, 1))
    distances = np.sqrt(x * x + y * y)
    nearest, taken = _decide(distances, centres, parts, distance)
    pose, part = poses[nearest[taken]], parts[taken]
    fused[pose, part] = centres[taken]
    fused_scores[pose, part] = scores[order][taken]
    return fused, fused_scores


def _decide(
    distances: Doubles, centres: Doubles, parts: Indices, limit: float
) -> tuple[Indices, NDArray[np.bool_]]:
    """Return the nearest pose of each object, and whether the object replaces its keypoint there.

    Args:
        distances: (O, P) from the objects, best first, to the keypoints of the poses as they were.
        centres: (O, 2) of the objects.
        parts: (O,) their keypoints, 0 to K - 1.
        limit: the distance that a replaced keypoint is nearer than.

    Returns:
        (O,) the nearest of P poses, and (O,) whether the object replaces that pose's keypoint.
    """
    earlier, later = _same_part(parts)
    x, y = (centres[later, axis] - centres[earlier, axis] for axis in (0, 1))
    apart = np.sqrt(x * x + y * y)
    rows = np.arange(len(parts))
    free = np.full((parts.max() + 1, distances.shape[1]), len(parts))
    nearest = distances.argmin(1)
    taken = distances[rows, nearest] < limit
    while True:
        moved = np.flatnonzero(taken[earlier])
        current = distances.copy()
        current[later[moved], nearest[earlier[moved]]] = apart[moved]
        taker = free.copy()
        best_last = np.flatnonzero(taken)[::-1]
        taker[parts[best_last], nearest[best_last]] = best_last
        chosen = current.argmin(1)
        takes = (current[rows, chosen] < limit) & (taker[parts, chosen] >= rows)
        if np.array_equal(chosen, nearest) and np.array_equal(takes, taken):
            return nearest, taken
        nearest, taken = chosen, takes


def _same_part(parts: Indices) -> tuple[Indices, Indices]:
    """Return all pairs of objects of one part, the earlier one first."""
    order = np.argsort(parts, kind="stable")
    counts = np.bincount(parts)
    following = np.repeat(np.cumsum(counts), counts) - np.arange(1, len(parts) + 1)
    earlier, later = following_pairs(following)
    return order[earlier], order[later]
