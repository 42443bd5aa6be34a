"""The camera of a video: how it drifts, shakes and follows people, and what passes before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.placement import outlines
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.world import CAMERA, World, generator

_PASSES = 8
"""The passes of a shot that are drawn; after the last one they begin anew."""
_PASS_SECONDS = 0.8
"""The seconds in which an object crosses the picture."""


@dataclass(frozen=True)
class Camera:
    """The ways of S cameras: random numbers that say how they move and what passes before them.

    Attributes:
        drift: (S, 2) normal numbers: how fast it turns to the side and down.
        shake: (S, 3, 4) uniform numbers: three swings with the seconds, the phase, and how far to the side
            and down.
        follows: (S,) uniform numbers; below 0.4 it follows the nearest person.
        phase: (S, 1) uniform numbers: where in a pass the shot begins.
        passes: (S, 8, 8) uniform numbers, one row for each pass.
    """

    drift: Array
    shake: Array
    follows: Array
    phase: Array
    passes: Array


def cameras(world: World, indices: Sequence[int]) -> Camera:
    """Return the cameras of several scenes."""
    rngs = [generator(world, index, CAMERA) for index in indices]
    drift = np.stack([rng.standard_normal(2) for rng in rngs])
    draws = np.stack([rng.random(14 + 8 * _PASSES) for rng in rngs])
    return Camera(
        drift=drift,
        shake=draws[:, :12].reshape(-1, 3, 4),
        follows=draws[:, 12],
        phase=draws[:, 13:14],
        passes=draws[:, 14:].reshape(-1, _PASSES, 8),
    )


def panned(camera: Camera, seconds: Array, world: World) -> Array:
    """Return by how many pixels cameras have moved the picture, (S, 2), following nobody.

    Args:
        camera: S cameras.
        seconds: (S, 1) seconds since their shots began.
        world: tells the picture's width.
    """
    period, phase, size = 0.2 + 0.6 * camera.shake[..., 0], camera.shake[..., 1], camera.shake[..., 2:] - 0.5
    swings = np.sin(2.0 * np.pi * (seconds / period + phase))[..., None] * size * period[..., None]
    drifted = np.array([0.05, 0.015]) * camera.drift * seconds
    return np.asarray(world.width * (drifted + 0.01 * swings.sum(axis=1)))


def passing(
    camera: Camera, seconds: Array, world: World, *, size: Array, height: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the outlines of objects that cross the picture, and which of them are there.

    Args:
        camera: S cameras.
        seconds: (S, 1) seconds since their shots began.
        world: tells the picture's size.
        size: (S, 1) pixels of the nearest person's stature.
        height: (S, 1) pixels from the top at which that person's hips are.

    Returns:
        (S, 1, 8, 2) pixels, and (S, 1) bool.
    """
    beats = seconds / _PASS_SECONDS + camera.phase
    number = np.floor(beats).astype(np.int64)[:, 0] % _PASSES
    draws = camera.passes[np.arange(len(number)), number]
    pole = draws[:, :1] < 0.4
    half = size * np.where(pole, [0.06, 0.0], [0.10, 0.10]) + size * [0.10, 0.22] * draws[:, 1:3]
    half[:, 1:] = np.where(pole, world.height, half[:, 1:])
    beyond = half[:, :1] + 0.4 * half[:, 1:]
    share = beats - np.floor(beats)
    share = np.where(draws[:, 3:4] < 0.5, share, 1.0 - share)
    across = -beyond + share * (world.width + 2.0 * beyond)
    down = np.where(pole, 0.5 * world.height, height + size * (0.5 * draws[:, 4:5] - 0.35))
    centre = np.concatenate([across, down], axis=-1)
    turn = np.where(pole, 0.1, 0.8) * (draws[:, 5:6] - 0.5)
    there = draws[:, 6:7] < 0.65
    return outlines(
        centre[:, None], half[:, None], turn[:, None], round_ones=draws[:, None, 7:8] < 0.5
    ), there
