"""PCKh: the percentage of correct keypoints, measured in heads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Gt

from posenas.contract.scores import Evaluation, Metric
from posenas.data.nearest import find_keypoint, measured_people
from posenas.data.similarity import check_predictions
from posenas.standard.evaluators.head_sizes import TOPS, first_of, head_sizes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.scores import GroundTruth, Predictions

HEAD_OF_NECK_TO_TOP = 0.75  # MPII's neck and head top are 0.8 of the diagonal apart (1st to 99th percentile)
NOT_IN_THE_MEAN = ("pelvis", "thorax")
JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


@dataclass(frozen=True)
class PckhEvaluator:
    """The share of labelled keypoints predicted within `threshold` head sizes of the truth, as on MPII.

    A person's head size is 0.6 of the diagonal of its head box; without a box it is 0.75 of the distance from
    upper neck to head top, which on MPII is the same. A person with neither, and a crowd, does not count.
    Each person is compared with the nearest pose of its image, and misses are counted, as in `pck`; where
    every person has a pose of its own, as on MPII, that is the published evaluation.

    The first metric is the mean over keypoints without pelvis and thorax. Two protocols are in use, and a
    figure of one must not be compared with a figure of the other:

    `hrnet`: correct is a distance of at most (<=) the threshold, and every labelled keypoint weighs the same
    in the mean. Figures of Simple Baselines, HRNet and what is built on them; mmpose differs in < alone.

    `pytorch-pose`: correct is a distance below (<) the threshold, and the mean is the plain one of the
    keypoints' shares, however often each is labelled. Figures of the stacked hourglass in PyTorch.

    Then the columns of MPII's table, the same in both but for distances exactly at the threshold: head (top),
    and shoulder to ankle, each the mean of left and right; NaN where the keypoint set has none or nobody has
    it labelled. By keypoint: its share, pelvis and thorax too.

    Source: Andriluka et al., "2D human pose estimation: new benchmark and state of the art analysis", CVPR
    2014; the protocols are those of lib/dataset/mpii.py in HRNet and evaluation/eval_PCKh.py in pytorch-pose.
    """

    protocol: Annotated[
        Literal["hrnet", "pytorch-pose"],
        "hrnet: <=, keypoints weighted by how often they are labelled; pytorch-pose: <, plain mean",
    ] = "hrnet"
    threshold: Annotated[float, "largest distance that counts as correct, in head sizes", Gt(0)] = 0.5

    def metrics(self) -> Sequence[Metric]:
        """Return the mean over keypoints, and the columns of MPII's table."""
        return [Metric(f"PCKh@{self.threshold:g}"), *map(Metric, ("head", *JOINTS))]

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Measure the predictions.

        Raises:
            PosenasError: where nobody has a head box and the set has no neck or head top to measure, or the
                predictions do not fit.
        """
        check_predictions(predictions, truth)
        correct, labelled = self._count(predictions, truth)
        shares = np.divide(correct, labelled, out=np.full(len(labelled), np.nan), where=labelled > 0)
        names = truth.keypoints.names
        return Evaluation(
            metrics={
                self.metrics()[0].name: self._mean(shares, labelled, truth.keypoints),
                **_columns(shares, truth.keypoints),
            },
            by_keypoint={name: float(shares[index]) for index, name in enumerate(names) if labelled[index]},
        )

    def _count(
        self, predictions: Predictions, truth: GroundTruth
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how often each keypoint is correct (K,), and labelled (K,)."""
        within = np.less_equal if self.protocol == "hrnet" else np.less
        sizes = head_sizes(truth, of_neck_to_top=HEAD_OF_NECK_TO_TOP, evaluator="pckh")
        correct, labelled = np.zeros(len(truth.keypoints)), np.zeros(len(truth.keypoints))
        for person, distances in measured_people(predictions, truth):
            head = sizes.of(person)
            if head > 0:
                correct += within(distances / head, self.threshold)
                labelled += person.keypoints[:, 2] > 0
        return correct, labelled

    def _mean(
        self, shares: NDArray[np.float64], labelled: NDArray[np.float64], keypoints: KeypointSet
    ) -> float:
        left_out = [find_keypoint(keypoints, joint) for joint in NOT_IN_THE_MEAN]
        counted = labelled > 0
        counted[[index for index in left_out if index is not None]] = False
        if not counted.any():
            return math.nan
        weights = labelled[counted] if self.protocol == "hrnet" else None
        return float(np.average(shares[counted], weights=weights))


def _columns(shares: NDArray[np.float64], keypoints: KeypointSet) -> Mapping[str, float]:
    """Return the columns of MPII's table by name."""
    found = {"head": [first_of(keypoints, TOPS)]}
    for joint in JOINTS:
        found[joint] = [find_keypoint(keypoints, joint, side=side) for side in ("left", "right")]
    columns = {}
    for name, indices in found.items():
        known = [shares[index] for index in indices if index is not None and not np.isnan(shares[index])]
        columns[name] = float(np.mean(known)) if known else math.nan
    return columns
