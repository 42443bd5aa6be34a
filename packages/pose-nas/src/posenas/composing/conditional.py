"""Genotypes of spaces in which one dimension's value decides what another one may be."""

from __future__ import annotations

from random import Random

from posenas.contract.components import Conditional, SearchSpace
from posenas.contract.genotype import Genotype


def likelihood(space: SearchSpace, genotype: Genotype) -> float:
    """How likely its conditional values are beside its others, if each is drawn from the possible ones.

    0 where one is not possible.
    """
    chance = 1.0
    if isinstance(space, Conditional):
        for name, values in space.possible(genotype).items():
            if genotype[name] not in values:
                return 0.0
            chance /= len(values)
    return chance


def made_possible(space: SearchSpace, genotype: Genotype, rng: Random) -> Genotype:
    """The genotype, what is not possible beside its other values drawn anew from what is."""
    if not isinstance(space, Conditional):
        return genotype
    for name in space.possible(genotype):
        values = space.possible(genotype)[name]  # an earlier one drawn anew may have changed them
        if genotype[name] not in values:
            genotype = {**genotype, name: rng.choice(values)}
    return genotype
