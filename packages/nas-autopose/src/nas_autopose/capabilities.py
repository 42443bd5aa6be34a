"""What this package's strategies ask of a relaxed space beyond the contract; any space may have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from posenas import Genotype, Relaxed
from torch import Tensor


@runtime_checkable
class Discrete(Relaxed, Protocol):
    """A relaxed space whose genotypes can be reduced to the heaviest alternative of each choice."""

    def discrete(self, genotype: Genotype) -> Genotype:
        """Return the genotype that everywhere takes what weighs most in this one, and nothing else."""
        ...


@runtime_checkable
class SinglePath(Relaxed, Protocol):
    """A relaxed space whose networks can be told how much every alternative weighs, pass by pass."""

    def weigh(self, backbone: Any, weights: Mapping[str, Tensor]) -> None:
        """Put weights in the place of the softmax of real values, until the next call.

        Of a row with one weight that is not 0 only that alternative is computed. Its output is multiplied by
        the weight, so a gradient reaches it.

        Args:
            backbone: one that the space built, changed in place.
            weights: (rows, n) by the names of the dimensions, each row with a sum of 1. Dimensions that are
                not named weigh by their softmax, so an empty mapping ends it.
        """
        ...
