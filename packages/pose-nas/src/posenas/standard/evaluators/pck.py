"""PCK: the percentage of correct keypoints, measured in torsos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Gt

from posenas.contract.errors import PosenasError
from posenas.contract.scores import Evaluation, Metric
from posenas.data.nearest import find_keypoint, measured_people
from posenas.data.similarity import check_predictions

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Person
    from posenas.contract.scores import GroundTruth, Predictions

TORSO_IN_BOX = 0.35  # median over LSP Extended 0.34, over COCO 0.37


@dataclass(frozen=True)
class PckEvaluator:
    """The share of labelled keypoints predicted within (<=) `threshold` torso sizes of the truth.

    All labelled keypoints of all people but crowds count alike. A person's torso size is the mean of the two
    diagonals shoulder to opposite hip, or the one that is labelled; a person without either has 0.35 of the
    longer side of its box. (Others take the diagonal from the left shoulder alone; the mean does not change
    when left and right are exchanged, in a mirrored image or by a mistake of the annotator.)

    Each person is compared with the pose of its image that has the least mean distance over the labelled
    keypoints (of equals the first); one pose may so serve several people, and further poses cost nothing.
    A person in an image without poses, and a predicted coordinate that is NaN, is a miss. Without any
    labelled keypoint the metric is NaN.

    By keypoint: the same share.

    Source: Yang and Ramanan, "Articulated human detection with flexible mixtures of parts", PAMI 2013, with
    the torso in place of the box, as usual on Leeds Sports Pose.
    """

    threshold: Annotated[float, "largest distance that counts as correct, in torso sizes", Gt(0)] = 0.2

    def metrics(self) -> Sequence[Metric]:
        """Return the one metric, PCK at the threshold."""
        return [Metric(f"PCK@{self.threshold:g}")]

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Measure the predictions.

        Raises:
            PosenasError: where the keypoint set has no hips or shoulders, or the predictions do not fit.
        """
        diagonals = _torso_diagonals(truth.keypoints)
        check_predictions(predictions, truth)
        correct = np.zeros(len(truth.keypoints))
        labelled = np.zeros(len(truth.keypoints))
        for person, distances in measured_people(predictions, truth):
            correct += distances <= self.threshold * _torso_size(person, diagonals)
            labelled += person.keypoints[:, 2] > 0
        share = float(correct.sum() / labelled.sum()) if labelled.any() else float("nan")
        return Evaluation(
            metrics={self.metrics()[0].name: share},
            by_keypoint={
                name: float(correct[index] / labelled[index])
                for index, name in enumerate(truth.keypoints.names)
                if labelled[index]
            },
        )


def _torso_size(person: Person, diagonals: Sequence[tuple[int, int]]) -> float:
    """Return the person's torso size in pixels."""
    positions, labelled = person.keypoints[:, :2], person.keypoints[:, 2] > 0
    lengths = [
        float(np.linalg.norm(positions[shoulder] - positions[hip]))
        for shoulder, hip in diagonals
        if labelled[shoulder] and labelled[hip]
    ]
    return sum(lengths) / len(lengths) if lengths else TORSO_IN_BOX * max(person.box[2:])


def _torso_diagonals(keypoints: KeypointSet) -> Sequence[tuple[int, int]]:
    """Return the indices of each shoulder and the opposite hip."""
    return [
        (_index(keypoints, "left", "shoulder"), _index(keypoints, "right", "hip")),
        (_index(keypoints, "right", "shoulder"), _index(keypoints, "left", "hip")),
    ]


def _index(keypoints: KeypointSet, side: str, joint: str) -> int:
    index = find_keypoint(keypoints, joint, side=side)
    if index is None:
        raise PosenasError(
            f"pck: keypoint set {keypoints.name!r} has no {side} {joint}, so its people have no torso to "
            f"measure distances in; choose another evaluator, such as oks"
        )
    return index
