"""The family of an evolution in figures: its generations, and the way from the ancestor to the winner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from nas_evo.report.family import Evolved, Family, GeneChange, changed_genes, known_fitness

SIZE = "parameters_with_statistics"
"""The cost that the fitness counts."""

FITNESS = "fitness J (lower is fitter)"
"""The name of the fitness in charts."""


@dataclass(frozen=True)
class Generation:
    """A generation in figures.

    Attributes:
        failed: how many of the networks have no fitness.
        best: fitness of the fittest; None where all failed.
        best_so_far: that of this generation and those before it.
        inherited: mean share of the parameters, of the networks that inherited any; None where none did.
    """

    number: int
    networks: int
    failed: int
    best: float | None
    median: float | None
    best_so_far: float | None
    inherited: float | None


def generation_table(family: Family) -> Sequence[Generation]:
    """Return the generations in figures, from the ancestor's on."""
    table: list[Generation] = []
    known: list[float] = []
    for number, networks in family.generations.items():
        fitness = known_fitness(networks)
        known += fitness
        shares = [network.trial.inherited for network in networks if network.trial.inherited is not None]
        table.append(
            Generation(
                number,
                networks=len(networks),
                failed=len(networks) - len(fitness),
                best=min(fitness, default=None),
                median=median(fitness) if fitness else None,
                best_so_far=min(known, default=None),
                inherited=fmean(shares) if shares else None,
            )
        )
    return table


@dataclass(frozen=True)
class LineMember:
    """One network of the winner's line; `changes` are against its parent, none for the first."""

    network: Evolved
    changes: Sequence[GeneChange]

    @property
    def size(self) -> float | None:
        """The parameters that the fitness counts."""
        return self.network.trial.costs.get(SIZE)


def winners_line(family: Family) -> Sequence[LineMember]:
    """Return the winner's line, the ancestor first, the winner last; empty where all failed."""
    line = family.line
    changes = [changed_genes(parent.trial.genotype, child.trial.genotype) for parent, child in pairwise(line)]
    return [LineMember(network, changed) for network, changed in zip(line, [[], *changes], strict=False)]
