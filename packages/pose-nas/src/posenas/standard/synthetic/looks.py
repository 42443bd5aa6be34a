"""Looks: what people wear, and the colours of skin, hair and cloth (RGB, 0 to 255)."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from posenas.standard.synthetic.pose import Array

_SKINS = (
    (247, 214, 190),
    (232, 190, 160),
    (214, 165, 130),
    (188, 134, 98),
    (150, 100, 70),
    (110, 72, 50),
    (80, 54, 40),
)
_HAIRS = (
    (30, 24, 20),
    (60, 42, 28),
    (95, 65, 40),
    (150, 110, 60),
    (205, 170, 110),
    (140, 60, 30),
    (150, 150, 150),
)


@dataclass(frozen=True)
class Looks:
    """The colours and clothes of a person.

    Attributes:
        skin, hair, top, bottom, shoes, pattern: (3,) RGB.
        sleeve: share of the arm that is covered, 0 to 2 (1: to the elbow).
        trouser: share of the leg that is covered, 0.4 to 2 (1: to the knee).
        skirt: whether there is a skirt as long as `trouser` in place of trousers.
        long_hair: whether hair reaches down to the shoulders.
        stripes: how many stripes of the pattern's colour go round the chest.
        open_front: whether a line of the pattern's colour goes down the breast.
    """

    skin: Array
    hair: Array
    top: Array
    bottom: Array
    shoes: Array
    pattern: Array
    sleeve: float
    trouser: float
    skirt: bool
    long_hair: bool
    stripes: int
    open_front: bool


def looks(rng: np.random.Generator, background: Array) -> Looks:
    """Return the looks of somebody, mostly in contrast to a (3,) background colour."""
    skin = np.array(_SKINS[rng.integers(len(_SKINS))], dtype=np.float64) + rng.uniform(-10, 10)
    top = cloth_colour(rng, [background, skin])
    bottom = cloth_colour(rng, [background, top])
    hair = np.array(_HAIRS[rng.integers(len(_HAIRS))], dtype=np.float64)
    if rng.random() < 0.15:
        hair = cloth_colour(rng, [background, skin])
    skirt = bool(rng.random() < 0.15)
    return Looks(
        skin=skin,
        hair=hair,
        top=top,
        bottom=bottom if rng.random() < 0.9 else top,
        shoes=cloth_colour(rng, [background]),
        pattern=cloth_colour(rng, [top]),
        sleeve=float(rng.choice([0.0, 0.55, 0.8, 1.5, 1.95], p=[0.15, 0.2, 0.25, 0.1, 0.3])),
        trouser=float(
            rng.uniform(0.6, 1.1) if skirt else rng.choice([0.45, 0.85, 1.4, 1.9], p=[0.1, 0.25, 0.1, 0.55])
        ),
        skirt=skirt,
        long_hair=bool(rng.random() < 0.35),
        stripes=int(rng.integers(2, 6)) if rng.random() < 0.3 else 0,
        open_front=bool(rng.random() < 0.4),
    )


def cloth_colour(rng: np.random.Generator, others: list[Array]) -> Array:
    """Return the colour, of four drawn ones, that differs most from the others given."""
    colours = np.array([_cloth(*draws) for draws in rng.random((4, 3)).tolist()])
    if not others:
        return np.asarray(colours[0])
    differences = np.abs(colours[:, None] - np.array(others)).sum(axis=-1).min(axis=-1)
    return np.asarray(colours[int(differences.argmax())])


def _cloth(hue: float, dull: float, bright: float) -> tuple[float, float, float]:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85 * dull**1.4, 0.15 + 0.8 * bright)
    return 255.0 * red, 255.0 * green, 255.0 * blue
