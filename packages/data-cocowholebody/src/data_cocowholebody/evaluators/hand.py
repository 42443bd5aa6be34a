"""PCK, AUC and EPE of hands: the share of correct keypoints, the area under its curve, the error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Gt
from posenas import Evaluation, Metric, PosenasError
from posenas.scoring import check_predictions, measured_people

from data_cocowholebody.evaluators.parts import find_part, part_names

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from posenas import GroundTruth, KeypointSet, Person, Predictions

ONE_HAND = "hand"
"""The name of the hand of a set that has nothing else; its box is the person's."""
HAND_KEYPOINTS = 21
AUC_PIXELS = 30.0
AUC_THRESHOLDS = tuple(step / 20 for step in range(20))
"""Shares of AUC_PIXELS. The first is 0, which no error is below."""


@dataclass(frozen=True)
class HandEvaluator:
    """The errors of the keypoints of hands, by three figures.

    PCK: of each keypoint the share of hands that have it labelled whose error is below (<) `threshold` longer
    sides of the hand's box; then the mean over the keypoints that are labelled somewhere.

    AUC: the mean of 20 such means, for errors below 0, 1.5, 3.0, ... 28.5 pixels. A perfect hand has 0.95.

    EPE: the mean error in pixels over all labelled keypoints of all hands.

    The hands of a person are the left and the right one, each with the box of the region of its name, or the
    one hand whose 21 keypoints are all that the set has, with the person's box. A hand with a labelled
    keypoint and without a box of any size cannot be measured. Such hands are left out and counted: `hands`
    and `hands_left_out` add up to the hands with a labelled keypoint, crowds apart.

    Each person is compared with the pose of its image that has the least mean distance over all of its
    labelled keypoints, as in `pck`. Without a pose, or where a predicted coordinate is NaN, the error is
    infinite, and so is EPE then.

    By keypoint: its share.

    Source: the WBH part of "Whole-body human pose estimation in the wild", ECCV 2020, as mmpose counts it
    (`keypoint_pck_accuracy`, `keypoint_auc`, `keypoint_epe`).
    """

    threshold: Annotated[
        float, "smallest distance that counts as wrong, in longer sides of the hand's box", Gt(0)
    ] = 0.2

    def metrics(self) -> Sequence[Metric]:
        """Return PCK, AUC and EPE, and how many hands they were and were not measured on."""
        return [
            Metric(f"PCK@{self.threshold:g}"),
            Metric("AUC"),
            Metric("EPE", "px", higher_is_better=False),
            Metric("hands"),
            Metric("hands_left_out", higher_is_better=False),
        ]

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Measure the predictions.

        Raises:
            PosenasError: where the keypoint set has no hand of 21 keypoints, or the predictions do not fit.
        """
        hands = _hands(truth.keypoints)
        check_predictions(predictions, truth)
        found = list(_found(predictions, truth, hands))
        kept = [hand for hand in found if hand.side > 0]
        errors = np.array([hand.errors for hand in kept]).reshape(-1, HAND_KEYPOINTS)
        labelled = np.array([hand.labelled for hand in kept], dtype=np.bool_).reshape(errors.shape)
        correct = errors / np.array([[hand.side] for hand in kept]).reshape(-1, 1) < self.threshold
        return Evaluation(
            metrics={
                f"PCK@{self.threshold:g}": _mean_share(correct, labelled),
                "AUC": _mean(
                    [_mean_share(errors / AUC_PIXELS < limit, labelled) for limit in AUC_THRESHOLDS]
                ),
                "EPE": _mean(errors[labelled]),
                "hands": len(kept),
                "hands_left_out": len(found) - len(kept),
            },
            by_keypoint=_by_keypoint(correct, labelled, hands=hands, kept=kept, names=truth.keypoints.names),
        )


@dataclass(frozen=True)
class _Hand:
    """A true hand with a labelled keypoint.

    Attributes:
        name: of the hand in the keypoint set.
        side: the longer side of its box in pixels; 0 where it has no box.
        errors: (21,) pixels from the nearest pose's keypoints; infinite where there are none.
        labelled: (21,) bool.
    """

    name: str
    side: float
    errors: NDArray[np.float64]
    labelled: NDArray[np.bool_]


def _found(
    predictions: Predictions, truth: GroundTruth, hands: Mapping[str, NDArray[np.int64]]
) -> Iterator[_Hand]:
    for person, errors in measured_people(predictions, truth):
        for name, indices in hands.items():
            labelled = person.keypoints[indices, 2] > 0
            if labelled.any():
                yield _Hand(name, _longer_side(person, name), errors[indices], labelled)


def _longer_side(person: Person, name: str) -> float:
    box = person.box if name == ONE_HAND else person.regions.get(name)
    return max(box[2:]) if box is not None else 0.0


def _mean_share(correct: NDArray[np.bool_], labelled: NDArray[np.bool_]) -> float:
    """Return the mean over keypoints of the share of labelled ones that are correct; both are (hands, 21)."""
    counts = labelled.sum(axis=0)
    shares = (correct & labelled).sum(axis=0)[counts > 0] / counts[counts > 0]
    return _mean(shares)


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _by_keypoint(
    correct: NDArray[np.bool_],
    labelled: NDArray[np.bool_],
    *,
    hands: Mapping[str, NDArray[np.int64]],
    kept: Sequence[_Hand],
    names: Sequence[str],
) -> Mapping[str, float]:
    """Return the share of correct ones of each keypoint that is labelled somewhere.

    Args:
        correct: (hands, 21) whether each keypoint is correct.
        labelled: (hands, 21) whether it is labelled.
        hands: the indices of the keypoints of each hand of the set.
        kept: the hands.
        names: of the set's keypoints.
    """
    shares = {}
    for name, indices in hands.items():
        rows = [row for row, hand in enumerate(kept) if hand.name == name]
        for column, index in enumerate(indices):
            chosen = correct[rows, column][labelled[rows, column]]
            if len(chosen):
                shares[names[index]] = float(chosen.mean())
    return shares


def _hands(keypoints: KeypointSet) -> Mapping[str, NDArray[np.int64]]:
    """Return the indices of the 21 keypoints of each hand in the set, by the hand's name.

    Raises:
        PosenasError: where there is no hand.
    """
    sided = {hand: part_names(hand) for hand in ("left_hand", "right_hand")}
    unsided = [name.removeprefix("left_") for name in sided["left_hand"]]
    alone = len(keypoints) == HAND_KEYPOINTS
    sought = {**sided, ONE_HAND: unsided} if alone else sided
    found = {hand: find_part(keypoints, names) for hand, names in sought.items()}
    hands = {ONE_HAND if alone else hand: indices for hand, indices in found.items() if indices is not None}
    if not hands:
        raise PosenasError(
            f"hand: keypoint set {keypoints.name!r} is no hand of {unsided[0]} to {unsided[-1]}, and has "
            f"none with left_ or right_ before these names; choose another evaluator, such as oks"
        )
    return hands
