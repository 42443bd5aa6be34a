"""NME: the mean error of faces, measured in the distance between the outer corners of the eyes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from posenas import Evaluation, Metric
from posenas.scoring import check_predictions, measured_people

from data_cocowholebody.evaluators.parts import require_part

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from posenas import GroundTruth, Person, Predictions

CORNERS = (36, 45)  # the outer corners of the eyes, as 300-W numbers a face


@dataclass(frozen=True)
class NmeEvaluator:
    """The mean error of the keypoints of faces, as a share of the distance between the outer eye corners.

    It is the mean over all labelled keypoints of all faces, and not over the faces' means, so a face with few
    labelled keypoints weighs less. The face's keypoints are `face-0` to `face-67` in the order of 300-W,
    whether the set has others or not. The corners are keypoints 36 and 45.

    Each person is compared with the pose of its image that has the least mean distance over all of its
    labelled keypoints, as in `pck`. A face in an image without poses, and a predicted coordinate that is NaN,
    is infinitely far away, so the mean is infinite then.

    A face cannot be measured where a corner is not labelled or both are in one place. Such faces are left out
    and counted: `faces` and `faces_left_out` add up to the faces with a labelled keypoint, crowds apart.

    Source: the WBF part of "Whole-body human pose estimation in the wild", ECCV 2020; mmpose's `NME`, which
    measures by corners that are not labelled too.
    """

    def metrics(self) -> Sequence[Metric]:
        """Return the normalised mean error, and how many faces it was and was not measured on."""
        return [
            Metric("NME", higher_is_better=False),
            Metric("faces"),
            Metric("faces_left_out", higher_is_better=False),
        ]

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Measure the predictions.

        Raises:
            PosenasError: where the keypoint set has no face of 68 points, or the predictions do not fit.
        """
        face = require_part(truth.keypoints, "face", evaluator="nme")
        check_predictions(predictions, truth)
        total, keypoints, faces, left_out = 0.0, 0, 0, 0
        for person, distances in measured_people(predictions, truth):
            labelled = person.keypoints[face, 2] > 0
            unit = _between_corners(person, face)
            if labelled.any() and unit == 0:
                left_out += 1
            elif labelled.any():
                faces += 1
                keypoints += int(np.count_nonzero(labelled))
                total += float((distances[face][labelled] / unit).sum())
        mean = total / keypoints if keypoints else math.nan
        return Evaluation({"NME": mean, "faces": faces, "faces_left_out": left_out})


def _between_corners(person: Person, face: NDArray[np.int64]) -> float:
    """Return the pixels between the outer eye corners; 0 where one of them is not labelled."""
    corners = person.keypoints[face[list(CORNERS)]]
    return math.dist(corners[0, :2], corners[1, :2]) if (corners[:, 2] > 0).all() else 0.0
