"""Scenes: people and objects before a camera, as a function of (seed, split, index), in videos also of time.

Everything is computed for S scenes at once, so that the annotations of a whole split cost a second; a picture
is drawn from the same function for one scene. M is the most people in a scene, sorted from the nearest to the
farthest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.body import Body, posed_body, rotation
from posenas.standard.synthetic.camera import cameras, panned, passing
from posenas.standard.synthetic.cast import Cast, cast_of, extent_of, pixels
from posenas.standard.synthetic.motion import manners, move
from posenas.standard.synthetic.pose import CHOICES, NORMALS, Array, JointAngles, joint_angles
from posenas.standard.synthetic.world import KEY_POSE, World, generator


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
        objects: (S, O, 8, 2) convex outlines in front of everybody, clockwise in the picture; in videos the
            last one passes.
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


def scenes(world: World, indices: Sequence[int]) -> Scenes:
    """Return the scenes of several indices, as single pictures show them.

    Args:
        world: what the scenes depend on besides their indices.
        indices: S indices of scenes in their split.
    """
    cast = cast_of(world, indices, _still_pose(world, indices), 0.0)
    return _photographed(cast, cast.started, np.zeros((len(indices), 2)))


def moving_scenes(world: World, indices: Sequence[int], seconds: Array) -> Scenes:
    """Return the scenes of several indices as shots of videos, where everything moves smoothly with time.

    Args:
        world: what the scenes depend on besides their indices.
        indices: S indices of scenes in their split.
        seconds: (S,) seconds since each shot began.
    """
    time = seconds[:, None]
    manner, camera = manners(world, indices), cameras(world, indices)
    start, now = move(manner, np.zeros_like(time)), move(manner, time)
    cast = cast_of(world, indices, start.angles, start.heading)
    body = posed_body(now.angles, cast.build, cast.root @ rotation(0.0, now.heading - start.heading, 0.0))
    moved = _walked(cast, body, now.way, world)
    follows = (camera.follows < 0.4) * (moved.origin - cast.origin)[:, 0, 0]
    pan = panned(camera, time, world) - 0.8 * follows[:, None] * [1.0, 0.0]
    passers = passing(camera, time, world, size=cast.stature[:, :1], height=cast.origin[:, :1, 1])
    return _photographed(_panned(moved, pan, passers), body, pan)


def _still_pose(world: World, indices: Sequence[int]) -> JointAngles:
    rngs = [generator(world, index, KEY_POSE, 0) for index in indices]
    normals = np.stack([rng.standard_normal((world.max_people, NORMALS + 3)) for rng in rngs])
    choices = np.stack([rng.random((world.max_people, CHOICES)) for rng in rngs])
    return joint_angles(choices, normals[..., :NORMALS])


def _walked(cast: Cast, body: Body, way: Array, world: World) -> Cast:
    """Return the people where they have gone, with the lowest point of their bodies still on the ground.

    Who comes nearer grows, and moves away from the middle of the picture. Who lies stays there.
    """
    up, forward = cast.root[..., 1], cast.root[..., 2] * (cast.root[..., 1, 1] > 0.7)[..., None]
    lift = _lowest(cast.started, up) - _lowest(body, up)
    gone = way[..., None] * forward + lift[..., None] * up
    most = 0.5 * cast.distance
    nearer = np.where(gone[..., 2] > 0.0, most * np.tanh(gone[..., 2] / most), gone[..., 2])
    growth = cast.distance / (cast.distance - nearer)
    middle = 0.5 * np.array([world.width, world.height])
    place = cast.origin - middle + cast.stature[..., None] * gone[..., :2] * [1.0, -1.0]
    return replace(
        cast,
        origin=middle + growth[..., None] * place,
        stature=growth * cast.stature,
        distance=cast.distance - nearer,
    )


def _lowest(body: Body, up: Array) -> Array:
    return np.asarray((body.keypoints[..., :23, :] @ up[..., None])[..., 0].min(axis=-1))


def _panned(cast: Cast, pan: Array, passers: tuple[Array, NDArray[np.bool_]]) -> Cast:
    """Return people and objects as the camera shows them, with the objects that pass before it."""
    return replace(
        cast,
        origin=cast.origin + pan[:, None],
        objects=np.concatenate([cast.objects + pan[:, None, None], passers[0]], axis=1),
        objects_wanted=np.concatenate([cast.objects_wanted, passers[1]], axis=1),
    )


def _photographed(cast: Cast, body: Body, pan: Array) -> Scenes:
    """Return the scenes in pixels."""
    flipped = np.array([1.0, -1.0, 1.0])
    return Scenes(
        keypoints=pixels(cast, body.keypoints),
        neck=pixels(cast, body.neck),
        rings=pixels(cast, body.rings),
        head_centre=pixels(cast, body.head_centre),
        head_axes=body.head_axes * flipped[:, None] * cast.stature[..., None, None],
        chest_front=body.chest_front * flipped,
        stature=cast.stature,
        girth=cast.build.girth,
        extent=np.tile(cast.origin, 2) + cast.stature[..., None] * extent_of(body, cast.build, cast.distance),
        wanted=cast.wanted,
        objects=cast.objects,
        objects_wanted=cast.objects_wanted,
        pan=pan,
    )
