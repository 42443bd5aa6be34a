"""Worlds: what scenes depend on, and the random numbers that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.pose import Array

STILL, KEY_POSE, LOOKS, MOTION, CAMERA, PASSERS, CUTS, FRAME = range(8)
"""The independent streams of random numbers of one scene, or of one video."""


@dataclass(frozen=True)
class World:
    """Everything that a scene depends on besides its index; picklable.

    Attributes:
        seed: another seed has other people.
        split: number of the split.
        height: pixels of the picture.
        width: pixels of the picture.
        max_people: most people in a picture.
    """

    seed: int
    split: int
    height: int
    width: int
    max_people: int


@dataclass(frozen=True)
class Traits:
    """The traits in which people differ: uniform numbers in [0, 1), each (S, M)."""

    arms: Array
    legs: Array
    shoulders: Array
    hips: Array
    head: Array
    girth: Array
    childhood: Array
    facing: Array
    tilt: Array
    wildness: Array
    size: Array
    distance: Array
    slot: Array
    across: Array
    down: Array
    cut_off: Array
    cut_share: Array
    cut_side: Array


def generator(world: World, index: int, *stream: int) -> np.random.Generator:
    """Return random numbers that depend on nothing but the integers given.

    Args:
        world: what the scene depends on.
        index: index of the scene in its split.
        stream: names the stream of random numbers.
    """
    return np.random.default_rng(np.random.SeedSequence([world.seed, world.split, index, *stream]))


def inside_picture(points: Array, world: World) -> NDArray[np.bool_]:
    """Return whether (..., 2 or 3) points fall on a pixel."""
    limits = np.array([world.width, world.height]) - 0.5
    inside = (points[..., :2] >= -0.5) & (points[..., :2] < limits)
    return np.logical_and(inside[..., 0], inside[..., 1])
