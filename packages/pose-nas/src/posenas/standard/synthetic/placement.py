"""Placement: where people and objects stand in the picture, and how large they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.world import Traits, World

OBJECTS = 2
"""The most objects that stand before people in a scene."""


def target_sizes(traits: Traits, world: World) -> Array:
    """Return the pixels of the larger side of people, the nearest first: (S, M)."""
    share = 0.45 * (2.15 ** np.sort(traits.size, axis=-1)[..., ::-1])
    return share * min(world.height, world.width)


def origins(traits: Traits, count: Array, world: World, box: Array) -> Array:
    """Return where the hips are, (S, M, 2): people side by side, some cut off by the picture's border.

    Args:
        traits: the people's traits.
        count: (S, 1) number of people in each scene.
        world: what the scenes depend on.
        box: (S, M, 4) left, top, right, bottom in pixels about the hips.
    """
    slots = (np.arange(world.max_people) + np.floor(3.0 * traits.slot[:, :1])) % count
    across = (slots + 0.5 + 0.6 * (traits.across - 0.5)) / count
    size = np.array([world.width, world.height]) - 1.0
    half = 0.5 * (box[..., 2:] - box[..., :2])
    slack = np.maximum(size - 2.0 * half, 0.0)
    wanted = np.stack([across * size[0] - half[..., 0], traits.down * slack[..., 1]], axis=-1)
    corner = np.clip(wanted, 0.0, slack)
    beyond = 2.0 * half * (0.4 * traits.cut_share)[..., None]
    past_end = size - 2.0 * half + beyond
    cut, side = traits.cut_off < 0.04, traits.cut_side
    corner[..., 0] = np.where(cut & (side < 0.25), -beyond[..., 0], corner[..., 0])
    corner[..., 0] = np.where(cut & (side >= 0.25) & (side < 0.5), past_end[..., 0], corner[..., 0])
    corner[..., 1] = np.where(cut & (side >= 0.5), past_end[..., 1], corner[..., 1])
    return np.asarray(corner - box[..., :2])


def objects_before(draws: Array, box: Array, origin: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return outlines of things that stand before the nearest people, and which of them are there.

    Args:
        draws: (S, O, 8) uniform numbers.
        box: (S, M, 4) left, top, right, bottom of people in pixels about their hips.
        origin: (S, M, 2) the hips in the picture.

    Returns:
        (S, O, 8, 2) pixels, and (S, O) bool.
    """
    near = np.minimum(np.arange(OBJECTS), box.shape[1] - 1)
    low, size = box[:, near, :2] + origin[:, near], box[:, near, 2:] - box[:, near, :2]
    centre = low + size * np.stack([draws[..., 0], 0.25 + 0.8 * draws[..., 1]], axis=-1)
    half = size.max(axis=-1, keepdims=True) * (0.05 + 0.16 * draws[..., 2:4])
    turn = 0.8 * (draws[..., 4:5] - 0.5)
    return outlines(centre, half, turn, round_ones=draws[..., 5:6] < 0.5), draws[..., 6] < 0.06


def outlines(centre: Array, half: Array, turn: Array, *, round_ones: NDArray[np.bool_]) -> Array:
    """Return the outlines of round and of angular things, (S, O, 8, 2), clockwise in the picture.

    Args:
        centre: (S, O, 2) pixels.
        half: (S, O, 2) pixels, half of width and height before turning.
        turn: (S, O, 1) radians.
        round_ones: (S, O, 1) whether they are round.
    """
    angle = np.pi / 4.0 * (np.arange(8) + 0.5)
    roundness = np.where(round_ones, 1.0, 2.0)
    circle = np.stack(
        [np.clip(np.cos(angle) * roundness, -1.0, 1.0), np.clip(np.sin(angle) * roundness, -1.0, 1.0)],
        axis=-1,
    )
    scaled = circle * half[..., None, :]
    x = scaled[..., 0] * np.cos(turn) - scaled[..., 1] * np.sin(turn)
    y = scaled[..., 0] * np.sin(turn) + scaled[..., 1] * np.cos(turn)
    return np.asarray(centre[..., None, :] + np.stack([x, y], axis=-1))
