"""The built-in dataset: people drawn from a seed, with nothing to download."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.standard.synthetic.picture import picture
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.regions import region_boxes, without_unclear
from posenas.standard.synthetic.scene import Scenes, scenes
from posenas.standard.synthetic.visibility import visibility
from posenas.standard.synthetic.world import World

_SPLITS = ("train", "val")
_BATCH = 64
_AREA_OF_BOX = 0.53
"""The share of a person's box that a segment fills, as COCO's tools take it where there is no segment."""


@dataclass(frozen=True)
class SceneSource:
    """A picture that is drawn when it is read.

    Attributes:
        world: what its scene depends on besides the index.
        index: index of the scene in its split.
        time: seconds.
    """

    world: World
    index: int
    time: float = 0.0

    def read(self) -> NDArray[np.uint8]:
        """Draw the picture, (H, W, 3) RGB."""
        return picture(self.world, self.index, self.time)

    def __str__(self) -> str:
        return f"synthetic/{_SPLITS[self.world.split]}/{self.index:06d}"


@dataclass(frozen=True)
class SyntheticDataset:
    """Pictures of drawn people in varied poses, clothes and light, with exact keypoints."""

    points: Annotated[Literal[17, 133], "keypoints a person: COCO's 17, or COCO-WholeBody's 133"] = 17
    train_images: Annotated[int, "pictures to train on", Ge(1), Le(1_000_000)] = 3000
    val_images: Annotated[int, "pictures to validate on", Ge(1), Le(1_000_000)] = 300
    seed: Annotated[int, "another seed draws other people", Ge(0)] = 0
    height: Annotated[int, "of a picture, in pixels", Ge(32), Le(4096)] = 240
    width: Annotated[int, "of a picture, in pixels", Ge(32), Le(4096)] = 320
    max_people: Annotated[int, "most people in a picture", Ge(1), Le(50)] = 2

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
        starts = range(0, count, _BATCH)
        return [
            sample
            for start in starts
            for sample in _samples(world, range(start, min(start + _BATCH, count)), self.keypoints())
        ]

    def instructions(self) -> str:
        """Return the sentence that there is nothing to download."""
        return "Nothing to get: the pictures are drawn while they are read."


def _samples(world: World, indices: Sequence[int], keypoints: KeypointSet) -> list[Sample]:
    scene = scenes(world, indices)
    places = scene.keypoints[:, :, : len(keypoints), :2]
    seen = without_unclear(visibility(scene, world, len(keypoints)), keypoints.regions)
    boxes = _boxes(scene, world)
    return [
        Sample(
            id=index,
            source=SceneSource(world, index),
            width=world.width,
            height=world.height,
            people=tuple(
                _person(
                    places[row, m],
                    seen[row, m],
                    box=boxes[row, m],
                    regions=region_boxes(
                        places[row, m], seen[row, m], regions=keypoints.regions, world=world
                    ),
                    identity=index * world.max_people + m,
                )
                for m in range(world.max_people)
                if scene.wanted[row, m]
            ),
        )
        for row, index in enumerate(indices)
    ]


def _person(
    places: Array,
    seen: NDArray[np.int64],
    *,
    box: Array,
    regions: Mapping[str, tuple[float, float, float, float]],
    identity: int,
) -> Person:
    keypoints = np.concatenate([places * (seen > 0)[:, None], seen[:, None]], axis=1).astype(np.float64)
    left, top, width, height = (float(value) for value in box)
    return Person(
        box=(left, top, width, height),
        keypoints=keypoints,
        area=_AREA_OF_BOX * width * height,
        id=identity + 1,
        regions=regions,
    )


def _boxes(scene: Scenes, world: World) -> Array:
    """Return (S, M, 4) x, y, width, height of what the picture holds of each person."""
    limits = np.tile([world.width - 1.0, world.height - 1.0], 2)
    corners = np.clip(scene.extent, 0.0, limits)
    return np.concatenate([corners[..., :2], corners[..., 2:] - corners[..., :2]], axis=-1)
