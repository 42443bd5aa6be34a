"""Whether there is somebody to learn from and to be scored on, and whether the evaluator can score."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posenas.composing.checks.datasets import check_samples
from posenas.composing.checks.evaluators import check_scores
from posenas.composing.composition import Composition
from posenas.composing.plugins import Owner
from posenas.contract.components import Foreseeing
from posenas.contract.errors import PosenasError
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.checking.findings import crowd_findings
from posenas.data.detections import detection_crops
from posenas.data.person_crop import person_crops

_FORESEEN = 100
"""The number of training images that a head is asked about."""


def check_people(composition: Composition) -> None:
    """Check that there is somebody to train on, to rank with and to score on, and read a detector's boxes.

    Raises:
        PosenasError: where too few images show somebody, or the boxes cannot be read.
    """
    held_out = bool(composition.evaluation.held_out)
    for split, least in (("train", 1 + held_out), ("val", 1)):
        samples = check_samples(
            composition.dataset,
            split,
            composition.keypoints,
            owner=Owner("dataset", composition.recipe.dataset.name),
        )
        images = len({crop.sample for crop in person_crops(samples)})
        if images < least:
            hint = "; set evaluation.held_out=0 to rank candidates on `val`" if images else ""
            left_out = crowd_findings(split, composition.dataset.split(split))
            crowds = "".join(f"; {each.count} {each.what}" for each in left_out)
            raise PosenasError(
                f"dataset {composition.recipe.dataset.name!r}: {images} images of `{split}` show somebody "
                f"with a labelled keypoint, and {least} are needed{hint}{crowds}"
            )
    if composition.evaluation.boxes:
        detection_crops(
            Path(composition.evaluation.boxes),
            composition.dataset.split("val"),
            keypoints=composition.keypoints,
            threshold=composition.evaluation.box_threshold,
        )


def check_evaluator(composition: Composition) -> None:
    """Score the truth of a few people against itself, and nobody against it.

    An evaluator that cannot read this keypoint set says so now and not after the training.

    Raises:
        PosenasError: where the evaluator does not keep the contract's word.
    """
    samples = [sample for sample in composition.dataset.split("val") if sample.people][:4]
    people = [(sample.id, person) for sample in samples for person in sample.people]
    keypoints = np.array([person.keypoints for _, person in people], dtype=np.float64)
    everybody = Predictions(
        image_ids=np.array([image for image, _ in people], dtype=np.int64),
        keypoints=keypoints[:, :, :2],
        keypoint_scores=np.ones(keypoints.shape[:2]),
        scores=1.0 - np.arange(len(people)) / (2 * len(people)),
    )
    nobody = Predictions(
        everybody.image_ids[:0], everybody.keypoints[:0], everybody.keypoint_scores[:0], everybody.scores[:0]
    )
    check_scores(
        composition.evaluator,
        GroundTruth(composition.keypoints, samples),
        (everybody, nobody),
        owner=Owner("evaluator", composition.recipe.evaluator.name),
    )


def foreseen(composition: Composition) -> list[str]:
    """Return what the head will not learn of the training people, as it sees from 100 of their images."""
    head = composition.head
    if not isinstance(head, Foreseeing):
        return []
    samples = composition.dataset.split("train")
    shown = sorted({crop.sample for crop in person_crops(samples)})
    step = max(1.0, len(shown) / _FORESEEN)
    some = [shown[int(number * step)] for number in range(min(len(shown), _FORESEEN))]
    return list(head.foresee([samples[place] for place in some], composition.keypoints))
