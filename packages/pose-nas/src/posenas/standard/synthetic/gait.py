"""Gait: the cycle of walking and running, in joint angles."""

from __future__ import annotations

import numpy as np

from posenas.standard.synthetic.pose import Array, JointAngles

_LEG = 0.68
"""The length in statures of a leg and of the foot on which it rolls forward."""


def strides(pose: JointAngles, cycles: Array, period: Array, *, vigour: Array) -> JointAngles:
    """Return poses of people who walk, or run where two steps take less than 0.8 seconds.

    Args:
        pose: what trunk and hands do besides.
        cycles: (...,) how many times both legs have stepped.
        period: (...,) seconds of one cycle.
        vigour: (...,) in [0, 1); more of it takes longer steps.
    """
    run = _running(period)
    turns = 2.0 * np.pi * (cycles[..., None] + np.array([0.0, 0.5]))
    reach, hurry = _reach(period, vigour)[..., None], run[..., None]
    return JointAngles(
        trunk=_trunk(pose.trunk, turns[..., 0], run),
        arms=_arms(pose.arms, turns, reach, hurry),
        legs=_legs(turns, reach, hurry),
    )


def walking_speed(period: Array, vigour: Array) -> Array:
    """Return statures a second at which the foot on the ground stays where it is.

    Args:
        period: (...,) seconds of two steps.
        vigour: (...,) in [0, 1), as for `strides`.
    """
    return np.asarray(4.0 * _LEG * np.sin(_reach(period, vigour)) / period)


def _running(period: Array) -> Array:
    """Return how much of a run it is, from 0 to 1."""
    return np.asarray(np.clip((0.9 - period) / 0.2, 0.0, 1.0))


def _reach(period: Array, vigour: Array) -> Array:
    """Return the radians by which thighs swing to each side."""
    return np.asarray(0.32 + 0.14 * vigour + 0.14 * _running(period))


def _trunk(trunk: Array, turns: Array, run: Array) -> Array:
    swung = 0.3 * trunk
    swung[..., 5:] = trunk[..., 5:]
    swung[..., 0] += 0.02 + 0.14 * run
    swung[..., 3] += 0.12 * np.sin(turns)
    swung[..., 4] += 0.04 * np.cos(turns)
    return swung


def _arms(arms: Array, turns: Array, reach: Array, run: Array) -> Array:
    """Return arms that swing against the leg of their side."""
    swung = arms.copy()
    swung[..., 0] = -0.9 * reach * np.sin(turns) * (1.0 + 0.4 * run)
    swung[..., 1] = 0.14 + 0.1 * run
    swung[..., 2] = 0.1
    swung[..., 3] = 0.35 + 1.1 * run - 0.2 * np.sin(turns)
    return swung


def _legs(turns: Array, reach: Array, run: Array) -> Array:
    """Return legs whose knees bend while they swing forward; feet are flat, and push off before that."""
    swinging = np.square(0.5 + 0.5 * np.cos(turns + 0.6))
    pushing = np.square(0.5 + 0.5 * np.cos(turns + 1.3))
    legs = np.zeros((*turns.shape, 5))
    legs[..., 0] = 0.08 + reach * _steady(turns) + 0.2 * run * swinging
    legs[..., 1] = 0.03
    legs[..., 2] = 0.08
    legs[..., 3] = 0.10 + (0.9 + 0.6 * run) * swinging
    legs[..., 4] = np.clip(legs[..., 3] - legs[..., 0] - 0.5 * pushing, -0.5, 0.35)
    return legs


def _steady(turns: Array) -> Array:
    """Return a swing between -1 and 1 whose speed hardly changes, as that of a foot on the ground."""
    return np.asarray(0.9 * (np.sin(turns) - np.sin(3.0 * turns) / 9.0))
