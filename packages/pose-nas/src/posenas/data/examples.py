"""People to show: true poses, each with the predicted pose that is nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.similarity import check_predictions, pairs_by_image, people_of, pose_similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Example:
    """One true person.

    Attributes:
        sample: the image.
        person: the true one.
        predicted: (K, 2) pixels of the image; None where the image has no predicted pose.
        similarity: OKS of the two, in [0, 1].
    """

    sample: Sample
    person: Person
    predicted: NDArray[np.float64] | None
    similarity: float


def evenly_ranked(examples: Sequence[Example], number: int) -> Sequence[Example]:
    """Return so many from the most similar to the least, at even steps of rank, both ends included."""
    ranked = sorted(examples, key=lambda example: -example.similarity)
    if len(ranked) <= number:
        return ranked
    return [ranked[round(rank)] for rank in np.linspace(0, len(ranked) - 1, number)]


def find_examples(predictions: Predictions, truth: GroundTruth) -> Sequence[Example]:
    """Return everybody with a labelled keypoint, crowds apart, in the order of the images' ids.

    Each has the most similar pose of its image, whoever else has it too.

    Raises:
        PosenasError: where the predictions are of other images or another keypoint set.
    """
    check_predictions(predictions, truth)
    people = people_of(truth)
    keypoints = np.nan_to_num(predictions.keypoints, nan=np.inf)
    pairs = pairs_by_image(predictions.image_ids, people.image_ids)
    similarity = pose_similarity(keypoints, people, pairs=pairs, sigmas=np.array(truth.keypoints.sigmas))
    nearest: dict[int, int] = {}
    for pair in np.argsort(similarity, kind="stable"):
        nearest[int(pairs.true[pair])] = int(pair)
    samples = sorted(truth.samples, key=lambda sample: sample.id)
    everybody = [(sample, person) for sample in samples for person in sample.people]
    examples = []
    for index, (sample, person) in enumerate(everybody):
        if person.crowd or not people.labelled[index].any():
            continue
        pair = nearest.get(index)
        predicted = None if pair is None else keypoints[pairs.predicted[pair]]
        examples.append(Example(sample, person, predicted, 0.0 if pair is None else float(similarity[pair])))
    return examples
