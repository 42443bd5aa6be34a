"""Figures: single people of a scene, about to be drawn."""

from __future__ import annotations

from dataclasses import dataclass

from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.scene import Scenes


@dataclass(frozen=True)
class Figure:
    """A person of a scene, in pixels; see `Scenes`."""

    keypoints: Array
    neck: Array
    rings: Array
    head_centre: Array
    head_axes: Array
    chest_front: Array
    stature: float
    girth: float


def figure_of(scene: Scenes, row: int, person: int) -> Figure:
    """Return a person of one scene.

    Args:
        scene: S scenes.
        row: number of the scene among them.
        person: number of the person in it.
    """
    return Figure(
        keypoints=scene.keypoints[row, person],
        neck=scene.neck[row, person],
        rings=scene.rings[row, person],
        head_centre=scene.head_centre[row, person],
        head_axes=scene.head_axes[row, person],
        chest_front=scene.chest_front[row, person],
        stature=float(scene.stature[row, person]),
        girth=float(scene.girth[row, person]),
    )
