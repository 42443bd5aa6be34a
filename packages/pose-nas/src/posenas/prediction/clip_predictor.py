"""Prediction by a network for clips: key frames alone, the frames after them guided by the frame before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from posenas.contract.batches import Poses
from posenas.contract.components import FlipTest, HeadModule
from posenas.contract.scores import Predictions
from posenas.data.crops import EvaluatedCrops, load_crops
from posenas.data.detected_poses import judged
from posenas.data.person_crop import PersonCrop
from posenas.learning.inference import detection_rules
from posenas.networks.frame_heads import FrameHeads
from posenas.prediction.boxes import Boxes, WholeFrames
from posenas.prediction.cuts import Cuts
from posenas.prediction.frames import Frame
from posenas.prediction.pose_predictor import nobody
from posenas.prediction.smoothing import Smoothing
from posenas.prediction.stages import Stages
from posenas.prediction.tracks import Track, Tracks
from posenas.prediction.trained import TrainedNetwork


@dataclass
class ClipPredictor:
    """A trained network for clips, and the people that it follows.

    Each key frame begins a clip. There the boxes of people are looked for anew: those of a detector, or where
    it has none those around the last sure poses. Without a detector the whole frame is one box where nobody
    is followed. Boxes stay through the clip, so that what was found in one frame lies at the same place in
    the next.

    Attributes:
        warn: told of cuts.
        every_frame: whether each frame is a key frame.
        follows: whether the frames are those of a video. Images are key frames without anybody from before.
        smooth: smooths the poses of each person; None leaves them as they are.
    """

    trained: TrainedNetwork
    boxes: Boxes | WholeFrames
    stages: Stages
    warn: Callable[[str], None]
    every_frame: bool = False
    follows: bool = True
    smooth: Smoothing | None = None
    _cuts: Cuts = field(default_factory=Cuts)
    _clip: Clip | None = None
    _place: int = 0

    def __post_init__(self) -> None:
        self._tracks = Tracks(threshold=self.trained.settings.keypoint_threshold)

    @torch.no_grad()
    def __call__(self, frames: Sequence[Frame]) -> list[Predictions]:
        """Return everybody in each of the next frames, in pixels of the frame."""
        return [self._predict(frame) for frame in frames]

    def _predict(self, frame: Frame) -> Predictions:
        with self.stages("preparing"):
            if not self.follows or self._cuts.sees(frame.pixels):
                self._begin_anew(frame)
            if self._clip is None or self.every_frame or self._place == self.trained.network.frames:
                self._clip, self._place = Clip(self._found(frame)), 0
            crops = self._crops(frame, self._clip.people)
        if crops is None:
            self._clip = None
            return replace(
                nobody(len(self.trained.keypoints)), tracks=np.empty(0, np.int64) if self.follows else None
            )
        located = self._looked(crops, self._clip)
        self._place += 1
        if self._place == self.trained.network.frames or self.every_frame:
            self._tracks.follow(located)
        if self.follows:
            numbers = np.array([track.number for track in self._clip.people], np.int64)
            located = replace(located, tracks=numbers)
        if isinstance(self.boxes, Boxes):
            rules = detection_rules(self.trained.settings, self.trained.keypoints)
            located = judged(located, crops.box_scores, crops.areas, rules)
        return located if self.smooth is None else self.smooth(frame, located)

    def _begin_anew(self, frame: Frame) -> None:
        if self.follows:
            self.warn(f"{frame}: shows another scene than the one before; everybody is found anew")
        self._tracks.end()
        self._clip = None

    def _found(self, frame: Frame) -> Sequence[Track]:
        """Return the people to look for in a key frame."""
        boxes = self.boxes.of(frame)
        if not boxes or isinstance(self.boxes, WholeFrames):
            self._tracks.lose_unsure()
        if boxes and (isinstance(self.boxes, Boxes) or not self._tracks.present):
            self._tracks.find(boxes)
        return self._tracks.present

    def _crops(self, frame: Frame, people: Sequence[Track]) -> EvaluatedCrops | None:
        trained = self.trained
        if not people:
            return None
        unlabelled = np.zeros((len(trained.keypoints), 3))
        return load_crops(
            [PersonCrop(0, track.box, unlabelled, track.score) for track in people],
            [frame.as_sample()],
            trained.view,
            keypoints=trained.keypoints,
            workers=0,
            on_unreadable=_never,
        )

    def _looked(self, crops: EvaluatedCrops, clip: Clip) -> Predictions:
        """Return the pose in each crop of the clip's next frame."""
        network, head = self.trained.network, cast(FrameHeads, self.trained.network.head)
        module = cast(HeadModule, head.frames[self._place])
        (batch,) = self.stages.each("preparing", crops.batches(len(crops), device=self.trained.device))
        with self.stages("forward"):
            outputs, clip.guide = network.look(self._place, batch.images, clip.guide)
            if self.trained.settings.flip_test and isinstance(module, FlipTest):
                mirrored, clip.mirrored = network.look(self._place, batch.images.flip(3), clip.mirrored)
                outputs = module.average_mirrored(outputs, mirrored)
        with self.stages("decoding"):
            poses: Poses = module.decode(outputs, batch)
        return crops.locate([poses])


@dataclass
class Clip:
    """A clip that is being looked at.

    Attributes:
        people: who is looked for, and where.
        guide: what was found in the frame before, for each of them; None before the key frame.
        mirrored: what was found in the mirrored frame before.
    """

    people: Sequence[Track]
    guide: Tensor | None = None
    mirrored: Tensor | None = None


def _never(message: str) -> None:
    raise AssertionError(f"a frame in memory is always readable: {message}")
