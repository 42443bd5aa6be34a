"""Genotypes of spaces in which one dimension's value decides what another one may be."""

from __future__ import annotations

from random import Random

from posenas.contract.components import Conditional, SearchSpace
from posenas.contract.genotype import Genotype


def likelihood(space: SearchSpace, genotype: Genotype) -> float:
    """Return how likely a genotype's conditional values are beside its others.

    Each is taken as drawn from the possible ones. The result is 0 if one is not possible.
    """
    chance = 1.0
    if isinstance(space, Conditional):
        for name, values in space.possible(genotype).items():
            if genotype[name] not in values:
                return 0.0
            chance /= len(values)
    return chance


def made_possible(space: SearchSpace, genotype: Genotype, rng: Random) -> Genotype:
    """Return the genotype without values that are not possible beside its others.

    They are drawn anew from what is possible.

    Args:
        space: the genotype's.
        genotype: stays as it is.
        rng: draws the values.
    """
    if not isinstance(space, Conditional):
        return genotype
    for name in space.possible(genotype):
        # An earlier one drawn anew may have changed them, or set the name free.
        values = space.possible(genotype).get(name)
        if values is not None and genotype[name] not in values:
            genotype = {**genotype, name: rng.choice(values)}
    return genotype
