"""The parts of a genotype: what a controller decides, what gradients move, and what stays as it is."""

from __future__ import annotations

from random import Random
from typing import Any

from posenas import Choice, Genotype, PosenasError, Real, SearchSpace, WeightSharing, middle

from nas_autopose.capabilities import Discrete
from nas_autopose.mixture import NOTHING

_DRAWS = 64


def searched_choices(space: SearchSpace) -> dict[str, tuple[Any, ...]]:
    """Return the values of the discrete dimensions that the space's own draws vary.

    A dimension that never varies in 64 draws is one that the space keeps to itself, such as a width that only
    the derived network has another value of.
    """
    choices = {
        name: dimension.values
        for name, dimension in space.dimensions().items()
        if isinstance(dimension, Choice) and len(dimension.values) > 1
    }
    rng = Random(0)
    draws = [space.sample(rng) for _ in range(_DRAWS)] if choices else []
    return {
        name: values
        for name, values in choices.items()
        if any(drawn[name] != draws[0][name] for drawn in draws)
    }


def check_choices(space: SearchSpace) -> None:
    """Raise PosenasError where there is nothing in a space that a controller could decide."""
    if not searched_choices(space):
        raise PosenasError(
            "a controller decides discrete dimensions, and the space has none that its draws vary; take "
            "another space, or a strategy that learns real dimensions alone"
        )


def real_values(space: SearchSpace, genotype: Genotype) -> dict[str, Any]:
    """Return the part of a genotype whose dimensions are real."""
    return {
        name: genotype[name] for name, dimension in space.dimensions().items() if isinstance(dimension, Real)
    }


def undecided(space: SearchSpace) -> Genotype:
    """Return a genotype whose real values are 0, which leave nothing out: every alternative weighs alike.

    In its other dimensions it is the largest one where weights are shared, else the middle.
    """
    first = space.largest() if isinstance(space, WeightSharing) else middle(space.dimensions())
    return {**first, **real_values(space, middle(space.dimensions()))}


def discrete(space: SearchSpace, genotype: Genotype) -> Genotype:
    """Return the genotype with the heaviest alternative of each choice alone.

    A space that is `Discrete` says itself which that is. In any other one it is the greatest value of each
    row, the first of equals.
    """
    if isinstance(space, Discrete):
        return space.discrete(genotype)
    real = real_values(space, genotype)
    return {**genotype, **{name: _heaviest(value) for name, value in real.items()}}


def _heaviest(value: Any) -> Any:
    """Return the rows, however deep they lie, with 0 for the greatest entry and `NOTHING` for others."""
    if not isinstance(value, list | tuple) or not value:
        return value
    if isinstance(value[0], list | tuple):
        return [_heaviest(each) for each in value]
    greatest = max(range(len(value)), key=lambda place: value[place])
    return [0.0 if place == greatest else NOTHING for place in range(len(value))]
