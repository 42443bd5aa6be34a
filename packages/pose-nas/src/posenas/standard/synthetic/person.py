"""Persons as shapes: limbs, torso, head, face, hands and feet, in clothes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posenas.standard.synthetic.figure import Figure
from posenas.standard.synthetic.head import face_shapes, head_shapes
from posenas.standard.synthetic.looks import Looks
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.shapes import Shape, capsules, hull, shaded


@dataclass(frozen=True)
class _Limb:
    """A limb between two keypoints.

    Attributes:
        start: index of a keypoint.
        end: index of a keypoint.
        radii: statures, at the start and at the end.
        arm: whether it is a part of an arm, not of a leg.
        begins: how far down the arm or leg it begins, in limbs, as clothes count it.
    """

    start: int
    end: int
    radii: tuple[float, float]
    arm: bool
    begins: float


_LIMBS = (
    _Limb(5, 7, (0.030, 0.023), True, 0.0),
    _Limb(6, 8, (0.030, 0.023), True, 0.0),
    _Limb(7, 9, (0.023, 0.015), True, 1.0),
    _Limb(8, 10, (0.023, 0.015), True, 1.0),
    _Limb(11, 13, (0.047, 0.033), False, 0.0),
    _Limb(12, 14, (0.047, 0.033), False, 0.0),
    _Limb(13, 15, (0.033, 0.019), False, 1.0),
    _Limb(14, 16, (0.033, 0.019), False, 1.0),
)


def person_shapes(figure: Figure, looks: Looks, light: Array) -> list[Shape]:
    """Return everything to draw of a person.

    Args:
        figure: the person.
        looks: the person's colours and clothes.
        light: (2,) direction of the light in the picture.
    """
    return [
        *_torso(figure, looks, light),
        *_limbs(figure, looks, light),
        *_feet(figure, looks, light),
        *_hands(figure, looks),
        *head_shapes(figure, looks, light),
        *face_shapes(figure, looks),
    ]


def _torso(figure: Figure, looks: Looks, light: Array) -> list[Shape]:
    shoulders, chest, waist, hips = figure.rings
    hem = 0.45 * waist + 0.55 * hips
    back = float(waist[:, 2].mean())
    breast = 0.5 * (float(chest[:, 2].mean()) + back)
    lower = hull(np.concatenate([waist, hips])[:, :2])
    upper = hull(np.concatenate([shoulders, chest, waist, hem])[:, :2])
    shapes = shaded(float(hips[:, 2].mean()) + 0.02 * figure.stature, lower, looks.bottom, light)
    shapes += shaded(breast, upper, looks.top, light)
    shapes += [
        Shape(breast, line, looks.pattern, max(1, round(0.018 * figure.stature)))
        for line in _stripes(figure, looks)
    ]
    if looks.open_front and figure.chest_front[2] > 0.15:
        front = 0.5 * (figure.rings[:3, 3, :2] + figure.rings[:3, 7, :2])
        shapes.append(Shape(breast, front, looks.pattern, max(1, round(0.02 * figure.stature))))
    if looks.skirt:
        shapes += _skirt(figure, looks, light)
    return shapes


def _stripes(figure: Figure, looks: Looks) -> list[Array]:
    """Return lines across the chest, between its outermost points in the picture."""
    upper, lower = figure.rings[1, :, :2], figure.rings[2, :, :2]
    axis = lower.mean(axis=0) - upper.mean(axis=0)
    across = np.array([-axis[1], axis[0]])
    first, last = np.argmin(upper @ across), np.argmax(upper @ across)
    shares = (np.arange(looks.stripes) + 0.5) / max(looks.stripes, 1)
    ends = [upper[[first, last]] + share * (lower[[first, last]] - upper[[first, last]]) for share in shares]
    return [line.mean(axis=0) + 0.9 * (line - line.mean(axis=0)) for line in ends]


def _skirt(figure: Figure, looks: Looks, light: Array) -> list[Shape]:
    hips, knees = figure.keypoints[[11, 12]], figure.keypoints[[13, 14]]
    hem = hips + looks.trouser * (knees - hips)
    wide = 0.065 * figure.stature * figure.girth
    corners = np.concatenate([hem[:, :2] + offset for offset in ((wide, 0), (-wide, 0), (0, 0.3 * wide))])
    outline = hull(np.concatenate([figure.rings[2:, :, :2].reshape(-1, 2), corners]))
    nearest = float(max(hips[:, 2].mean(), (0.5 * (hips + knees))[:, 2].max()))
    return shaded(nearest + 0.06 * figure.stature, outline, looks.bottom, light)


def _limbs(figure: Figure, looks: Looks, light: Array) -> list[Shape]:
    """Return skin, and cloth over as much of it as the person wears."""
    starts = figure.keypoints[[limb.start for limb in _LIMBS]]
    ends = figure.keypoints[[limb.end for limb in _LIMBS]]
    radii = np.array([limb.radii for limb in _LIMBS]) * figure.stature * figure.girth
    covered = np.clip([_cloth_length(limb, looks) - limb.begins for limb in _LIMBS], 0.0, 1.0)
    hems = starts + covered[:, None] * (ends - starts)
    hem_radii = radii[:, 0] + covered * (radii[:, 1] - radii[:, 0])
    skin = _two_toned(starts[:, :2], ends[:, :2], radii, light)
    cloth = _two_toned(starts[:, :2], hems[:, :2], 1.18 * np.stack([radii[:, 0], hem_radii], axis=1), light)
    shapes = []
    for index, limb in enumerate(_LIMBS):
        depth = 0.5 * float(starts[index, 2] + ends[index, 2]) + 0.02 * figure.stature * limb.arm
        layers = [(skin[:, index], looks.skin)]
        if covered[index] > 0.0:
            layers.append((cloth[:, index], looks.top if limb.arm else looks.bottom))
        for (outer, inner), colour in layers:
            shapes += [Shape(depth, outer, 0.63 * colour), Shape(depth, inner, colour)]
    return shapes


def _cloth_length(limb: _Limb, looks: Looks) -> float:
    if limb.arm:
        return looks.sleeve
    return 0.0 if looks.skirt else looks.trouser


def _two_toned(starts: Array, ends: Array, radii: Array, light: Array) -> Array:
    """(2, n, p, 2) outlines of n limbs, and of their lit parts."""
    offset = 0.30 * radii.mean(axis=1)[:, None] * light
    outlines = capsules(
        np.concatenate([starts, starts + offset]),
        np.concatenate([ends, ends + offset]),
        np.concatenate([radii, 0.6 * radii]),
    )
    return outlines.reshape(2, len(starts), -1, 2)


def _feet(figure: Figure, looks: Looks, light: Array) -> list[Shape]:
    """Return shoes: the hulls of discs at ankle, toes and heel."""
    disc = 0.016 * figure.stature * np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)])
    sizes = np.array([1.1, 0.7, 0.7, 0.9])
    shapes = []
    for corners in ([15, 17, 18, 19], [16, 20, 21, 22]):
        points = figure.keypoints[corners]
        outline = hull((points[:, None, :2] + sizes[:, None, None] * disc).reshape(-1, 2))
        shapes += shaded(float(points[[0, 1, 3], 2].mean()), outline, looks.shoes, light)
    return shapes


def _hands(figure: Figure, looks: Looks) -> list[Shape]:
    """Return palms, and fingers whose shades differ so that they can be told apart."""
    width = max(1, round(0.012 * figure.stature))
    palm = [0, 1, 5, 9, 13, 17, 0]
    shapes = []
    for hand in (figure.keypoints[91:112], figure.keypoints[112:133]):
        depth = float(hand[:, 2].mean()) + 0.02 * figure.stature
        shapes.append(Shape(depth, hull(hand[palm, :2]), 0.9 * looks.skin))
        shapes.append(Shape(depth, hand[palm, :2], 0.9 * looks.skin, width))
        for first, shade in ((1, 0.95), (5, 1.04), (9, 0.82), (13, 1.04), (17, 0.82)):
            shapes.append(Shape(depth, hand[first : first + 4, :2], shade * looks.skin, width))
    return shapes
