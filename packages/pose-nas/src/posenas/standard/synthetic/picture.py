"""Pictures of scenes: the people of the annotations, drawn."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.backdrop import backdrop, clutter, object_shapes
from posenas.standard.synthetic.figure import figure_of
from posenas.standard.synthetic.looks import Looks, cloth_colour, looks
from posenas.standard.synthetic.person import person_shapes
from posenas.standard.synthetic.photograph import UNSPOILT, Spoiling, photograph
from posenas.standard.synthetic.placement import OBJECTS
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.scene import Scenes, moving_scenes, scenes
from posenas.standard.synthetic.shapes import Shape, draw
from posenas.standard.synthetic.world import LOOKS, PASSERS, World, generator

_MARGIN = 0.35
"""The share of the width beyond each border where furniture waits to come into a video's picture."""


def picture(world: World, index: int) -> NDArray[np.uint8]:
    """Draw one scene as a single picture: (H, W, 3) RGB.

    Args:
        world: what the scene depends on.
        index: index of the scene in its split.
    """
    scene = scenes(world, [index])
    rng = generator(world, index, LOOKS)
    stage = _stage(world, rng)
    image = _drawn(scene, 0, stage, _object_colours(scene, rng))
    return photograph(image, rng, rng, spoiling=UNSPOILT)


def frame_picture(
    world: World, index: int, seconds: Array, *, noise: np.random.Generator, spoiling: Spoiling
) -> NDArray[np.uint8]:
    """Draw one frame of a shot, the mean of what the camera sees while it is exposed: (H, W, 3) RGB.

    Args:
        world: what the shot depends on.
        index: index of the shot's scene.
        seconds: (n,) moments of the exposure, in seconds since the shot began.
        noise: draws the noise of this frame.
        spoiling: what makes this frame hard to read.
    """
    scene = moving_scenes(world, [index] * len(seconds), seconds)
    rng = generator(world, index, LOOKS)
    stage = _stage(world, rng)
    colours = [*_object_colours(scene, rng), cloth_colour(generator(world, index, PASSERS), [])]
    images = [_drawn(scene, row, stage, colours) for row in range(len(seconds))]
    image = images[0] if len(images) == 1 else np.mean(images, axis=0).round().astype(np.uint8)
    return photograph(image, rng, noise, spoiling=spoiling)


@dataclass(frozen=True)
class _Stage:
    """All of a scene that its people and objects move before: what it looks like, not where it is."""

    backdrop: NDArray[np.uint8]
    clutter: list[Shape]
    wardrobe: list[Looks]
    light: Array


def _stage(world: World, rng: np.random.Generator) -> _Stage:
    image = backdrop(rng, world.height, world.width)
    background = np.array(cv2.mean(image)[:3])
    angle = rng.uniform(0.0, 2.0 * np.pi)
    light = np.array([np.cos(angle), -abs(np.sin(angle))])
    wardrobe = [looks(rng, background) for _ in range(world.max_people)]
    colours = [colour for each in wardrobe for colour in (each.skin, each.top, each.bottom)]
    return _Stage(image, clutter(rng, world.height, world.width, colours), wardrobe, light)


def _object_colours(scene: Scenes, rng: np.random.Generator) -> list[Array]:
    """Return the colours of the objects that stand in a scene; those that are not there have none."""
    standing = scene.objects_wanted[0, :OBJECTS]
    return [cloth_colour(rng, []) if wanted else np.zeros(3) for wanted in standing]


def _drawn(scene: Scenes, row: int, stage: _Stage, object_colours: list[Array]) -> NDArray[np.uint8]:
    """Return a scene of several, drawn before its stage: (H, W, 3)."""
    image = _shifted(stage.backdrop, scene.pan[row])
    draw(image, [_moved(shape, scene.pan[row], image.shape[1]) for shape in stage.clutter])
    for person in reversed(range(scene.wanted.shape[1])):
        if scene.wanted[row, person]:
            draw(image, person_shapes(figure_of(scene, row, person), stage.wardrobe[person], stage.light))
    there = scene.objects_wanted[row]
    draw(image, object_shapes(scene.objects[row, there], np.array(object_colours)[there]))
    return image


def _shifted(image: NDArray[np.uint8], pan: Array) -> NDArray[np.uint8]:
    """Return a background that the camera has moved; beyond its borders is its mirror image."""
    if not pan.any():
        return image.copy()
    matrix = np.array([[1.0, 0.0, pan[0]], [0.0, 1.0, pan[1]]])
    height, width = image.shape[:2]
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101), dtype=np.uint8
    )


def _moved(shape: Shape, pan: Array, width: int) -> Shape:
    """Return a thing that the camera has moved; what left on one side comes back on the other."""
    margin = _MARGIN * width
    rounds = np.floor((shape.points[:, 0].mean() + pan[0] + margin) / (width + 2.0 * margin))
    back = np.array([rounds * (width + 2.0 * margin), 0.0])
    return Shape(shape.depth, shape.points + (pan - back), shape.colour, shape.thickness)
