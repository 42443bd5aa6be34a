"""Spaces in which the values of some dimensions are fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from posenas.contract.components import Backbone, Conditional, SearchSpace, WeightSharing
from posenas.contract.genotype import Dimension, Genotype


def narrowed(space: SearchSpace, fixed: Mapping[str, Any]) -> SearchSpace:
    """Return the part of a space in which these dimensions have these values.

    It has the same dimensions, so that what was learnt of their costs holds in it too, and is a conditional
    space in which a fixed dimension has one possible value. Weights are shared in it where they are in the
    whole space.
    """
    if not fixed:
        return space
    part = Narrowed(space, fixed)
    return NarrowedSharing(part, space) if isinstance(space, WeightSharing) else part


@dataclass(frozen=True)
class Narrowed:
    """The part of a space that some values leave."""

    space: SearchSpace
    fixed: Mapping[str, Any]

    def dimensions(self) -> Mapping[str, Dimension]:
        """Return those of the whole space."""
        return self.space.dimensions()

    def sample(self, rng: Random) -> Genotype:
        """Return a genotype drawn as in the whole space, with the fixed values in it."""
        return {**self.space.sample(rng), **self.fixed}

    def build(self, genotype: Genotype) -> Backbone:
        """Build the genotype's network."""
        return self.space.build(genotype)

    def possible(self, genotype: Genotype) -> Mapping[str, Sequence[Any]]:
        """Return the values that conditional dimensions may have, and of fixed ones the fixed value."""
        within = self.space.possible(genotype) if isinstance(self.space, Conditional) else {}
        return {**within, **{name: (value,) for name, value in self.fixed.items()}}


@dataclass(frozen=True)
class NarrowedSharing:
    """The part of a weight-sharing space that some values leave."""

    part: Narrowed
    space: WeightSharing

    def dimensions(self) -> Mapping[str, Dimension]:
        """Return those of the whole space."""
        return self.part.dimensions()

    def sample(self, rng: Random) -> Genotype:
        """Return a genotype drawn as in the whole space, with the fixed values in it."""
        return self.part.sample(rng)

    def build(self, genotype: Genotype) -> Backbone:
        """Build the genotype's network."""
        return self.part.build(genotype)

    def possible(self, genotype: Genotype) -> Mapping[str, Sequence[Any]]:
        """Return the values that conditional dimensions may have, and of fixed ones the fixed value."""
        return self.part.possible(genotype)

    def largest(self) -> Genotype:
        """Return the largest genotype with the fixed values in it."""
        return {**self.space.largest(), **self.part.fixed}

    def smallest(self) -> Genotype:
        """Return the smallest genotype with the fixed values in it."""
        return {**self.space.smallest(), **self.part.fixed}
