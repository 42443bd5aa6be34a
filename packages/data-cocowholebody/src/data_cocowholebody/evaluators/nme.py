"""NME: the mean error of faces, measured in the distance between the outer corners of the eyes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from posenas import Evaluation, Metric, PosenasError
from posenas.scoring import check_predictions, nearest_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from posenas import GroundTruth, KeypointSet, Person, Predictions

POINTS = 68
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
        face = _face(truth.keypoints)
        check_predictions(predictions, truth)
        total, keypoints, faces, left_out = 0.0, 0, 0, 0
        order = np.argsort(predictions.image_ids, kind="stable")
        image_ids, poses = predictions.image_ids[order], predictions.keypoints[order]
        for sample in truth.samples:
            first, last = (int(np.searchsorted(image_ids, sample.id, side)) for side in ("left", "right"))
            for person in sample.people:
                labelled = person.keypoints[face, 2] > 0
                if person.crowd or not labelled.any():
                    continue
                unit = _between_corners(person, face)
                left_out += unit == 0
                if unit > 0:
                    faces += 1
                    keypoints += int(np.count_nonzero(labelled))
                    total += float(
                        (nearest_distances(poses[first:last], person)[face][labelled] / unit).sum()
                    )
        mean = total / keypoints if keypoints else math.nan
        return Evaluation({"NME": mean, "faces": faces, "faces_left_out": left_out})


def _between_corners(person: Person, face: NDArray[np.int64]) -> float:
    """Return the pixels between the outer eye corners; 0 where one of them is not labelled."""
    corners = person.keypoints[face[list(CORNERS)]]
    return math.dist(corners[0, :2], corners[1, :2]) if (corners[:, 2] > 0).all() else 0.0


def _face(keypoints: KeypointSet) -> NDArray[np.int64]:
    """Return the indices of the face's 68 points.

    Raises:
        PosenasError: where the set lacks some of them.
    """
    places = {re.sub("[^a-z0-9]", "", name.lower()): index for index, name in enumerate(keypoints.names)}
    lacking = [point for point in range(POINTS) if f"face{point}" not in places]
    if lacking:
        raise PosenasError(
            f"nme: keypoint set {keypoints.name!r} lacks {len(lacking)} of the face's keypoints face-0 to "
            f"face-67, face-{lacking[0]} the first; choose another evaluator, such as oks"
        )
    return np.array([places[f"face{point}"] for point in range(POINTS)])
