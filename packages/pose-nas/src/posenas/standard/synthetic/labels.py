"""Labels of scenes: the people whom a picture shows, as a dataset annotates them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.regions import region_boxes, without_unclear
from posenas.standard.synthetic.scene import Scenes
from posenas.standard.synthetic.visibility import visibility
from posenas.standard.synthetic.world import World, inside_picture

_AREA_OF_BOX = 0.53
"""The share of a person's box that a segment fills, as COCO's tools take it where there is no segment."""
_LEAST_INSIDE = 3
"""The fewest of 17 keypoints that must be in the picture: who leaves a video is annotated till then."""


def labelled_people(
    scene: Scenes,
    world: World,
    keypoints: KeypointSet,
    *,
    indices: Sequence[int],
    shots: Sequence[int | None],
) -> list[tuple[Person, ...]]:
    """Return the people whom each of several scenes shows.

    Args:
        scene: S scenes.
        world: what the scenes depend on.
        keypoints: COCO's 17 keypoints or COCO-WholeBody's 133.
        indices: S indices of the pictures in their split, which give people their ids.
        shots: S numbers of shots in their video, which give people their tracks; None for single pictures.
    """
    places = scene.keypoints[:, :, : len(keypoints), :2]
    seen = without_unclear(visibility(scene, world, len(keypoints)), keypoints.regions)
    boxes = _boxes(scene, world)
    shown = scene.wanted & (inside_picture(places[:, :, :17], world).sum(axis=-1) >= _LEAST_INSIDE)
    return [
        tuple(
            _person(
                places[row, m],
                seen[row, m],
                box=boxes[row, m],
                regions=region_boxes(places[row, m], seen[row, m], regions=keypoints.regions, world=world),
                identity=index * world.max_people + m + 1,
                track=None if shot is None else shot * world.max_people + m + 1,
            )
            for m in range(world.max_people)
            if shown[row, m]
        )
        for row, (index, shot) in enumerate(zip(indices, shots, strict=True))
    ]


def _person(
    places: Array,
    seen: NDArray[np.int64],
    *,
    box: Array,
    regions: Mapping[str, tuple[float, float, float, float]],
    identity: int,
    track: int | None,
) -> Person:
    keypoints = np.concatenate([places * (seen > 0)[:, None], seen[:, None]], axis=1).astype(np.float64)
    left, top, width, height = (float(value) for value in box)
    return Person(
        box=(left, top, width, height),
        keypoints=keypoints,
        area=_AREA_OF_BOX * width * height,
        id=identity,
        regions=regions,
        track=track,
    )


def _boxes(scene: Scenes, world: World) -> Array:
    """Return (S, M, 4) x, y, width, height of what the picture holds of each person."""
    limits = np.tile([world.width - 1.0, world.height - 1.0], 2)
    corners = np.clip(scene.extent, 0.0, limits)
    return np.concatenate([corners[..., :2], corners[..., 2:] - corners[..., :2]], axis=-1)
