"""What a search may choose of the head, for the face and for the hands each: the dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from posenas import Choice, Genotype

from head_zoom.families import RegionFamily
from head_zoom.parts import ZOOMED

STAGE, EXPANSION, SIZE = "stage", "expansion", "size"


def choices(
    family: RegionFamily, *, stages: Sequence[int], expansions: Sequence[float], sizes: Sequence[int]
) -> dict[str, Choice]:
    """Return all that can be chosen by name, also what has one value.

    Stages and expansions are not ordered: none of them costs more than another.

    Args:
        family: has further dimensions of its own.
        stages: numbers of levels that features are cropped from.
        expansions: times the sides of the found boxes.
        sizes: sides of the cropped features.
    """
    own = {
        STAGE: Choice(tuple(stages), ordered=False),
        EXPANSION: Choice(tuple(expansions), ordered=False),
        SIZE: Choice(tuple(sizes)),
        **family.dimensions(),
    }
    return {f"{part}.{name}": choice for part in ZOOMED for name, choice in own.items()}


def largest(choices: Mapping[str, Choice]) -> dict[str, Any]:
    """Return the dearest value of each choice, the first stage and the middle expansion.

    The first stage is ZoomNet's. A moderate expansion suits the teacher of all networks.
    """
    return _picked(choices, stage=0, other=-1)


def smallest(choices: Mapping[str, Choice]) -> dict[str, Any]:
    """Return the cheapest value of each choice, the last stage and the middle expansion."""
    return _picked(choices, stage=-1, other=0)


def _picked(choices: Mapping[str, Choice], *, stage: int, other: int) -> dict[str, Any]:
    """Return the value of each choice at a place: at `stage`, in the middle of expansions, or at `other`."""
    picked = {}
    for name, choice in choices.items():
        middle = len(choice.values) // 2
        place = {STAGE: stage, EXPANSION: middle}.get(name.rpartition(".")[2], other)
        picked[name] = choice.values[place]
    return picked


def of_part(genotype: Genotype, part: str) -> dict[str, Any]:
    """Return the values of `face` or of `hand`, by names without the part's."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): value for name, value in genotype.items() if name.startswith(prefix)}


def possible(family: RegionFamily, genotype: Genotype) -> dict[str, Sequence[Any]]:
    """Return the values that other values leave possible, of face and hand."""
    return {
        f"{part}.{name}": values
        for part in ZOOMED
        for name, values in family.possible(of_part(genotype, part)).items()
    }
