"""The built-in dataset: people drawn from a seed, with nothing to download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Sample
from posenas.standard.synthetic.labels import labelled_people
from posenas.standard.synthetic.picture import picture
from posenas.standard.synthetic.scene import moving_scenes, scenes
from posenas.standard.synthetic.video import Filming, draw_frame, moment
from posenas.standard.synthetic.world import World

_SPLITS = ("train", "val")
_BATCH = 64


@dataclass(frozen=True)
class SceneSource:
    """A picture that is drawn when it is read.

    Attributes:
        world: what its scene depends on besides the index.
        index: index of the scene in its split.
    """

    world: World
    index: int

    def read(self) -> NDArray[np.uint8]:
        """Draw the picture, (H, W, 3) RGB."""
        return picture(self.world, self.index)

    def __str__(self) -> str:
        return _name(self.world, self.index)


@dataclass(frozen=True)
class FrameSource:
    """A frame of a video that is drawn when it is read.

    Attributes:
        filming: what its video depends on besides the number.
        video: number of the video in its split.
        frame: number of the frame in the video.
    """

    filming: Filming
    video: int
    frame: int

    def read(self) -> NDArray[np.uint8]:
        """Draw the frame, (H, W, 3) RGB."""
        return draw_frame(self.filming, self.video, self.frame)

    def __str__(self) -> str:
        return f"{_name(self.filming.world, self.video)}/{self.frame:06d}"


@dataclass(frozen=True)
class SyntheticDataset:
    """Pictures or short videos of drawn people in varied poses, clothes and light, with exact keypoints."""

    points: Annotated[Literal[17, 133], "keypoints a person: COCO's 17, or COCO-WholeBody's 133"] = 17
    train_images: Annotated[int, "pictures to train on", Ge(1), Le(1_000_000)] = 3000
    val_images: Annotated[int, "pictures to validate on", Ge(1), Le(1_000_000)] = 300
    seed: Annotated[int, "another seed draws other people", Ge(0)] = 0
    height: Annotated[int, "of a picture, in pixels", Ge(32), Le(4096)] = 240
    width: Annotated[int, "of a picture, in pixels", Ge(32), Le(4096)] = 320
    max_people: Annotated[int, "most people in a picture", Ge(1), Le(50)] = 2
    frames: Annotated[
        int, "pictures that make up each video, at 25 a second; 1 draws single pictures", Ge(1), Le(1000)
    ] = 1
    motion: Annotated[float, "speed of everything in videos; 1 is everyday speed", Ge(0.0), Le(4.0)] = 1.0
    hard_frames: Annotated[
        float, "share of a video's frames that blur, haze or a jerk makes hard to read", Ge(0.0), Le(1.0)
    ] = 0.3

    def keypoints(self) -> KeypointSet:
        """Return COCO's 17 keypoints, or COCO-WholeBody's 133."""
        return COCO_17 if self.points == 17 else COCO_WHOLEBODY_133

    def splits(self) -> Sequence[str]:
        """Return the names of the splits, `train` and `val`."""
        return _SPLITS

    def split(self, name: str) -> Sequence[Sample]:
        """Return the samples of a split; their pictures are drawn on reading.

        Raises:
            PosenasError: for an unknown split.
        """
        if name not in _SPLITS:
            raise PosenasError(f"synthetic: no split {name!r}; {suggestion(name, _SPLITS)}")
        count = self.train_images if name == "train" else self.val_images
        world = World(self.seed, _SPLITS.index(name), self.height, self.width, self.max_people)
        batches = [range(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]
        if self.frames == 1:
            return [sample for batch in batches for sample in _pictures(world, batch, self.keypoints())]
        filming = Filming(world, self.motion, self.hard_frames)
        return [
            sample
            for batch in batches
            for sample in _frames(filming, batch, self.keypoints(), length=self.frames)
        ]

    def instructions(self) -> str:
        """Return the sentence that there is nothing to download."""
        return "Nothing to get: the pictures are drawn while they are read."


def _pictures(world: World, indices: Sequence[int], keypoints: KeypointSet) -> list[Sample]:
    alone = [None] * len(indices)
    people = labelled_people(scenes(world, indices), world, keypoints, indices=indices, shots=alone)
    return [
        Sample(index, SceneSource(world, index), world.width, world.height, present)
        for index, present in zip(indices, people, strict=True)
    ]


def _frames(filming: Filming, indices: Sequence[int], keypoints: KeypointSet, *, length: int) -> list[Sample]:
    """Return frames of videos of a length, which follow each other."""
    world, places = filming.world, [divmod(index, length) for index in indices]
    moments = [moment(filming, video, frame) for video, frame in places]
    scene = moving_scenes(
        world, [each.scene for each in moments], np.array([each.seconds for each in moments])
    )
    shots = [each.shot for each in moments]
    people = labelled_people(scene, world, keypoints, indices=indices, shots=shots)
    return [
        Sample(
            index,
            FrameSource(filming, video, frame),
            world.width,
            world.height,
            present,
            video=_name(world, video),
            frame=frame,
        )
        for index, (video, frame), present in zip(indices, places, people, strict=True)
    ]


def _name(world: World, number: int) -> str:
    return f"synthetic/{_SPLITS[world.split]}/{number:06d}"
