"""Heads as shapes: neck, hair, ears and face."""

from __future__ import annotations

import numpy as np

from posenas.standard.synthetic.anatomy import HEAD
from posenas.standard.synthetic.figure import Figure
from posenas.standard.synthetic.looks import Looks
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.shapes import Shape, capsules, hull, shaded


def head_shapes(figure: Figure, looks: Looks, light: Array) -> list[Shape]:
    """Return neck, skull with hair, the part of the face that is turned to the camera, and ears.

    Args:
        figure: the person.
        looks: the person's colours and hair.
        light: (2,) direction of the light in the picture.
    """
    centre, axes = figure.head_centre, figure.head_axes
    depth = float(centre[2])
    shapes = [*_neck(figure, looks, light), *_hair(figure, looks, light)]
    patch = _face_patch()
    facing = patch / np.square(HEAD) @ (axes[2] * np.array(HEAD))
    visible = (centre + patch @ axes.T)[facing > 0.0, :2]
    if len(visible) > 2:
        shapes += shaded(depth + 0.001, hull(visible), looks.skin, light)
    for ear, side in ((3, 1.0), (4, -1.0)):
        turned_away = side * axes[2, 0] < -0.3 * np.linalg.norm(axes[:, 0])
        if not looks.long_hair and not turned_away:
            shapes.append(
                Shape(depth + 0.002, _ellipse(figure.keypoints[ear], 0.22 * axes), 0.85 * looks.skin)
            )
    return shapes


def _neck(figure: Figure, looks: Looks, light: Array) -> list[Shape]:
    radius = 0.03 * figure.stature * figure.girth
    throat = figure.head_centre - 0.35 * figure.head_axes[:, 1]
    outline = capsules(figure.neck[None, :2], throat[None, :2], np.array([[1.1 * radius, radius]]))[0]
    return shaded(float(figure.neck[2]) - 0.01 * figure.stature, outline, 0.92 * looks.skin, light)


def _hair(figure: Figure, looks: Looks, light: Array) -> list[Shape]:
    centre, axes = figure.head_centre, figure.head_axes
    shapes = shaded(float(centre[2]), _ellipse(centre + 0.06 * axes[:, 1], 1.06 * axes), looks.hair, light)
    if looks.long_hair:
        crown, tips = centre - 0.45 * axes[:, 2], centre - 0.75 * axes[:, 2] - 1.5 * axes[:, 1]
        size = float(np.linalg.norm(axes[:, 0]))
        fall = capsules(crown[None, :2], tips[None, :2], np.array([[1.0 * size, 0.75 * size]]))[0]
        shapes += shaded(float(centre[2] - 0.9 * axes[2, 2]), fall, looks.hair, light)
    return shapes


def _ellipse(centre: Array, axes: Array) -> Array:
    """Return the outline in the picture of an ellipsoid with (3, 3) axes as columns: (16, 2)."""
    spread = axes[:2] @ axes[:2].T
    turn = 2.0 * np.pi * np.arange(16) / 16
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.asarray(centre[:2] + circle @ np.linalg.cholesky(spread).T)


def _face_patch() -> Array:
    """Return points of the skull without hair, in its radii: (n, 3)."""
    around, up = np.meshgrid(np.linspace(-1.35, 1.35, 13), np.linspace(-1.25, 0.55, 9))
    flat = np.stack([np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up)], axis=-1)
    return flat.reshape(-1, 3)


def face_shapes(figure: Figure, looks: Looks) -> list[Shape]:
    """Return brows, eyes, nose and mouth, each where its side of the face is turned to the camera."""
    face = figure.keypoints[23:91, :2]
    axes = figure.head_axes / np.linalg.norm(figure.head_axes, axis=0)
    depth = float(figure.head_centre[2]) + 0.003
    line = max(1, round(0.006 * figure.stature))
    shapes = []
    for side, brow, eye in ((-1.0, slice(17, 22), slice(36, 42)), (1.0, slice(22, 27), slice(42, 48))):
        if axes[2, 2] + 0.5 * side * axes[2, 0] > 0.15:
            centre = face[eye].mean(axis=0)
            shapes.append(Shape(depth, hull(centre + 1.25 * (face[eye] - centre)), np.full(3, 235.0)))
            shapes.append(
                Shape(depth, hull(centre + 0.5 * (face[eye] - centre) * [0.9, 1.5]), np.full(3, 35.0))
            )
            shapes.append(Shape(depth, face[brow], 0.6 * looks.hair, line))
    if axes[2, 2] > -0.1:
        shapes.append(Shape(depth, hull(face[27:36]), 0.86 * looks.skin))
        shapes.append(Shape(depth, face[31:36], 0.62 * looks.skin, line))
    if axes[2, 2] > 0.1:
        shapes.append(Shape(depth, hull(face[48:60]), 0.75 * looks.skin * [1.1, 0.6, 0.6]))
        shapes.append(Shape(depth, face[60:65], 0.4 * looks.skin, 1))
    return shapes
