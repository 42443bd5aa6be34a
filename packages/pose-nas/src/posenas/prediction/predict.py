"""Prediction for a whole source: through a network, into a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posenas.prediction.clip_predictor import ClipPredictor
from posenas.prediction.drawn import draw_poses
from posenas.prediction.frames import Source, batched
from posenas.prediction.labelling import Labels
from posenas.prediction.output import OutputFolder
from posenas.prediction.pose_predictor import PosePredictor
from posenas.runs.stopping import interrupts_deferred


@dataclass
class Tally:
    """The counts and times of a prediction, as far as it came.

    Attributes:
        frames: how many were done.
        poses: how many are in the results.
        drawn: how many of these poses scored enough to be drawn.
        best: the highest score of a pose; None if there is none.
        seconds: of the whole.
        stages: seconds of each stage.
        stopped: whether Ctrl-C ended it.
    """

    frames: int = 0
    poses: int = 0
    drawn: int = 0
    best: float | None = None
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    stopped: bool = False

    def add(self, scores: Sequence[float], threshold: float) -> None:
        """Count a frame with poses of these scores."""
        self.frames += 1
        self.poses += len(scores)
        self.drawn += sum(score >= threshold for score in scores)
        self.best = max([*scores, *([] if self.best is None else [self.best])], default=None)

    @property
    def frames_per_second(self) -> float:
        """The mean rate over the whole time, reading and writing included."""
        return self.frames / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, the rate, and the milliseconds a frame of each stage, as plain data."""
        return {
            "frames": self.frames,
            "poses": self.poses,
            "drawn_poses": self.drawn,
            "frames_per_second": round(self.frames_per_second, 3),
            "milliseconds": {
                stage: round(1000 * seconds / self.frames, 3) for stage, seconds in self.stages.items()
            },
        }


def predict_source(
    predictor: PosePredictor | ClipPredictor,
    source: Source,
    output: Path,
    *,
    threshold: float,
    batch_size: int,
    pre_labels: Labels | None = None,
    advanced: Callable[[int, int | None], None],
) -> tuple[Tally, OutputFolder]:
    """Read, predict, draw and write, one batch after the other, until the frames end or Ctrl-C.

    Args:
        predictor: finds the poses.
        source: the frames.
        output: a folder that is not there yet, or empty.
        threshold: poses of a lower score are in the results, and not drawn.
        batch_size: frames at once.
        pre_labels: annotations that the poses are written to as well.
        advanced: told how many frames are done and how many there are; None if nobody knows.

    Returns:
        What was done, and the folder that was written.
    """
    tally, stages = Tally(), predictor.stages
    keypoints = predictor.trained.keypoints
    folder = OutputFolder(output, source, keypoints=keypoints, pre_labels=pre_labels)
    started = time.perf_counter()
    try:
        with folder:
            advanced(0, source.total)
            for frames in batched(stages.each("reading", source.frames()), batch_size):
                for frame, predictions in zip(frames, predictor(frames), strict=True):
                    with stages("drawing"):
                        canvas = draw_poses(frame.pixels, predictions, keypoints, threshold=threshold)
                    with interrupts_deferred(), stages("writing"):  # a frame is in all files or in none
                        folder.write(frame, predictions, canvas)
                        tally.add(predictions.scores.tolist(), threshold)
                advanced(tally.frames, source.total)
    except KeyboardInterrupt:
        tally.stopped = True
    tally.seconds, tally.stages = time.perf_counter() - started, stages.seconds
    return tally, folder
