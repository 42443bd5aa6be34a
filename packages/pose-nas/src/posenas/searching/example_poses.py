"""A few poses that a candidate predicted, kept in its trial for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posenas.contract.samples import Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.affine import FARTHEST
from posenas.data.examples import find_examples

EXAMPLE_POSES = "example_poses"
"""The note of a trial that holds them."""


def example_poses(predictions: Predictions, truth: GroundTruth, *, number: int) -> list[Mapping[str, Any]]:
    """Return the predicted poses of a few people as plain data.

    The people depend on the truth alone, so they are the same for every candidate of a search. Each has the
    most similar pose of its image.

    Args:
        predictions: of all people.
        truth: the people, with their true poses.
        number: how many people.

    Returns:
        For each person the id of its `image`, its place among the image's people as `person`, and
        `keypoints`: K pairs of pixels, rounded to a tenth. A keypoint that has no finite place is None, and
        so are all keypoints together where nobody was predicted in the image.
    """
    chosen = chosen_people(truth.samples, number)
    asked = [replace(sample, people=(sample.people[person],)) for sample, person in chosen]
    poses: list[Mapping[str, Any]] = []
    for (sample, person), alone in zip(chosen, asked, strict=True):
        here = predictions.chosen(predictions.image_ids == sample.id)
        (example,) = find_examples(here, GroundTruth(truth.keypoints, [alone]))
        keypoints = None if example.predicted is None else [_place(place) for place in example.predicted]
        poses.append({"image": sample.id, "person": person, "keypoints": keypoints})
    return poses


def chosen_people(samples: Sequence[Sample], number: int) -> Sequence[tuple[Sample, int]]:
    """Return people at even steps through the images, each as its image and its place among the people.

    They are chosen among those with at least half as many labelled keypoints as the person with the most.
    """
    labelled = [
        (sample, index, np.count_nonzero(person.keypoints[:, 2] > 0))
        for sample in samples
        for index, person in enumerate(sample.people)
        if not person.crowd
    ]
    most = max((count for *_, count in labelled), default=0)
    shown = [(sample, index) for sample, index, count in labelled if count and 2 * count >= most]
    steps = np.linspace(0, len(shown) - 1, min(number, len(shown)))
    return [shown[round(step)] for step in steps]


def _place(place: Any) -> list[float] | None:
    if not (np.abs(place) <= FARTHEST).all():
        return None
    return [round(float(pixels), 1) for pixels in place]
