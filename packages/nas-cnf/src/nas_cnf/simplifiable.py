"""What this package's strategies ask of a space whose learnt architecture they simplify."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from posenas import Genotype, Relaxed


@runtime_checkable
class Simplifiable(Relaxed, Protocol):
    """A relaxed space whose genotypes have simpler ones, of smaller networks."""

    def discrete(self, genotype: Genotype) -> Genotype:
        """Return the genotype that everywhere takes what weighs most in this one, and nothing else."""
        ...

    def prune(self, genotype: Genotype, threshold: float) -> Genotype:
        """Return the genotype without what has a smaller share of a choice than the threshold.

        `build` leaves it out. The tensors of its network are among those of the whole genotype's, by the same
        names and shapes.
        """
        ...
