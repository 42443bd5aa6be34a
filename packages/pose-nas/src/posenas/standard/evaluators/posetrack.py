"""PoseTrack's mean average precision: each keypoint is a detection of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posenas.contract.scores import Evaluation, Metric
from posenas.data.nearest import find_keypoint
from posenas.data.similarity import check_predictions, people_of
from posenas.standard.evaluators.head_sizes import HEAD_OF_BOX, NECKS, TOPS, first_of, head_sizes
from posenas.standard.evaluators.ignoring import ignored_regions, in_regions
from posenas.standard.evaluators.keypoint_matching import MeasuredPeople, correct_keypoints
from posenas.standard.evaluators.pckh import JOINTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.scores import GroundTruth, Predictions

HEAD_OF_NECK_TO_TOP = HEAD_OF_BOX / 0.7  # PoseTrack's head_bottom and head_top are 0.7 of the diagonal apart


@dataclass(frozen=True)
class PoseTrackEvaluator:
    """Average precision of keypoints as PoseTrack counts it, for sets with a head or people with head boxes.

    A predicted keypoint is correct if it is at most half a head size from the truth of the person that its
    pose is matched with. A pose's best person is the one of whose labelled keypoints it has the largest share
    correct, and of the poses with one best person the best one is matched; of equals it is the first person,
    or the surest pose by its keypoints. A pose without any correct keypoint is not matched, and all its
    keypoints are wrong. A keypoint that is NaN is not predicted.

    Precision is by the keypoints' scores, over all frames together; the AP of a keypoint is the area under
    the highest precision at each recall or above. Keypoints with equal scores count at once.

    What lies inside ignore regions and crowds' boxes, predicted or true, does not count, and frames in which
    nobody is annotated do not either. A head's size is 0.6 of the diagonal of its box; without a box it is
    0.6 / 0.7 of the distance from head_bottom to head_top, which in PoseTrack is the same. A person with
    neither does not count.

    The first metric is the mean over all keypoints that are labelled at least once. Then the columns of
    PoseTrack's table: head (nose, head_bottom and head_top), and shoulder to ankle, each the mean of left and
    right; NaN where nobody has them labelled. By keypoint: its AP.

    Source: Andriluka et al., "PoseTrack: a benchmark for human pose estimation and tracking", CVPR 2018, as
    counted by poseval.
    """

    def metrics(self) -> Sequence[Metric]:
        """Return the mean over keypoints, and the columns of PoseTrack's table."""
        return [Metric("mAP"), *map(Metric, ("head", *JOINTS))]

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Measure the predictions.

        Raises:
            PosenasError: where nobody has a head box and the set has no neck or head top to measure, or the
                predictions do not fit.
        """
        check_predictions(predictions, truth)
        regions = {sample.id: ignored_regions(sample) for sample in truth.samples}
        people = _measured(truth, regions)
        poses = _surest_first(predictions.chosen(np.isin(predictions.image_ids, _annotated(truth))))
        known = np.isfinite(poses.keypoints).all(axis=2)
        known &= ~in_regions(poses.image_ids, poses.keypoints, regions)
        correct = correct_keypoints(poses, known, people)
        precision = {
            name: average_precision(
                poses.keypoint_scores[known[:, index], index],
                correct[known[:, index], index],
                total=int(people.labelled[:, index].sum()),
            )
            for index, name in enumerate(truth.keypoints.names)
            if people.labelled[:, index].any()
        }
        columns = _columns(precision, truth.keypoints)
        return Evaluation({"mAP": _mean([*precision.values()]), **columns}, by_keypoint=precision)


def _measured(truth: GroundTruth, regions: Mapping[int, Sequence[NDArray[np.float64]]]) -> MeasuredPeople:
    people = people_of(truth)
    measured = head_sizes(truth, of_neck_to_top=HEAD_OF_NECK_TO_TOP, evaluator="posetrack")
    samples = sorted(truth.samples, key=lambda sample: sample.id)
    sizes = [measured.of(person) for sample in samples for person in sample.people]
    heads = np.array(sizes, dtype=np.float64)
    counted = (heads > 0) & ~people.crowd
    labelled = people.labelled & counted[:, None] & ~in_regions(people.image_ids, people.keypoints, regions)
    return MeasuredPeople(people.image_ids, people.keypoints, labelled, heads)


def _annotated(truth: GroundTruth) -> list[int]:
    """Return the ids of the frames in which somebody is annotated."""
    return [sample.id for sample in truth.samples if any(not person.crowd for person in sample.people)]


def _surest_first(poses: Predictions) -> Predictions:
    """Return the poses in an order that does not depend on theirs, the surest by its keypoints first."""
    ties = (poses.keypoints[:, 0, 1], poses.keypoints[:, 0, 0], -poses.scores)
    return poses.chosen(np.lexsort((*ties, -poses.keypoint_scores.mean(axis=1))))


def average_precision(scores: NDArray[np.float64], correct: NDArray[np.bool_], *, total: int) -> float:
    """Return the area under the highest precision at each recall or above.

    Args:
        scores: (N,) of detections, the higher the surer; those with equal scores count at once.
        correct: (N,) whether a detection is right.
        total: how many there are to be found, above 0.
    """
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each score
    hits = np.cumsum(correct[order])[last]
    precision = hits / (last + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(hits, prepend=0) * highest).sum() / total)


def _columns(precision: Mapping[str, float], keypoints: KeypointSet) -> dict[str, float]:
    """Return the columns of PoseTrack's table by name."""
    found = {
        "head": [find_keypoint(keypoints, "nose"), first_of(keypoints, NECKS), first_of(keypoints, TOPS)]
    }
    for joint in JOINTS:
        found[joint] = [find_keypoint(keypoints, joint, side=side) for side in ("left", "right")]
    columns = {}
    for name, indices in found.items():
        names = [keypoints.names[index] for index in indices if index is not None]
        columns[name] = _mean([precision[each] for each in names if each in precision])
    return columns


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
