"""Object keypoint similarity (OKS): how near a predicted pose is to a true one, from 0 to 1.

Source: the COCO keypoint evaluation, https://cocodataset.org/#keypoints-eval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posenas.contract.errors import PosenasError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.scores import GroundTruth, Predictions

PAIRS_AT_ONCE = 8192
AREA_OF_BOX = 0.53
"""The share of a person's box that a segment fills, where there is no segment: by CrowdPose's tools."""


@dataclass(frozen=True)
class TruePeople:
    """The T true people of a split as arrays, in ascending order of their images' ids.

    Attributes:
        image_ids: (T,) ids of the samples, ascending.
        keypoints: (T, K, 2) pixels.
        labelled: (T, K) bool.
        boxes: (T, 4) x, y, width, height in pixels.
        areas: (T,) square pixels.
        crowd: (T,) bool.
    """

    image_ids: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Every prediction with every true person of its image: M pairs, by prediction, then by person.

    Attributes:
        predicted: (M,) indices of predictions.
        true: (M,) indices of people.
    """

    predicted: NDArray[np.int64]
    true: NDArray[np.int64]


def check_predictions(predictions: Predictions, truth: GroundTruth) -> None:
    """Check that predictions can be of this split.

    Raises:
        PosenasError: if they have another number of keypoints, or are for images that are not in it.
    """
    count = predictions.keypoints.shape[1]
    if count != len(truth.keypoints):
        raise PosenasError(
            f"predictions have {count} keypoints a pose, keypoint set {truth.keypoints.name!r} has "
            f"{len(truth.keypoints)}; evaluate them on a dataset with their own keypoint set"
        )
    strangers = np.setdiff1d(predictions.image_ids, [sample.id for sample in truth.samples])
    if len(strangers):
        raise PosenasError(
            f"predictions for {len(strangers)} images, id {strangers[0]} the first, that are not in the "
            f"evaluated split; evaluate them on the split that they were made for"
        )


def people_of(truth: GroundTruth) -> TruePeople:
    """Return everybody annotated in the split; within an image the order of the annotations is kept."""
    samples = sorted(truth.samples, key=lambda sample: sample.id)
    people = [person for sample in samples for person in sample.people]
    keypoints = np.array([person.keypoints for person in people]).reshape(-1, len(truth.keypoints), 3)
    return TruePeople(
        image_ids=np.repeat(
            np.array([sample.id for sample in samples], dtype=np.int64),
            [len(sample.people) for sample in samples],
        ),
        keypoints=keypoints[..., :2],
        labelled=keypoints[..., 2] > 0,
        boxes=np.array([person.box for person in people], dtype=np.float64).reshape(-1, 4),
        areas=np.array([person.area for person in people], dtype=np.float64),
        crowd=np.array([person.crowd for person in people], dtype=np.bool_),
    )


def box_areas(people: TruePeople) -> NDArray[np.float64]:
    """Return the areas of people whose files have no segments, 0.53 of their boxes' areas, (T,)."""
    return people.boxes[:, 3] * people.boxes[:, 2] * AREA_OF_BOX


def pairs_by_image(predicted: NDArray[np.int64], true: NDArray[np.int64]) -> Pairs:
    """Return the pairs of predictions and people that are in the same image.

    Args:
        predicted: (P,) image ids of the predictions.
        true: (T,) image ids of the people, ascending.
    """
    first = np.searchsorted(true, predicted, side="left")
    count = np.searchsorted(true, predicted, side="right") - first
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return Pairs(np.repeat(np.arange(len(predicted)), count), np.repeat(first, count) + step)


def pose_similarity(
    keypoints: NDArray[np.float64], people: TruePeople, *, pairs: Pairs, sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the OKS of each pair.

    A person without labelled keypoints is as near as the keypoints are to its box enlarged by its own size on
    every side; COCO uses that to forgive detections of people who were not annotated.

    Args:
        keypoints: (P, K, 2) predicted pixels; infinite ones are dissimilar to everything.
        people: T true people.
        pairs: M pairs of the two.
        sigmas: (K,) dimensionless, COCO's per-keypoint constants.

    Returns:
        (M,), equal to the last bit to pycocotools.
    """
    similarity = np.empty(len(pairs.predicted))
    counts = people.labelled.sum(axis=1)
    labelled_first = np.argsort(~people.labelled, axis=1, kind="stable")
    for count in np.unique(counts):
        # Among people with equally many labelled keypoints no gap changes how the sum is rounded.
        columns = labelled_first[:, :count] if count else labelled_first
        displacement = _from_keypoints if count else _from_enlarged_box
        chosen = np.flatnonzero(counts[pairs.true] == count)
        for block in np.array_split(chosen, 1 + len(chosen) // PAIRS_AT_ONCE):
            part = Pairs(pairs.predicted[block], pairs.true[block])
            distance = displacement(keypoints, people, pairs=part, columns=columns)
            terms = _terms(distance, people.areas[part.true], sigmas=sigmas[columns[part.true]])
            similarity[block] = terms.sum(axis=1) / terms.shape[1]
    return similarity


def keypoint_similarity(
    keypoints: NDArray[np.float64], people: TruePeople, *, pairs: Pairs, sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the terms of each pair whose mean over the labelled keypoints is its OKS.

    Args:
        keypoints: (P, K, 2) predicted pixels; infinite ones are dissimilar to everything.
        people: T true people.
        pairs: M pairs of the two.
        sigmas: (K,) dimensionless, COCO's per-keypoint constants.

    Returns:
        (M, K).
    """
    displacement = keypoints[pairs.predicted] - people.keypoints[pairs.true]
    return _terms(displacement, people.areas[pairs.true], sigmas=sigmas)


def similarity_to_poses(
    keypoints: NDArray[np.float64],
    others: NDArray[np.float64],
    *,
    areas: NDArray[np.float64],
    sigmas: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the OKS of one predicted pose and each of M others, over all keypoints.

    Args:
        keypoints: (K, 2) pixels.
        others: (M, K, 2) pixels.
        areas: (M,) square pixels, the scale of each pair.
        sigmas: (K,) dimensionless, COCO's per-keypoint constants.

    Returns:
        (M,); NaN where a place is no number.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        terms = _terms(others - keypoints, areas, sigmas=sigmas)
    similarity: NDArray[np.float64] = terms.sum(axis=1) / terms.shape[1]
    return similarity


def _from_keypoints(
    keypoints: NDArray[np.float64], people: TruePeople, *, pairs: Pairs, columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    chosen = columns[pairs.true]
    return keypoints[pairs.predicted[:, None], chosen] - people.keypoints[pairs.true[:, None], chosen]


def _from_enlarged_box(
    keypoints: NDArray[np.float64], people: TruePeople, *, pairs: Pairs, columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    predicted = keypoints[pairs.predicted[:, None], columns[pairs.true]]
    corner, size = np.split(people.boxes[pairs.true][:, None], 2, axis=2)
    return np.maximum(0, corner - size - predicted) + np.maximum(0, predicted - (corner + size * 2))


def _terms(
    displacement: NDArray[np.float64], areas: NDArray[np.float64], *, sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    squared = displacement[..., 0] ** 2 + displacement[..., 1] ** 2
    terms: NDArray[np.float64] = np.exp(-(squared / (sigmas * 2) ** 2 / (areas[:, None] + np.spacing(1)) / 2))
    return terms
