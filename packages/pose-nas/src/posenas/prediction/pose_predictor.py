"""Prediction of poses in frames, in the same way as a split is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from posenas.contract.batches import Batch, Poses
from posenas.contract.components import HeadModule, Timed
from posenas.contract.errors import PosenasError
from posenas.contract.scores import Predictions
from posenas.data.kinds_of_view import views_of
from posenas.data.person_views import read_crops
from posenas.data.views import EvaluatedViews, Reading
from posenas.learning.inference import detection_rules, outputs_of
from posenas.prediction.boxes import Boxes, WholeFrames, person_crops_of, read_boxes
from posenas.prediction.frames import Frame, Source
from posenas.prediction.stages import Stages
from posenas.prediction.trained import TrainedNetwork


@dataclass(frozen=True)
class PosePredictor:
    """A trained network and, for a head that looks at one person at a time, the boxes of people."""

    trained: TrainedNetwork
    boxes: Boxes | WholeFrames
    stages: Stages

    @torch.no_grad()
    def __call__(self, frames: Sequence[Frame]) -> list[Predictions]:
        """Return everybody in each of the frames, in pixels of the frame."""
        with self.stages("preparing"):
            views = self._views(frames)
        if views is None:
            return [nobody(len(self.trained.keypoints)) for _ in frames]
        size = self.trained.settings.batch_size
        kind = views_of(self.trained.view)
        if kind.finds_people:
            size = kind.batch_of(len(frames))
        batches = views.batches(size, device=self.trained.device)
        poses = [self._poses(batch) for batch in self.stages.each("preparing", batches)]
        located = views.locate(poses)
        return [located.chosen(located.image_ids == frame.id) for frame in frames]

    def _views(self, frames: Sequence[Frame]) -> EvaluatedViews | None:
        """Return the views of the frames; None if there is no box to look at."""
        trained = self.trained
        samples = [frame.as_sample() for frame in frames]
        reading = Reading(trained.keypoints, 0, _never, rectangular=trained.settings.rectangular)
        kind = views_of(trained.view)
        if kind.finds_people:
            return kind.evaluated(samples, reading)
        crops = person_crops_of(frames, self.boxes, trained.keypoints)
        if not crops:
            return None
        detected = isinstance(self.boxes, Boxes)
        rules = detection_rules(trained.settings, trained.keypoints) if detected else None
        return read_crops(crops, samples, trained.view, reading=reading, rules=rules)

    def _poses(self, batch: Batch) -> Poses:
        network = self.trained.network
        with self.stages("forward"):
            outputs = outputs_of(
                network, batch.images, self.trained.settings, stride=self.trained.view.stride
            )
        head = network.head
        before = dict(head.seconds) if isinstance(head, Timed) else {}
        with self.stages("decoding"):
            poses = cast(HeadModule, head).decode(outputs, batch)
        if isinstance(head, Timed):
            spent = {name: seconds - before.get(name, 0.0) for name, seconds in head.seconds.items()}
            self.stages.divide("decoding", spent)
        return poses


def boxes_for(
    trained: TrainedNetwork, source: Source, *, boxes: Path | None, warn: Callable[[str], None]
) -> Boxes | WholeFrames:
    """Return where people are in a source's frames.

    Args:
        trained: the network.
        source: the frames that the boxes are in.
        boxes: a file with people's boxes in the source's frames; None for one box, which is the frame.
        warn: told of boxes that are in no frame.

    Raises:
        PosenasError: if the head has no use for the boxes, or they are not for these frames.
    """
    if boxes is None:
        return WholeFrames()
    if views_of(trained.view).finds_people:
        raise PosenasError(f"--boxes {boxes}: the run's head finds people by itself; leave the boxes out")
    return read_boxes(
        boxes,
        source,
        categories=trained.keypoints.categories,
        threshold=trained.settings.box_threshold,
        warn=warn,
    )


def _never(message: str) -> None:
    raise AssertionError(f"a frame in memory is always readable: {message}")


def nobody(keypoints: int) -> Predictions:
    """Return the predictions for a frame without anybody, in a set of K keypoints."""
    return Predictions(
        np.empty(0, np.int64), np.empty((0, keypoints, 2)), np.empty((0, keypoints)), np.empty(0)
    )
