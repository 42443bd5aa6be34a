"""Predicted poses matched with true people by their similarity (OKS), as COCO does it.

Source: pycocotools.cocoeval 2.0, `iouType="keypoints"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posenas.data.similarity import Pairs, TruePeople, pairs_by_image, pose_similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

POSES_AN_IMAGE = 20
OKS_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())


@dataclass(frozen=True)
class RankedPoses:
    """The D predicted poses that count, by image and falling score.

    Attributes:
        image_ids: (D,) ids of the samples.
        keypoints: (D, K, 2) pixels; infinite where the prediction is NaN.
        scores: (D,).
        ranks: (D,) place within the image, from 0.
        areas: (D,) square pixels: unmatched poses of an area outside a range of areas do not count in it.
    """

    image_ids: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]
    ranks: NDArray[np.int64]
    areas: NDArray[np.float64]


def rank_poses(
    image_ids: NDArray[np.int64],
    *,
    keypoints: NDArray[np.float64],
    scores: NDArray[np.float64],
    areas: NDArray[np.float64] | None = None,
) -> RankedPoses:
    """Return the 20 most confident poses of each image; of equal scores the first ones.

    Args:
        image_ids: (P,) ids of the samples.
        keypoints: (P, K, 2) pixels; a coordinate that is NaN is infinitely far from everything.
        scores: (P,) of the poses.
        areas: (P,) square pixels of the poses; by default of the boxes around their keypoints.
    """
    order = np.lexsort((-scores, image_ids))
    ranks = np.arange(len(order)) - np.searchsorted(image_ids[order], image_ids[order])
    order, ranks = order[ranks < POSES_AN_IMAGE], ranks[ranks < POSES_AN_IMAGE]
    known = keypoints[order]
    known[np.isnan(known)] = np.inf
    chosen_areas = pose_areas(known) if areas is None else areas[order]
    return RankedPoses(image_ids[order], known, scores[order], ranks, chosen_areas)


def pose_areas(keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the areas of the boxes around the keypoints (P, K, 2) of poses, in square pixels (P,).

    A coordinate that is NaN counts as infinite.
    """
    known = np.where(np.isnan(keypoints), np.inf, keypoints)
    with np.errstate(invalid="ignore"):  # an infinite pose has no area
        areas: NDArray[np.float64] = np.ptp(known[..., 0], axis=1) * np.ptp(known[..., 1], axis=1)
    return areas


@dataclass(frozen=True)
class Comparison:
    """The poses and the people of a split, and the pairs in one image that are similar enough to be matched.

    Attributes:
        poses: the D poses.
        people: the T people.
        sigmas: (K,) the constants of the similarity.
        pairs: M pairs of a pose and a person with the least OKS that any threshold asks for.
        similarity: (M,) the pairs' OKS.
        best: the most similar pose of each person with any pose in the image, however far away it is; of
            equally similar ones it is the most confident.
    """

    poses: RankedPoses
    people: TruePeople
    sigmas: NDArray[np.float64]
    pairs: Pairs
    similarity: NDArray[np.float64]
    best: Pairs


def compare(poses: RankedPoses, people: TruePeople, *, sigmas: NDArray[np.float64]) -> Comparison:
    """Return how similar poses and people are.

    Args:
        poses: the predicted poses that count.
        people: the true people, with the same K keypoints.
        sigmas: (K,) dimensionless, COCO's per-keypoint constants.
    """
    pairs = pairs_by_image(poses.image_ids, people.image_ids)
    similarity = pose_similarity(poses.keypoints, people, pairs=pairs, sigmas=sigmas)
    best = _most_similar(pairs, similarity, people=len(people.areas))
    near = similarity >= OKS_THRESHOLDS[0]
    near_pairs = Pairs(pairs.predicted[near], pairs.true[near])
    return Comparison(poses, people, sigmas, near_pairs, similarity[near], best)


def _most_similar(pairs: Pairs, similarity: NDArray[np.float64], *, people: int) -> Pairs:
    highest = np.full(people, -np.inf)
    np.maximum.at(highest, pairs.true, similarity)
    best = np.flatnonzero(similarity == highest[pairs.true])
    true, first = np.unique(pairs.true[best], return_index=True)
    return Pairs(pairs.predicted[best[first]], true)


@dataclass(frozen=True)
class Matches:
    """The D poses, and the people that they were matched with.

    Attributes:
        found: (D, thresholds) the person, or -1.
        ignored: (T,) people who count neither as found nor as missed.
        outside: (D,) poses outside the range of areas.
        scores: (D,).
    """

    found: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    scores: NDArray[np.float64]

    def within(self, *, poses: NDArray[np.bool_], people: NDArray[np.bool_]) -> Matches:
        """Return the matches of some images alone: of these poses (D,) and people (T,).

        No match leads out of an image.
        """
        return Matches(self.found[poses], self.ignored | ~people, self.outside[poses], self.scores[poses])


def match(comparison: Comparison, limits: tuple[float, float]) -> Matches:
    """Return the poses matched with the people of a range of areas.

    Crowds, people without labelled keypoints and people outside the range are ignored.

    Args:
        comparison: the poses and the people.
        limits: the least and the greatest area, both within the range, square pixels.
    """
    poses, people = comparison.poses, comparison.people
    ignored = people.crowd | ~people.labelled.any(axis=1) | _outside(people.areas, limits)
    found = _match(
        comparison.pairs,
        comparison.similarity,
        ranks=poses.ranks,
        people=people,
        ignored=ignored,
        thresholds=np.array(OKS_THRESHOLDS),
    )
    return Matches(found, ignored, _outside(poses.areas, limits), poses.scores)


def _outside(areas: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.bool_]:
    return (areas < limits[0]) | (areas > limits[1])


def _match(
    pairs: Pairs,
    similarity: NDArray[np.float64],
    *,
    ranks: NDArray[np.int64],
    people: TruePeople,
    ignored: NDArray[np.bool_],
    thresholds: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the person that each pose is matched with at each threshold, or -1.

    Poses choose in order of confidence, all images and thresholds at once. Each takes the most similar person
    who is free, the last of equally similar ones. An ignored person is taken only if there is no other. A
    crowd stays free.

    Args:
        pairs: pairs of a pose and a person in one image.
        similarity: the pairs' OKS.
        ranks: (D,) place of each pose within its image, from 0.
        people: T people.
        ignored: (T,) people who count neither as found nor as missed.
        thresholds: the least OKS of a match.

    Returns:
        (D, thresholds).
    """
    best = np.tile(thresholds, (len(ranks), 1))
    found = np.full(best.shape, -1)
    taken = np.zeros((len(ignored), best.shape[1]), dtype=np.bool_)
    places = np.arange(len(ignored)) - np.searchsorted(people.image_ids, people.image_ids)
    turns = places + ignored * len(ignored)  # the ignored people of an image come last
    for of_rank in _groups(ranks[pairs.predicted]):
        for group in _groups(turns[pairs.true[of_rank]]):
            pair = of_rank[group]  # at most one of each image
            predicted, true, nearness = pairs.predicted[pair], pairs.true[pair], similarity[pair, None]
            better = (nearness >= best[predicted]) & ~taken[true]
            if ignored[true[0]]:
                better &= (found[predicted] < 0) | ignored[found[predicted]]
            best[predicted] = np.where(better, nearness, best[predicted])
            found[predicted] = np.where(better, true[:, None], found[predicted])
        chosen = found[np.unique(pairs.predicted[of_rank])]
        row, column = np.nonzero(chosen >= 0)
        taken[chosen[row, column], column] = ~people.crowd[chosen[row, column]]
    return found


def _groups(keys: NDArray[np.int64]) -> Sequence[NDArray[np.int64]]:
    """Return the indices of equal keys, by ascending key."""
    order = np.argsort(keys, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(keys) else []
