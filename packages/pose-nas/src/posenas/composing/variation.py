"""New genotypes from good ones, for any space: mutation and crossover."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Any

from posenas.composing.conditional import made_possible
from posenas.contract.components import Evolvable, SearchSpace
from posenas.contract.genotype import Choice, Dimension, Genotype, genotype_id
from posenas.contract.problem import Problem

_TRIES = 96
_TRIES_PER_MUTATION = 16


def mutate(genotype: Genotype, dimensions: Mapping[str, Dimension], rng: Random) -> Genotype:
    """Return a copy in which one dimension has another value.

    An ordered choice takes a neighbouring value every other time, else any; real numbers each move by N(0,
    1/4). If no dimension has several values, the genotype itself is returned.

    Args:
        genotype: stays as it is.
        dimensions: the space's.
        rng: draws the dimension and its value.
    """
    several = [
        name
        for name, dimension in dimensions.items()
        if not isinstance(dimension, Choice) or len(dimension.values) > 1
    ]
    if not several:
        return genotype
    name = rng.choice(several)
    dimension = dimensions[name]
    if isinstance(dimension, Choice):
        return {**genotype, name: _other(genotype[name], dimension, rng)}
    numbers = iter(dimension.numbers(genotype[name]))
    return {**genotype, name: dimension.fill(lambda: next(numbers) + rng.gauss(0.0, 0.5))}


def _other(value: object, choice: Choice, rng: Random) -> Any:
    values = choice.values
    place = values.index(value)
    if choice.ordered and rng.random() < 0.5:
        others = values[max(0, place - 1) : place] + values[place + 1 : place + 2]
    else:
        others = values[:place] + values[place + 1 :]
    return rng.choice(others)


def changes(space: SearchSpace) -> Callable[[Genotype, Random], Genotype]:
    """Return the space's own mutation, or `mutate` in its dimensions if it has none."""
    if isinstance(space, Evolvable):
        return space.mutate
    dimensions = space.dimensions()
    return lambda genotype, rng: mutate(genotype, dimensions, rng)


def cross(first: Genotype, second: Genotype, rng: Random) -> Genotype:
    """Take every dimension from one of two genotypes, by a fair coin.

    Args:
        first: one of the parents.
        second: the other one.
        rng: tosses the coins.
    """
    return {name: (first if rng.random() < 0.5 else second)[name] for name in first}


def breed(
    problem: Problem,
    parents: Callable[[], tuple[Genotype, Genotype]],
    *,
    crossover: float,
    known: Collection[str],
    rng: Random,
) -> Genotype | None:
    """Return a child within the limits that is not known yet, or None if none was found.

    The tries are bounded. The longer none is found, the more dimensions are mutated; after half of the tries
    it need no longer be near the budget.

    Args:
        problem: what is searched, with its limits.
        parents: chooses two.
        crossover: how often, of 1, a child has two parents.
        known: the ids of genotypes that are not wanted.
        rng: draws what a child takes from its parents and how it differs.
    """
    change = changes(problem.space)
    for tried in range(_TRIES):
        first, second = parents()
        child = cross(first, second, rng) if rng.random() < crossover else first
        for _ in range(1 + tried // _TRIES_PER_MUTATION):
            child = change(child, rng)
        child = made_possible(problem.space, child, rng)
        if genotype_id(child) in known or not problem.within_limits(child):
            continue
        if tried >= _TRIES // 2 or problem.near_budget(child):
            return child
    return None
