"""Mutation: one gene of one module changes.

Source: McNally, thesis (2022), algorithm 1. Unlike there, channels are never 0, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from posenas import Choice, Genotype

from nas_evo.genes import MOST_HALVINGS


def mutate(genotype: Genotype, dimensions: Mapping[str, Choice], rng: Random) -> Genotype:
    """Return a copy in which exactly one gene differs.

    Genes are redrawn with equal probability until one has changed. Blocks always change, so that takes fewer
    than four redraws on average.

    Args:
        genotype: the parent's, which stays as it is.
        dimensions: the choices of each gene.
        rng: draws the gene and its value.
    """
    mutant = dict(genotype)
    while mutant == genotype:
        name = rng.choice(list(dimensions))
        mutant[name] = _redrawn(genotype, name, dimensions[name], rng)
    return mutant


def _redrawn(genotype: Genotype, name: str, choice: Choice, rng: Random) -> int:
    """Return a new value of one gene.

    That is one block more or fewer, any kernel, any number of channels, or the other stride if it is legal.
    """
    value: int = genotype[name]
    if name.endswith(".blocks"):
        return rng.choice([blocks for blocks in (value - 1, value + 1) if blocks in choice.values])
    if name.endswith(".stride"):
        return _other_stride(genotype, value) if len(choice.values) > 1 else value
    redrawn: int = rng.choice(choice.values)
    return redrawn


def _other_stride(genotype: Genotype, stride: int) -> int:
    """Return the other stride if it is legal, else the same one.

    A halving is taken away only if there are as many as may be, and added only if there are fewer.
    """
    halvings = sum(value - 1 for name, value in genotype.items() if name.endswith(".stride"))
    if stride == 2:
        return 1 if halvings >= MOST_HALVINGS else 2
    return 2 if halvings < MOST_HALVINGS else 1
