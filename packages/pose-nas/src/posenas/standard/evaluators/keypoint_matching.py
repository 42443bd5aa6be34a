"""Predicted keypoints that are right, as PoseTrack counts them: by the person that their pose fits best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posenas.data.similarity import Pairs, pairs_by_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.scores import Predictions

THRESHOLD = 0.5
"""The largest distance of a right keypoint from the truth, in head sizes."""
PAIRS_AT_ONCE = 8192


@dataclass(frozen=True)
class MeasuredPeople:
    """The T people annotated in a split, in ascending order of the images' ids.

    Attributes:
        image_ids: (T,).
        keypoints: (T, K, 2) pixels.
        labelled: (T, K) bool: whether a keypoint counts.
        heads: (T,) sizes in pixels; 0 where nothing tells it.
    """

    image_ids: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    heads: NDArray[np.float64]


def correct_keypoints(
    poses: Predictions, known: NDArray[np.bool_], people: MeasuredPeople
) -> NDArray[np.bool_]:
    """Return whether each predicted keypoint is near enough to that of the person matched with its pose.

    Args:
        poses: P poses.
        known: (P, K) whether a keypoint is predicted.
        people: T people.

    Returns:
        (P, K).
    """
    pairs = pairs_by_image(poses.image_ids, people.image_ids)
    hits = np.zeros((len(pairs.predicted), known.shape[1]), np.bool_)
    for block in np.array_split(np.arange(len(hits)), 1 + len(hits) // PAIRS_AT_ONCE):
        part = Pairs(pairs.predicted[block], pairs.true[block])
        hits[block] = _hits(poses.keypoints, known, people, part)
    labelled = people.labelled.sum(axis=1)[pairs.true]
    share = np.divide(hits.sum(axis=1), labelled, out=np.zeros(len(hits)), where=labelled > 0)
    of_poses = _highest(share, pairs.predicted)
    of_poses = of_poses[share[of_poses] > 0]
    matched = of_poses[_highest(share[of_poses], pairs.true[of_poses])]
    correct = np.zeros(known.shape, np.bool_)
    correct[pairs.predicted[matched]] = hits[matched]
    return correct


def _hits(
    places: NDArray[np.float64], known: NDArray[np.bool_], people: MeasuredPeople, pairs: Pairs
) -> NDArray[np.bool_]:
    """Return which keypoints of M pairs are near enough, (M, K)."""
    both = known[pairs.predicted] & people.labelled[pairs.true]
    displacement = np.where(both[..., None], places[pairs.predicted] - people.keypoints[pairs.true], np.inf)
    distance = np.hypot(displacement[..., 0], displacement[..., 1])
    heads = people.heads[pairs.true, None]
    near = np.divide(distance, heads, out=np.full(distance.shape, np.inf), where=heads > 0) <= THRESHOLD
    return np.asarray(near)


def _highest(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the highest value of each group, of equals the first; in the groups' order."""
    order = np.lexsort((-values, groups))
    _, first = np.unique(groups[order], return_index=True)
    return np.asarray(order[first])
