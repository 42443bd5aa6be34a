"""Visibility: keypoints hidden by the person's own body, by nearer people, by objects, or by facing away.

A body hides what is behind its limbs, taken as cones: 8 limbs, 2 hands, the head and 3 columns of the torso.
This is the geometry that is drawn, without drawing it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.anatomy import FACE, HEAD
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.scene import Scenes
from posenas.standard.synthetic.world import World, inside_picture

_CONES = (
    # from one whole-body keypoint to another, the radii there in statures, the keypoints on it
    (5, 7, 0.028, 0.023, (5, 7)),
    (6, 8, 0.028, 0.023, (6, 8)),
    (7, 9, 0.023, 0.015, (7, 9, *range(91, 112))),
    (8, 10, 0.023, 0.015, (8, 10, *range(112, 133))),
    (11, 13, 0.045, 0.033, (11, 13)),
    (12, 14, 0.045, 0.033, (12, 14)),
    (13, 15, 0.033, 0.020, (13, 15, 17, 18, 19)),
    (14, 16, 0.033, 0.020, (14, 16, 20, 21, 22)),
    (9, 100, 0.020, 0.020, (9, *range(91, 112))),
    (10, 121, 0.020, 0.020, (10, *range(112, 133))),
    (5, 11, 0.055, 0.055, (5, 11)),
    (6, 12, 0.055, 0.055, (6, 12)),
)
_HEAD_RADIUS = 0.055
_HEAD_POINTS = (*range(5), *range(23, 91))
_MARGIN = 0.045
"""The distance, in statures, by which the middle of what hides a keypoint must be nearer than it."""


def visibility(scene: Scenes, world: World, count: int) -> NDArray[np.int64]:
    """Return the visibility of the first keypoints: 2 visible, 1 hidden, 0 outside the picture or of nobody.

    Args:
        scene: S scenes.
        world: what the scenes depend on.
        count: number of keypoints, the first ones of the 133.

    Returns:
        (S, M, count).
    """
    points = scene.keypoints[:, :, :count]
    hidden = _facing_away(scene)[..., :count] | _behind_objects(scene, points)
    for person in range(world.max_people):
        hidden[:, person] |= _behind_body(scene, person, points[:, person], own=True)
        for nearer in range(person):
            covered = _behind_body(scene, nearer, points[:, person], own=False)
            hidden[:, person] |= covered & scene.wanted[:, nearer, None]
    inside = inside_picture(points, world) & scene.wanted[..., None]
    return np.where(inside, np.where(hidden, 1, 2), 0)


def _facing_away(scene: Scenes) -> NDArray[np.bool_]:
    """Return whether keypoints of the face and the head's five body keypoints face away: (S, M, 133)."""
    normals = FACE / np.square(HEAD)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    eyes = [normals[42:48].mean(axis=0), normals[36:42].mean(axis=0)]
    directions = np.concatenate([normals[30:31], eyes, [(1.0, 0.0, 0.0), (-1.0, 0.0, 0.0)], normals])
    towards_camera = scene.head_axes[..., 2, :]
    towards_camera = towards_camera / np.linalg.norm(scene.head_axes, axis=-2)
    away = np.zeros(scene.keypoints.shape[:-1], dtype=np.bool_)
    away[..., list(_HEAD_POINTS)] = towards_camera @ directions.T < -0.15
    return away


def _behind_body(scene: Scenes, person: int, points: Array, *, own: bool) -> NDArray[np.bool_]:
    """Return whether one person's body is between the camera and (S, K, 3) points: (S, K)."""
    keypoints = scene.keypoints[:, person]
    starts = np.concatenate([keypoints[:, [cone[0] for cone in _CONES]], scene.neck[:, person, None]], axis=1)
    ends = np.concatenate(
        [keypoints[:, [cone[1] for cone in _CONES]], scene.head_centre[:, person, None]], axis=1
    )
    radii = np.array([*((cone[2], cone[3]) for cone in _CONES), (_HEAD_RADIUS, _HEAD_RADIUS)])
    stature = scene.stature[:, person, None, None]
    axis = ends - starts
    x, y = np.moveaxis(points[:, :, None, :2] - starts[:, None, :, :2], -1, 0)
    axis_x, axis_y = np.moveaxis(axis[:, None, :, :2], -1, 0)
    share = np.clip((x * axis_x + y * axis_y) / np.maximum(axis_x**2 + axis_y**2, 1e-9), 0.0, 1.0)
    apart = (x - share * axis_x) ** 2 + (y - share * axis_y) ** 2
    reach = stature * scene.girth[:, person, None, None] * (radii[:, 0] + share * (radii[:, 1] - radii[:, 0]))
    covered = apart < reach**2
    if own:
        depth = starts[:, None, :, 2] + share * axis[:, None, :, 2]
        covered &= (depth > points[:, :, None, 2] + _MARGIN * stature) & ~_own_points()[: points.shape[1]]
    return np.asarray(covered.any(axis=-1))


def _own_points() -> NDArray[np.bool_]:
    """Return which keypoints lie on a cone, and so are not hidden by it: (133, cones)."""
    own = np.zeros((133, len(_CONES) + 1), dtype=np.bool_)
    for index, cone in enumerate(_CONES):
        own[list(cone[4]), index] = True
    own[list(_HEAD_POINTS), -1] = True
    return own


def _behind_objects(scene: Scenes, points: Array) -> NDArray[np.bool_]:
    """Return whether points are behind an object: (S, M, K).

    A point is inside a convex outline if every edge has it on its right.
    """
    hidden = np.zeros(points.shape[:-1], dtype=np.bool_)
    for index in range(scene.objects.shape[1]):
        outline = scene.objects[:, index]
        edges = np.roll(outline, -1, axis=1) - outline
        offset = points[..., None, :2] - outline[:, None, None]
        cross = edges[:, None, None, :, 0] * offset[..., 1] - edges[:, None, None, :, 1] * offset[..., 0]
        hidden |= (cross >= 0.0).all(axis=-1) & scene.objects_wanted[:, index, None, None]
    return hidden
