"""Poses: joint angles from natural to athletic, as a mixture of what arms and legs usually do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.habits import ARM_HABITS, HAND_HABIT, LEG_HABITS, TRUNK_HABIT

Array = NDArray[np.float64]

CHOICES = 5
"""The number of uniform numbers that one pose takes."""
NORMALS = 34
"""The number of normal numbers that one pose takes: 8 of the trunk, 8 an arm, 5 a leg."""

_ARM_WEIGHTS = np.array([weight for weight, *_ in ARM_HABITS])
_ARM_TABLE = np.array([(*habit, *HAND_HABIT) for _, *habit in ARM_HABITS], dtype=np.float64)
_LEG_WEIGHTS = np.array([weight for weight, *_ in LEG_HABITS])
_LEG_TABLE = np.array([legs for _, _, _, *legs in LEG_HABITS], dtype=np.float64)
_TRUNK_TABLE = np.array([(lean, bend, *TRUNK_HABIT) for _, lean, bend, *_ in LEG_HABITS], dtype=np.float64)


@dataclass(frozen=True)
class JointAngles:
    """The angles of a pose in radians (finger spread: a factor). The axis before the last is left, right.

    Attributes:
        trunk: (..., 8) lean, bend, side bend, turn, roll, head's nod, turn and tilt.
        arms: (..., 2, 8) flexion, abduction, inward twist, elbow, pronation, wrist, curl, finger spread.
        legs: (..., 2, 5) flexion, abduction, outward turn, knee, ankle.
    """

    trunk: Array
    arms: Array
    legs: Array


def joint_angles(choices: Array, normals: Array) -> JointAngles:
    """Return a pose from (..., CHOICES) uniform and (..., NORMALS) normal numbers."""
    spread = np.clip(normals, -2.2, 2.2)
    alike = choices[..., 4] < 0.5
    arm_choices = np.stack([choices[..., 1], np.where(alike, choices[..., 1], choices[..., 2])], axis=-1)
    arms = _ARM_TABLE[_chosen(arm_choices, _ARM_WEIGHTS)]
    leg_choice = _chosen(choices[..., 0], _LEG_WEIGHTS)
    legs, trunk = _LEG_TABLE[leg_choice], _TRUNK_TABLE[leg_choice]
    legs = np.where((choices[..., 3] < 0.5)[..., None, None, None], legs, legs[..., ::-1, :, :])
    side_arms = spread[..., 8:24].reshape(*spread.shape[:-1], 2, 8)
    side_legs = spread[..., 24:34].reshape(*spread.shape[:-1], 2, 5)
    return JointAngles(
        trunk=np.deg2rad(_drawn(trunk, spread[..., :8])),
        arms=_limited_arms(_drawn(arms, side_arms)),
        legs=_limited_legs(_drawn(legs, side_legs)),
    )


def blended(first: JointAngles, second: JointAngles, share: Array) -> JointAngles:
    """Return the pose that has gone `share` of the way from the first to the second.

    Args:
        first: the pose for a share of 0.
        second: the pose for a share of 1.
        share: (...,) share of the way, from 0 to 1.
    """
    of_trunk, of_side = share[..., None], share[..., None, None]
    return JointAngles(
        trunk=first.trunk + of_trunk * (second.trunk - first.trunk),
        arms=first.arms + of_side * (second.arms - first.arms),
        legs=first.legs + of_side * (second.legs - first.legs),
    )


def _chosen(uniform: Array, weights: Array) -> NDArray[np.intp]:
    return np.searchsorted(np.cumsum(weights / weights.sum())[:-1], uniform)


def _drawn(table: Array, spread: Array) -> Array:
    drawn: Array = table[..., 0] + table[..., 1] * spread
    return drawn


def _limited_arms(degrees: Array) -> Array:
    low = np.array([-60, -25, -60, 0, -70, -50, 0, 0.0])
    high = np.array([185, 150, 85, 150, 110, 60, 85, 1.8])
    limited = np.clip(degrees, low, high)
    return np.concatenate([np.deg2rad(limited[..., :7]), limited[..., 7:]], axis=-1)


def _limited_legs(degrees: Array) -> Array:
    return np.deg2rad(np.clip(degrees, [-45, -8, -15, 0, -50], [130, 60, 50, 150, 30]))
