"""Forward kinematics: joint angles to the 133 whole-body keypoints, in space.

Lengths are in statures (1.0 is the person's height). Body axes are x to the person's left, y up, z forward;
camera axes are x to the right, y up, z towards the camera. They are the same for a person who faces the
camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posenas.standard.synthetic.anatomy import (
    EARS,
    FACE,
    FEET,
    HAND_FANS,
    HAND_KNUCKLES,
    HAND_LENGTHS,
    HEAD,
    RINGS,
)
from posenas.standard.synthetic.pose import Array, JointAngles

_SIDE = np.array([1.0, -1.0])


@dataclass(frozen=True)
class Build:
    """The build of a person, as factors of the average: each (...,)."""

    arms: Array
    legs: Array
    shoulders: Array
    hips: Array
    head: Array
    girth: Array


@dataclass(frozen=True)
class Body:
    """A posed body about the midpoint of its hips, in camera axes and statures.

    Attributes:
        keypoints: (..., 133, 3) in COCO-WholeBody's order.
        neck: (..., 3) where it leaves the shoulders.
        rings: (..., 4, 8, 3) round the torso: shoulders, chest, waist, hips.
        head_centre: (..., 3).
        head_axes: (..., 3, 3) columns are the head's left, up and forward, as long as its radii.
        chest_front: (..., 3) unit vector out of the breast.
    """

    keypoints: Array
    neck: Array
    rings: Array
    head_centre: Array
    head_axes: Array
    chest_front: Array


def rotation(x: Array | float, y: Array | float, z: Array | float) -> Array:
    """Return the matrices that turn about y, then about z, then about x: (..., 3, 3).

    Args:
        x: angle in radians.
        y: angle in radians.
        z: angle in radians.
    """
    cos_x, sin_x, cos_y, sin_y = np.cos(x), np.sin(x), np.cos(y), np.sin(y)
    cos_z, sin_z = np.cos(z), np.sin(z)
    matrix = np.empty((*np.broadcast(x, y, z).shape, 3, 3))
    matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2] = cos_z * cos_y, -sin_z, cos_z * sin_y
    turned_x, turned_z = sin_z * cos_y, sin_z * sin_y
    matrix[..., 1, 0], matrix[..., 2, 0] = cos_x * turned_x + sin_x * sin_y, sin_x * turned_x - cos_x * sin_y
    matrix[..., 1, 1], matrix[..., 2, 1] = cos_x * cos_z, sin_x * cos_z
    matrix[..., 1, 2], matrix[..., 2, 2] = cos_x * turned_z - sin_x * cos_y, sin_x * turned_z + cos_x * cos_y
    return matrix


def posed_body(angles: JointAngles, build: Build, root: Array) -> Body:
    """Return the body in a pose.

    Args:
        angles: the joint angles.
        build: the person's build.
        root: (..., 3, 3), turns upright body axes into camera axes.
    """
    lean, bend, side_bend, turn, roll, nod, head_turn, head_tilt = np.moveaxis(angles.trunk, -1, 0)
    root = root @ rotation(0.0, 0.0, roll)
    pelvis = root @ rotation(lean, 0.0, 0.0)
    chest = pelvis @ rotation(bend, turn, side_bend)
    head = chest @ rotation(nod - 0.5 * (lean + bend), head_turn, head_tilt)
    waist = pelvis[..., 1] * 0.10
    neck = waist + chest[..., 1] * 0.205
    head_centre = neck + head @ np.array([0.0, 0.098, 0.016]) * (0.5 + 0.5 * build.head[..., None])
    head_axes = head * (np.array(HEAD) * build.head[..., None])[..., None, :]
    face = head_centre[..., None, :] + FACE @ np.swapaxes(head_axes, -1, -2)
    ears = head_centre[..., None, :] + EARS @ np.swapaxes(head_axes, -1, -2)
    arms, hands = _arms(angles.arms, build, waist, chest)
    legs, feet = _legs(angles.legs, build, pelvis, root)
    eyes = np.stack([face[..., 42:48, :].mean(axis=-2), face[..., 36:42, :].mean(axis=-2)], axis=-2)
    return Body(
        keypoints=np.concatenate([face[..., 30:31, :], eyes, ears, arms, legs, feet, face, hands], axis=-2),
        neck=neck,
        rings=_torso_rings(build, waist, chest, pelvis),
        head_centre=head_centre,
        head_axes=head_axes,
        chest_front=chest[..., 2],
    )


def _arms(angles: Array, build: Build, waist: Array, chest: Array) -> tuple[Array, Array]:
    """Return (..., 6, 3) shoulders, elbows, wrists and (..., 42, 3) both hands."""
    flexion, abduction, twist, elbow, pronation, wrist, curl, fan = np.moveaxis(angles, -1, 0)
    length = build.arms[..., None, None]
    half_width = 0.105 * _SIDE * build.shoulders[..., None]
    shoulders = (waist + 0.188 * chest[..., 1])[..., None, :] + half_width[..., None] * chest[..., None, :, 0]
    upper = chest[..., None, :, :] @ rotation(-flexion, -_SIDE * twist, _SIDE * abduction)
    elbows = shoulders - 0.180 * length * upper[..., 1]
    fore = upper @ rotation(-elbow, -_SIDE * pronation, 0.0)
    wrists = elbows - 0.148 * length * fore[..., 1]
    palm = fore @ rotation(0.0, 0.0, -_SIDE * wrist)
    hands = wrists[..., None, :] + 0.105 * length[..., None] * (_hand(curl, fan) @ np.swapaxes(palm, -1, -2))
    return np.concatenate([shoulders, elbows, wrists], axis=-2), hands.reshape(*hands.shape[:-3], 42, 3)


def _hand(curl: Array, fan: Array) -> Array:
    """Return (..., 2, 21, 3) hands about the wrist in hand lengths.

    Fingers point down, thumbs forward, palms inward.
    """
    bends = (
        np.stack([curl, 2.0 * curl, 2.6 * curl], axis=-1)[..., None, :] * np.array([0.4, 1, 1, 1, 1])[:, None]
    )
    fans = ((fan[..., None] - 1.0) * [0.0, 1.0, 1.0, 1.0, 1.0] + 1.0)[..., None] * HAND_FANS[:, None]
    reach = HAND_LENGTHS * np.cos(bends)
    steps = np.stack([-HAND_LENGTHS * np.sin(bends), -reach * np.cos(fans), reach * np.sin(fans)], axis=-1)
    knuckles = np.broadcast_to(HAND_KNUCKLES[:, None, :], (*steps.shape[:-2], 1, 3))
    joints = np.cumsum(np.concatenate([knuckles, steps], axis=-2), axis=-2)
    joints = joints.reshape(*joints.shape[:-3], 20, 3)
    hand = np.concatenate([np.zeros_like(joints[..., :1, :]), joints], axis=-2)
    return np.asarray(hand * np.array([[[1.0, 1.0, 1.0]], [[-1.0, 1.0, 1.0]]]))


def _legs(angles: Array, build: Build, pelvis: Array, root: Array) -> tuple[Array, Array]:
    """Return (..., 6, 3) hips, knees, ankles and (..., 6, 3) left then right toes and heel."""
    flexion, abduction, outward, knee, ankle = np.moveaxis(angles, -1, 0)
    length = build.legs[..., None, None]
    hips = 0.060 * (_SIDE * build.hips[..., None])[..., None] * pelvis[..., None, :, 0]
    thigh = root[..., None, :, :] @ rotation(-flexion, _SIDE * outward, _SIDE * abduction)
    knees = hips - 0.245 * length * thigh[..., 1]
    shin = thigh @ rotation(knee, 0.0, 0.0)
    ankles = knees - 0.245 * length * shin[..., 1]
    foot = shin @ rotation(-ankle, 0.0, 0.0)
    feet = ankles[..., None, :] + FEET @ np.swapaxes(foot, -1, -2)
    return np.concatenate([hips, knees, ankles], axis=-2), feet.reshape(*feet.shape[:-3], 6, 3)


def _torso_rings(build: Build, waist: Array, chest: Array, pelvis: Array) -> Array:
    half = np.stack([RINGS, RINGS * [-1.0, 1.0, 1.0]], axis=-3).reshape(4, 8, 3)
    flesh = build.girth[..., None]
    widths = np.stack([build.shoulders, build.shoulders, 0.5 + 0.5 * build.hips, build.hips], axis=-1)
    depths = np.broadcast_to(0.4 + 0.6 * flesh, widths.shape)
    rings = (
        half * np.stack([widths * (0.6 + 0.4 * flesh), np.ones_like(widths), depths], axis=-1)[..., None, :]
    )
    upper = waist[..., None, None, :] + rings[..., :3, :, :] @ np.swapaxes(chest, -1, -2)[..., None, :, :]
    lower = rings[..., 3:, :, :] @ np.swapaxes(pelvis, -1, -2)[..., None, :, :]
    return np.concatenate([upper, lower], axis=-3)
