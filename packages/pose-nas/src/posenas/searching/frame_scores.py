"""Scores by the distance from the key frame: of each frame of the clips, over the people looked at there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posenas.contract.errors import PosenasError
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.clips import samples_by_frame

Score: TypeAlias = Callable[[Predictions, GroundTruth], "float | None"]
"""Predictions and their truth to a figure; None where it is not a number."""


def scores_by_frame(
    score: Score,
    predictions: Predictions,
    truth: GroundTruth,
    *,
    scored: NDArray[np.bool_],
    frames: int,
) -> Sequence[Mapping[str, Any]]:
    """Return for each frame of a clip how many `people` are looked at, and their `score`, as plain data.

    The score is None where it is not a number, where nobody is looked at, and where the evaluator refuses
    these few people; then its `reason` is there too.

    Args:
        score: measures predictions.
        predictions: of the clips, in their order.
        truth: the people of the split.
        scored: (N * F,) which views of N clips have a prediction, frame-minor.
        frames: F, of a clip.
    """
    of_poses = np.arange(len(scored))[scored] % frames
    return [
        _of_frame(score, predictions.chosen(of_poses == number), GroundTruth(truth.keypoints, samples))
        for number, samples in enumerate(samples_by_frame(truth.samples, frames=frames))
    ]


def _of_frame(score: Score, predictions: Predictions, truth: GroundTruth) -> Mapping[str, Any]:
    people = sum(not person.crowd for sample in truth.samples for person in sample.people)
    if not people:
        return {"people": 0, "score": None}
    try:
        return {"people": people, "score": score(predictions, truth)}
    except PosenasError as error:
        return {"people": people, "score": None, "reason": str(error)}
