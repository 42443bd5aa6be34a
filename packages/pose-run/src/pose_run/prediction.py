"""A whole source through a network into a folder, and what was counted on the way."""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pose_run.drawing import draw_poses
from pose_run.output import OutputFolder

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pose_run.model import Model
    from pose_run.sources import Frame, Source

Item = TypeVar("Item")


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
        stopped: whether a signal ended it.
    """

    frames: int = 0
    poses: int = 0
    drawn: int = 0
    best: float | None = None
    seconds: float = 0.0
    stages: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    stopped: bool = False

    def add(self, scores: list[float], threshold: float) -> None:
        """Count a frame with poses of these scores."""
        self.frames += 1
        self.poses += len(scores)
        self.drawn += sum(score >= threshold for score in scores)
        self.best = max([*scores, *([] if self.best is None else [self.best])], default=None)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time within a context to a stage."""
        started = time.perf_counter()
        yield
        self.stages[stage] += time.perf_counter() - started

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items; the time it takes to get each counts to the stage."""
        iterator, missing = iter(items), object()
        while True:
            with self.timed(stage):
                item: Any = next(iterator, missing)
            if item is missing:
                return
            yield item


def predict_source(
    model: Model,
    source: Source,
    output: Path,
    *,
    boxes: Callable[[Frame], NDArray[np.float64]] | None,
    threshold: float,
    advanced: Callable[[int, int | None], None],
) -> tuple[Tally, OutputFolder]:
    """Read, predict, draw and write frame by frame, until the frames end or Ctrl-C.

    Args:
        model: finds the poses.
        source: the frames.
        output: a folder that is not there yet, or empty.
        boxes: gives a frame's (P, 5) boxes and scores of people; None for the whole frame.
        threshold: poses of a lower score are in the results, and not drawn.
        advanced: told how many frames are done and how many there are; None if nobody knows.

    Returns:
        What was done, and the folder that was written.
    """
    tally, keypoints = Tally(), model.manifest.keypoints
    folder = OutputFolder(output, source, keypoints=keypoints)
    started = time.perf_counter()
    with stop_asked() as asked, folder:
        advanced(0, source.total)
        for frame in tally.each("reading", source.frames()):
            found = None
            if boxes is not None:
                with tally.timed("finding people"):
                    found = boxes(frame)
            with tally.timed("network"):
                poses = model(frame.pixels, boxes=found)
            with tally.timed("drawing"):
                canvas = draw_poses(frame.pixels, poses, keypoints, threshold=threshold)
            with tally.timed("writing"):
                folder.write(frame, poses, canvas)
            tally.add(poses.scores.tolist(), threshold)
            advanced(tally.frames, source.total)
            if asked():
                tally.stopped = True
                break
    tally.seconds = time.perf_counter() - started
    return tally, folder


@contextmanager
def stop_asked() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether Ctrl-C or a request to end came, so that a frame is in all files or in none.

    A second one ends the process at once.
    """
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: object) -> None:
        received.append(number)
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
