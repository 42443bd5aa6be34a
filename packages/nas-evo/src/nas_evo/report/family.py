"""The networks of an evolution: who descends from whom, and by which change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from posenas import Genotype, MetricLimit, Results, Trial, value_text

from nas_evo.descent import Descent, descent_of


@dataclass(frozen=True)
class Evolved:
    """A trial that has a descent."""

    trial: Trial
    descent: Descent

    @property
    def id(self) -> str:
        """The genotype's id."""
        return self.trial.id


@dataclass(frozen=True)
class Family:
    """The evolved candidates of a run, finished or not.

    Attributes:
        networks: by their ids, in the order of the search.
        winner: what the search chose; as long as it has not, the fittest, and None where all failed.
        finished: whether the search has chosen.
    """

    networks: Mapping[str, Evolved]
    winner: Evolved | None
    finished: bool

    @property
    def generations(self) -> Mapping[int, Sequence[Evolved]]:
        """The networks by generation, from the ancestor's on, each in the order of the search."""
        found: dict[int, list[Evolved]] = {}
        for network in sorted(self.networks.values(), key=lambda network: network.descent.generation):
            found.setdefault(network.descent.generation, []).append(network)
        return found

    def parent(self, network: Evolved) -> Evolved | None:
        """Return a network's parent; None for an ancestor, and where an earlier generation has none such."""
        parent = self.networks.get(network.descent.parent or "")
        if parent is None or parent.descent.generation >= network.descent.generation:
            return None
        return parent

    @property
    def line(self) -> Sequence[Evolved]:
        """The winner's ancestors and the winner, the oldest first."""
        line: list[Evolved] = []
        network = self.winner
        while network is not None:
            line.append(network)
            network = self.parent(network)
        return line[::-1]


def read_family(results: Results) -> Family | None:
    """Return the family of a run's candidates; None where none has a descent."""
    networks = {
        trial.id: Evolved(trial, descent)
        for trial in results.candidates
        if (descent := descent_of(trial)) is not None
    }
    if not networks:
        return None
    chosen = None if results.answer is None else networks.get(results.answer.id)
    fittest = _fittest(networks.values(), results.metric_limits)
    return Family(networks, chosen or fittest, finished=chosen is not None)


def known_fitness(networks: Iterable[Evolved]) -> list[float]:
    """Return the fitness of each network that has one."""
    return [network.descent.fitness for network in networks if network.descent.fitness is not None]


def _fittest(networks: Iterable[Evolved], limits: Sequence[MetricLimit]) -> Evolved | None:
    """Return the fittest network of those that keep the limits on metrics, or else miss them least."""
    fit = [
        (max((limit.violation_of(network.trial) for limit in limits), default=0.0), fitness, network)
        for network in networks
        if (fitness := network.descent.fitness) is not None
    ]
    return min(fit, key=lambda place: place[:2])[2] if fit else None


class GeneChange(NamedTuple):
    """A gene with its value in the parent and in the child, as JSON; empty where it has none."""

    gene: str
    before: str
    after: str


def changed_genes(parent: Genotype, child: Genotype) -> Sequence[GeneChange]:
    """Return what a mutation changed, in the order of the parent's genes."""
    return [
        GeneChange(gene, before, after)
        for gene in dict.fromkeys([*parent, *child])
        if (before := value_text(parent, gene)) != (after := value_text(child, gene))
    ]
