"""The output grids of a network and the size of their anchors; and what a search may choose of both.

The thesis names that search as future work (McNally, 2022, section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

from posenas import Choice, Dimension, Genotype

from head_kapao.anchors import ANCHORS

Searched: TypeAlias = Literal["grids", "anchors"]

STRIDES = tuple(ANCHORS)
SCALES = (0.5, 0.71, 1.0, 1.41, 2.0)
"""The searched sizes of the anchors, relative to the published ones."""


@dataclass(frozen=True)
class Grids:
    """The grids of a network, as published unless told otherwise.

    Attributes:
        strides: of the grids, from fine to coarse.
        scale: the size of the anchors, relative to the published ones.
    """

    strides: tuple[int, ...] = STRIDES
    scale: float = 1.0


def dimensions(searched: Sequence[Searched]) -> dict[str, Dimension]:
    """Return what can be chosen, by name.

    Sets of grids run from cheap to dear: a grid has four times the cells of the next coarser one.
    """
    sets = [chosen for number in range(len(STRIDES)) for chosen in combinations(STRIDES, number + 1)]
    ordered = sorted(sets, key=lambda strides: sum(1 / stride**2 for stride in strides))
    every: dict[str, Dimension] = {
        "grids": Choice(tuple(_name(strides) for strides in ordered)),
        "anchors": Choice(SCALES),
    }
    return {name: choice for name, choice in every.items() if name in searched}


def published(searched: Sequence[Searched]) -> Genotype:
    """Return the genotype of all four grids with the published anchors."""
    every = {"grids": _name(STRIDES), "anchors": 1.0}
    return {name: value for name, value in every.items() if name in searched}


def grids_of(genotype: Genotype) -> Grids:
    """Return the grids that a genotype chooses; what it does not choose is as published."""
    strides = tuple(int(stride) for stride in genotype.get("grids", _name(STRIDES)).split("+"))
    return Grids(strides, genotype.get("anchors", 1.0))


def _name(strides: Sequence[int]) -> str:
    return "+".join(map(str, strides))
