"""The published sizes: how deep and how wide each stage is, and what a search may make of it.

Source: McNally, thesis (2022), section 4.2.1. It prints how S and M are scaled. The numbers that are scaled,
and how they are rounded, are from the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, TypeAlias

from posenas import Choice, Genotype

from head_kapao.network import Stage

Size: TypeAlias = Literal["tiny", "s", "m", "l"]

_MULTIPLES: Mapping[Size, tuple[float, float]] = {
    "tiny": (0.33, 0.125),
    "s": (0.33, 0.5),
    "m": (0.67, 0.75),
    "l": (1.0, 1.0),
}
"""The factors of depth and width. `tiny` is this project's own."""

_STEM = 64
_STAGES = {
    "backbone.p2": (3, 128),
    "backbone.p3": (9, 256),
    "backbone.p4": (9, 512),
    "backbone.p5": (3, 768),
    "backbone.p6": (3, 1024),
    "top_down.p5": (3, 768),
    "top_down.p4": (3, 512),
    "top_down.p3": (3, 256),
    "bottom_up.p4": (3, 512),
    "bottom_up.p5": (3, 768),
    "bottom_up.p6": (3, 1024),
}
"""The depth and width of each stage of KAPAO-L."""

_KERNELS = (3, 5)
_SHARES = (0.5, 0.75, 1.0)
"""The choices of width, as shares of the published width, which is a multiple of 8."""


def published(size: Size) -> Genotype:
    """Return the published network of a size."""
    genotype = {"stem.width": _width(_STEM, size)}
    for name, (depth, width) in _STAGES.items():
        genotype |= {f"{name}.depth": _depth(depth, size), f"{name}.width": _width(width, size)}
        genotype[f"{name}.kernel"] = _KERNELS[0]
    return genotype


def dimensions(size: Size) -> dict[str, Choice]:
    """Return the 34 dimensions of a size, each from cheap to dear.

    Depths go up to the published depth, but to two at least, and widths up to the published width.
    """
    return {name: Choice(_values(name, value)) for name, value in published(size).items()}


def stages_of(genotype: Genotype) -> dict[str, Stage]:
    """Return the genotype's stages by name."""
    return {
        name: Stage(**{part: genotype[f"{name}.{part}"] for part in Stage.__annotations__})
        for name in _STAGES
    }


def _values(name: str, value: int) -> tuple[int, ...]:
    match name.rpartition(".")[2]:
        case "depth":
            return tuple(range(1, max(2, value) + 1))
        case "width":
            return tuple(int(share * value) for share in _SHARES)
        case _:
            return _KERNELS


def _depth(depth: int, size: Size) -> int:
    return max(1, round(depth * _MULTIPLES[size][0]))


def _width(width: int, size: Size) -> int:
    return math.ceil(width * _MULTIPLES[size][1] / 8) * 8
