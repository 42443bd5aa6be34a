"""The predictions that a run kept of the trial that its report is about."""

from __future__ import annotations

from collections.abc import Sequence

from posenas.contract.errors import PosenasError
from posenas.contract.scores import GroundTruth, Predictions
from posenas.contract.trial import Trial
from posenas.data.similarity import check_predictions
from posenas.runs.checksums import read_result
from posenas.runs.predictions_file import predictions_from
from posenas.runs.run import Run


def read_predictions(
    run: Run, shown: Trial | None, *, truth: GroundTruth | None
) -> tuple[Predictions | None, Sequence[str]]:
    """Return the predictions of the shown trial, or None and a line that says why they cannot be shown.

    There is no line where there is nothing to show.

    Args:
        run: has the predictions.
        shown: the trial that they are of.
        truth: the people that it was scored on.
    """
    if shown is None or shown.predictions is None or truth is None:
        return None, []
    name = f"predictions/{shown.predictions}"
    try:
        content = read_result(run.path, name)
        predictions = predictions_from(
            content, run.path / name, keypoints=len(truth.keypoints), samples=truth.samples
        )
    except (OSError, PosenasError):  # its words hold the run's path, which the report must not depend on
        return None, [f"{name} in the run cannot be read as COCO keypoint results."]
    try:
        check_predictions(predictions, truth)
    except PosenasError as error:
        return None, [f"The predictions cannot be shown: {error}"]
    return predictions, []
