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


def figure_of(scene: Scenes, person: int) -> Figure:
    """Return a person of the first scene."""
    return Figure(
        keypoints=scene.keypoints[0, person],
        neck=scene.neck[0, person],
        rings=scene.rings[0, person],
        head_centre=scene.head_centre[0, person],
        head_axes=scene.head_axes[0, person],
        chest_front=scene.chest_front[0, person],
        stature=float(scene.stature[0, person]),
        girth=float(scene.girth[0, person]),
    )
