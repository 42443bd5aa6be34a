"""What scenes depend on, and the random numbers that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.pose import Array

STILL, KEY_POSE, LOOKS = range(3)
"""Independent streams of random numbers of one scene."""


@dataclass(frozen=True)
class World:
    """What a scene depends on besides its index: all of it, and picklable."""

    seed: int
    split: int
    height: int
    width: int
    max_people: int


@dataclass(frozen=True)
class Traits:
    """What makes a person differ from others: uniform numbers in [0, 1), each (S, M)."""

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
    """Random numbers that depend on nothing but the integers given."""
    return np.random.default_rng(np.random.SeedSequence([world.seed, world.split, index, *stream]))


def inside_picture(points: Array, world: World) -> NDArray[np.bool_]:
    """Whether (..., 2 or 3) points fall on a pixel."""
    limits = np.array([world.width, world.height]) - 0.5
    inside = (points[..., :2] >= -0.5) & (points[..., :2] < limits)
    return np.logical_and(inside[..., 0], inside[..., 1])
