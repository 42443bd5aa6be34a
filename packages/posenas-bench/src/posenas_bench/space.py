"""The space of a table: the genotypes that it has, and no networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from posenas import Backbone, Choice, Genotype, PosenasError, sample_uniform

from posenas_bench.table import Table


@dataclass(frozen=True)
class TabularSpace:
    """The genotypes of a table; the largest network holds all others, as in the space that it was made of."""

    table: Table

    def dimensions(self) -> Mapping[str, Choice]:
        return {name: Choice(tuple(values)) for name, values in self.table.dimensions.items()}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> Backbone:
        raise PosenasError(f"a table has no network to build of {dict(genotype)}, but its score alone")

    def largest(self) -> Genotype:
        return {name: values[-1] for name, values in self.table.dimensions.items()}

    def smallest(self) -> Genotype:
        return {name: values[0] for name, values in self.table.dimensions.items()}
