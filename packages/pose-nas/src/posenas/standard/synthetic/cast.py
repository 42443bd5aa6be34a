"""The cast of scenes: who stands where, how large, and facing which way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.anatomy import PADDING
from posenas.standard.synthetic.body import Body, Build, posed_body, rotation
from posenas.standard.synthetic.placement import OBJECTS, objects_before, origins, target_sizes
from posenas.standard.synthetic.pose import Array, JointAngles
from posenas.standard.synthetic.world import STILL, Traits, World, generator, inside_picture


@dataclass(frozen=True)
class Cast:
    """The people and objects of S scenes: what they keep while they move, and how they begin.

    Attributes:
        build: (S, M) the people's builds.
        root: (S, M, 3, 3) the people's orientations.
        distance: (S, M) statures from the camera to the hips.
        started: the bodies as they begin.
        stature: (S, M) pixels of a person's height.
        origin: (S, M, 2) pixels where the hips are.
        wanted: (S, M) bool; whether there is such a person at all.
        objects: (S, O, 8, 2) outlines in front of everybody.
        objects_wanted: (S, O) bool; whether there is such an object.
    """

    build: Build
    root: Array
    distance: Array
    started: Body
    stature: Array
    origin: Array
    wanted: NDArray[np.bool_]
    objects: Array
    objects_wanted: NDArray[np.bool_]


def cast_of(world: World, indices: Sequence[int], start: JointAngles, heading: Array | float) -> Cast:
    """Return the people of several scenes, placed so that their first pose is in the picture.

    Args:
        world: what the scenes depend on besides their indices.
        indices: S indices of scenes in their split.
        start: (S, M) the pose in which people begin.
        heading: (S, M) radians by which people turn about their upright axis before they begin.
    """
    rngs = [generator(world, index, STILL) for index in indices]
    traits = Traits(*np.moveaxis(np.stack([rng.random((world.max_people, 18)) for rng in rngs]), -1, 0))
    setting = np.stack([rng.random(8 + 8 * OBJECTS) for rng in rngs])
    build, distance = _build(traits), 3.0 + 6.0 * traits.distance
    root = _root(traits, setting) @ rotation(0.0, heading, 0.0)
    started = posed_body(start, build, root)
    box = extent_of(started, build, distance)
    larger_side = np.maximum(box[..., 3] - box[..., 1], 0.8 * (box[..., 2] - box[..., 0]))
    stature = target_sizes(traits, world) / larger_side
    box = box * stature[..., None]
    count = 1 + np.floor(setting[..., :1] ** 1.6 * world.max_people)
    origin = origins(traits, count, world, box)
    objects, objects_wanted = objects_before(setting[..., 8:].reshape(len(rngs), OBJECTS, 8), box, origin)
    wanted = np.arange(world.max_people) < count
    cast = Cast(build, root, distance, started, stature, origin, wanted, objects, objects_wanted)
    in_picture = inside_picture(pixels(cast, started.keypoints[:, :, :17]), world).sum(axis=-1) >= 6
    return replace(cast, wanted=_uncovered(wanted & in_picture, box + np.tile(origin, 2)))


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


def extent_of(body: Body, build: Build, distance: Array) -> Array:
    """Return left, top, right and bottom of bodies as seen, in statures about their hips: (..., 4).

    Args:
        body: the bodies.
        build: the people's builds.
        distance: (...,) statures from the camera to the hips.
    """
    points = _seen(body.keypoints, distance)[..., :2]
    padding = (PADDING * build.girth[..., None])[..., None]
    head = _seen(body.head_centre, distance)[..., :2]
    radii = 1.12 * np.linalg.norm(body.head_axes, axis=-1)[..., :2]
    rings = _seen(body.rings.reshape(*body.rings.shape[:-3], 32, 3), distance)[..., :2]
    low = np.minimum(np.minimum((points - padding).min(axis=-2), head - radii), rings.min(axis=-2))
    high = np.maximum(np.maximum((points + padding).max(axis=-2), head + radii), rings.max(axis=-2))
    return np.concatenate([low, high], axis=-1)


def pixels(cast: Cast, points: Array) -> Array:
    """Return (S, M, ..., 3) points about the hips in statures as points in the picture."""
    extra = (1,) * (points.ndim - 3)
    place = np.concatenate([cast.origin, np.zeros_like(cast.origin[..., :1])], axis=-1)
    scale = cast.stature.reshape(*cast.stature.shape, *extra, 1)
    return np.asarray(place.reshape(*cast.origin.shape[:2], *extra, 3) + scale * _seen(points, cast.distance))


def _seen(points: Array, distance: Array) -> Array:
    """Return (..., 3) points in perspective: in statures, y now downwards, enlarged by nearness."""
    shape = (*distance.shape, *([1] * (points.ndim - distance.ndim - 1)))
    far = distance.reshape(shape)
    enlarged = far / (far - points[..., 2])
    return np.stack([enlarged * points[..., 0], -enlarged * points[..., 1], points[..., 2]], axis=-1)


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
