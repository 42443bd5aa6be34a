"""Scenes: people and objects before a camera, as a function of (seed, split, index, time).

Everything is computed for S scenes at once, so that the annotations of a whole split cost a second; a picture
is drawn from the same function for one scene. M is the most people in a scene, sorted from the nearest to the
farthest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.anatomy import PADDING
from posenas.standard.synthetic.body import Body, Build, posed_body, rotation
from posenas.standard.synthetic.placement import OBJECTS, objects_before, origins, target_sizes
from posenas.standard.synthetic.pose import CHOICES, NORMALS, Array, JointAngles, blended, joint_angles
from posenas.standard.synthetic.world import KEY_POSE, STILL, Traits, World, generator, inside_picture

KEY_POSE_SECONDS = 0.8
"""The seconds in which people go from one key pose to the next."""


@dataclass(frozen=True)
class Scenes:
    """A batch of S scenes of up to M people, in pixels; the third coordinate points towards the camera.

    Attributes:
        keypoints: (S, M, 133, 3).
        neck: (S, M, 3).
        rings: (S, M, 4, 8, 3) round the torso: shoulders, chest, waist, hips.
        head_centre: (S, M, 3).
        head_axes: (S, M, 3, 3) columns are the head's left, up and forward radii.
        chest_front: (S, M, 3) unit vector out of the breast.
        stature: (S, M) pixels of a person's height.
        girth: (S, M) factor of the average limb's thickness.
        extent: (S, M, 4) left, top, right, bottom of everything drawn of the person, unclipped.
        wanted: (S, M) bool; whether there is such a person at all, at any time.
        objects: (S, O, 8, 2) convex outlines in front of everybody, clockwise in the picture.
        objects_wanted: (S, O) bool; whether there is such an object.
        pan: (S, 2) by how much the camera has moved the picture.
    """

    keypoints: Array
    neck: Array
    rings: Array
    head_centre: Array
    head_axes: Array
    chest_front: Array
    stature: Array
    girth: Array
    extent: Array
    wanted: NDArray[np.bool_]
    objects: Array
    objects_wanted: NDArray[np.bool_]
    pan: Array


def scenes(world: World, indices: Sequence[int], time: float = 0.0) -> Scenes:
    """Return the scenes of several indices; whatever is in them moves smoothly with time.

    Args:
        world: what the scenes depend on besides their indices.
        indices: S indices of scenes in their split.
        time: seconds.
    """
    start = _key_motion(world, indices, 0)
    cast = _cast(world, indices, start)
    motion = start if time == 0.0 else _motion(world, indices, time)
    drift = motion.drift - start.drift
    turned = cast.root @ rotation(0.0, 0.5 * drift[..., 2], 0.0)
    body = cast.started if time == 0.0 else posed_body(motion.angles, cast.build, turned)
    pan = 0.03 * world.width * (motion.pan - start.pan)
    moved = cast.origin + 0.12 * cast.stature[..., None] * drift[..., :2] + pan[:, None, :]
    return _photographed(replace(cast, origin=moved, objects=cast.objects + pan[:, None, None, :]), body, pan)


@dataclass(frozen=True)
class _Cast:
    """The people and objects of scenes: what they keep while they move, and how they begin."""

    build: Build
    root: Array
    distance: Array
    started: Body
    stature: Array
    origin: Array
    wanted: NDArray[np.bool_]
    objects: Array
    objects_wanted: NDArray[np.bool_]


def _cast(world: World, indices: Sequence[int], start: _Motion) -> _Cast:
    rngs = [generator(world, index, STILL) for index in indices]
    traits = Traits(*np.moveaxis(np.stack([rng.random((world.max_people, 18)) for rng in rngs]), -1, 0))
    setting = np.stack([rng.random(8 + 8 * OBJECTS) for rng in rngs])
    build, root, distance = _build(traits), _root(traits, setting), 3.0 + 6.0 * traits.distance
    started = posed_body(start.angles, build, root)
    box = _extent(started, build, distance)
    larger_side = np.maximum(box[..., 3] - box[..., 1], 0.8 * (box[..., 2] - box[..., 0]))
    stature = target_sizes(traits, world) / larger_side
    box = box * stature[..., None]
    count = 1 + np.floor(setting[..., :1] ** 1.6 * world.max_people)
    origin = origins(traits, count, world, box)
    objects, objects_wanted = objects_before(setting[..., 8:].reshape(len(rngs), OBJECTS, 8), box, origin)
    wanted = np.arange(world.max_people) < count
    cast = _Cast(build, root, distance, started, stature, origin, wanted, objects, objects_wanted)
    in_picture = inside_picture(_pixels(cast, started.keypoints[:, :, :17]), world).sum(axis=-1) >= 6
    return replace(cast, wanted=_uncovered(wanted & in_picture, box + np.tile(origin, 2)))


@dataclass(frozen=True)
class _Motion:
    angles: JointAngles
    drift: Array
    pan: Array


def _key_motion(world: World, indices: Sequence[int], key: int) -> _Motion:
    rngs = [generator(world, index, KEY_POSE, key) for index in indices]
    normals = np.stack([rng.standard_normal((world.max_people, NORMALS + 3)) for rng in rngs])
    choices = np.stack([rng.random((world.max_people, CHOICES)) for rng in rngs])
    pan = np.stack([rng.standard_normal(2) for rng in rngs])
    return _Motion(joint_angles(choices, normals[..., :NORMALS]), normals[..., NORMALS:], pan)


def _motion(world: World, indices: Sequence[int], time: float) -> _Motion:
    key = int(time // KEY_POSE_SECONDS)
    share = time / KEY_POSE_SECONDS - key
    share = share * share * (3.0 - 2.0 * share)
    first, second = _key_motion(world, indices, key), _key_motion(world, indices, key + 1)
    return _Motion(
        blended(first.angles, second.angles, share),
        first.drift + share * (second.drift - first.drift),
        first.pan + share * (second.pan - first.pan),
    )


def _build(traits: Traits) -> Build:
    child = np.where(traits.childhood < 0.15, 1.3, 1.0)
    return Build(
        arms=0.92 + 0.16 * traits.arms,
        legs=0.92 + 0.16 * traits.legs,
        shoulders=0.90 + 0.20 * traits.shoulders,
        hips=0.88 + 0.24 * traits.hips,
        head=(0.92 + 0.16 * traits.head) * child,
        girth=(0.85 + 0.50 * traits.girth) * np.sqrt(child),
    )


def _root(traits: Traits, setting: Array) -> Array:
    """Return the people's orientations, (S, M, 3, 3).

    All ways are faced, the camera's more often; one in 50 lies or turns a cartwheel.
    """
    facing = 2.0 * traits.facing - 1.0
    yaw = np.pi * np.sign(facing) * np.abs(facing) ** 3.5
    wild = 2.0 * traits.tilt - 1.0
    tilt = np.where(traits.wildness < 0.02, 2.0 * wild, 0.10 * wild) + 0.08 * (2.0 * setting[..., 1:2] - 1.0)
    pitch = -0.10 + 0.45 * setting[..., 2:3] ** 1.5
    return (
        rotation(0.0, 0.0, tilt)
        @ rotation(np.broadcast_to(pitch, yaw.shape), 0.0, 0.0)
        @ rotation(0.0, yaw, 0.0)
    )


def _seen(points: Array, distance: Array) -> Array:
    """Return (..., 3) points in perspective: in statures, y now downwards, enlarged by nearness."""
    shape = (*distance.shape, *([1] * (points.ndim - distance.ndim - 1)))
    far = distance.reshape(shape)
    enlarged = far / (far - points[..., 2])
    return np.stack([enlarged * points[..., 0], -enlarged * points[..., 1], points[..., 2]], axis=-1)


def _extent(body: Body, build: Build, distance: Array) -> Array:
    """Return left, top, right and bottom in statures about the hips: (..., 4)."""
    points = _seen(body.keypoints, distance)[..., :2]
    padding = (PADDING * build.girth[..., None])[..., None]
    head = _seen(body.head_centre, distance)[..., :2]
    radii = 1.12 * np.linalg.norm(body.head_axes, axis=-1)[..., :2]
    rings = _seen(body.rings.reshape(*body.rings.shape[:-3], 32, 3), distance)[..., :2]
    low = np.minimum(np.minimum((points - padding).min(axis=-2), head - radii), rings.min(axis=-2))
    high = np.maximum(np.maximum((points + padding).max(axis=-2), head + radii), rings.max(axis=-2))
    return np.concatenate([low, high], axis=-1)


def _photographed(cast: _Cast, body: Body, pan: Array) -> Scenes:
    """Return the scenes in pixels."""
    flipped = np.array([1.0, -1.0, 1.0])
    return Scenes(
        keypoints=_pixels(cast, body.keypoints),
        neck=_pixels(cast, body.neck),
        rings=_pixels(cast, body.rings),
        head_centre=_pixels(cast, body.head_centre),
        head_axes=body.head_axes * flipped[:, None] * cast.stature[..., None, None],
        chest_front=body.chest_front * flipped,
        stature=cast.stature,
        girth=cast.build.girth,
        extent=np.tile(cast.origin, 2) + cast.stature[..., None] * _extent(body, cast.build, cast.distance),
        wanted=cast.wanted,
        objects=cast.objects,
        objects_wanted=cast.objects_wanted,
        pan=pan,
    )


def _pixels(cast: _Cast, points: Array) -> Array:
    """Return (S, M, ..., 3) points about the hips in statures as points in the picture."""
    extra = (1,) * (points.ndim - 3)
    place = np.concatenate([cast.origin, np.zeros_like(cast.origin[..., :1])], axis=-1)
    scale = cast.stature.reshape(*cast.stature.shape, *extra, 1)
    return np.asarray(place.reshape(*cast.origin.shape[:2], *extra, 3) + scale * _seen(points, cast.distance))


def _uncovered(wanted: NDArray[np.bool_], extent: Array) -> NDArray[np.bool_]:
    """Return the wanted people without those who are largely behind a nearer one."""
    wanted = wanted.copy()
    area = np.prod(extent[..., 2:] - extent[..., :2], axis=-1)
    for person in range(1, wanted.shape[1]):
        for nearer in range(person):
            high = np.minimum(extent[:, person, 2:], extent[:, nearer, 2:])
            low = np.maximum(extent[:, person, :2], extent[:, nearer, :2])
            covered = np.prod(np.maximum(high - low, 0.0), axis=-1) > 0.35 * area[:, person]
            wanted[:, person] &= ~(covered & wanted[:, nearer])
    return wanted
