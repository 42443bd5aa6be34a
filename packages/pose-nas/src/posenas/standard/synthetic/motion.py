"""Motion: how people move through a shot of a video, as a function of the seconds since it began.

Two of five walk or run, mostly across the picture; some repeat an exercise; the rest go from pose to pose.
Everybody's head turns, and everybody sways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.gait import strides, walking_speed
from posenas.standard.synthetic.pose import CHOICES, NORMALS, Array, JointAngles, blended, joint_angles
from posenas.standard.synthetic.world import MOTION, World, generator

_KEYS = 4
"""The key poses of a shot, which follow each other in a circle."""
_TURN = 2.0 * np.pi


@dataclass(frozen=True)
class Manners:
    """The ways in which people move: key poses, and uniform numbers in [0, 1), each (S, M).

    Attributes:
        keys: (S, M, 4) key poses.
        kind: below 0.4 walks, below 0.6 exercises, else goes from pose to pose.
        pace: how fast they are.
        phase: where in their cycle they begin.
        vigour: how far they swing.
        course: where those who walk go.
        lead: how long before they reach their place the shot begins.
        wave: how fast the arms wave.
        gaze: how the head turns.
        sway: how the body turns.
    """

    keys: JointAngles
    kind: Array
    pace: Array
    phase: Array
    vigour: Array
    course: Array
    lead: Array
    wave: Array
    gaze: Array
    sway: Array

    @property
    def walks(self) -> NDArray[np.bool_]:
        """Whether people walk: (S, M)."""
        return self.kind < 0.4

    @property
    def stride_seconds(self) -> Array:
        """The seconds of two steps: (S, M), those of running below 0.8."""
        return 1.15 - 0.5 * self.pace


@dataclass(frozen=True)
class Move:
    """What people do at one time.

    Attributes:
        angles: (S, M) the joint angles.
        heading: (S, M) radians by which people have turned about their upright axis.
        way: (S, M) statures that they have gone forward.
    """

    angles: JointAngles
    heading: Array
    way: Array


def manners(world: World, indices: Sequence[int]) -> Manners:
    """Return how the people of several scenes move."""
    rngs = [generator(world, index, MOTION) for index in indices]
    traits = np.moveaxis(np.stack([rng.random((world.max_people, 9)) for rng in rngs]), -1, 0)
    choices = np.stack([rng.random((world.max_people, _KEYS, CHOICES)) for rng in rngs])
    normals = np.stack([rng.standard_normal((world.max_people, _KEYS, NORMALS)) for rng in rngs])
    return Manners(joint_angles(choices, normals), *traits)


def move(manner: Manners, seconds: Array) -> Move:
    """Return what people do, seconds after the shot began.

    Args:
        manner: how they move.
        seconds: (S, 1).
    """
    posing = _swung(_posing(manner, seconds), manner, seconds)
    cycles = seconds / manner.stride_seconds + manner.phase
    walking = strides(posing, cycles, manner.stride_seconds, vigour=manner.vigour)
    side = np.sign(manner.course - 0.5)
    course = side * (0.3 + 2.4 * np.abs(manner.course - 0.5))
    swaying = np.sin(_TURN * (seconds / (1.4 + 1.6 * manner.sway) + manner.phase))
    speed = walking_speed(manner.stride_seconds, manner.vigour)
    return Move(
        angles=_where(manner.walks, walking, posing),
        heading=np.where(manner.walks, course + 0.12 * swaying, (0.15 + 0.45 * manner.sway) * swaying),
        way=np.where(manner.walks, speed * (seconds - 0.8 * manner.lead), 0.05 * swaying),
    )


def _posing(manner: Manners, seconds: Array) -> JointAngles:
    """Return poses on the way from key to key, or from the first to the second and back."""
    beats = seconds / (0.9 - 0.45 * manner.pace) + manner.phase
    exercises = manner.kind < 0.6
    first = np.floor(beats).astype(np.int64) % np.where(exercises, 2, _KEYS)
    second = (first + 1) % np.where(exercises, 2, _KEYS)
    share = beats - np.floor(beats)
    share = share * share * (3.0 - 2.0 * share)
    return blended(_key(manner.keys, first), _key(manner.keys, second), share)


def _key(keys: JointAngles, number: NDArray[np.int64]) -> JointAngles:
    scene, person = np.indices(number.shape)
    return JointAngles(
        keys.trunk[scene, person, number], keys.arms[scene, person, number], keys.legs[scene, person, number]
    )


def _swung(pose: JointAngles, manner: Manners, seconds: Array) -> JointAngles:
    """Return the pose with waving arms and a turning head; quicker waves are smaller."""
    period = 0.25 + 0.65 * manner.wave
    turns = _TURN * (seconds / period + manner.phase)
    swing = (0.35 * period * (0.4 + manner.vigour))[..., None] * np.sin(
        turns[..., None] + np.array([0.0, 2.0])
    )
    arms, trunk = pose.arms.copy(), pose.trunk.copy()
    arms[..., 0] += swing
    arms[..., 3] = np.maximum(arms[..., 3] + 1.5 * swing, 0.0)
    arms[..., 5] += 0.5 * swing
    gaze = np.sin(_TURN * (seconds / (0.9 + 1.2 * manner.gaze) + manner.sway))
    trunk[..., 6] += 0.45 * manner.gaze * gaze
    trunk[..., 5] += 0.12 * manner.sway * gaze
    return JointAngles(trunk, arms, pose.legs)


def _where(chosen: NDArray[np.bool_], first: JointAngles, second: JointAngles) -> JointAngles:
    return JointAngles(
        trunk=np.where(chosen[..., None], first.trunk, second.trunk),
        arms=np.where(chosen[..., None, None], first.arms, second.arms),
        legs=np.where(chosen[..., None, None], first.legs, second.legs),
    )
