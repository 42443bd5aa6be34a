"""How well cheap figures tell the table's order, beside what a second training tells."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from posenas.scoring import kendall_tau, tau_interval

from posenas_bench.table import Table

CEILING = "another training"
"""The name of the ranking by a second training's score: nothing cheap is expected to do better."""
_COSTS = ("parameters", "gmacs", "latency_ms")


@dataclass(frozen=True)
class Ranking:
    """One figure's order of the genotypes against the order of their scores.

    Attributes:
        name: of the figure.
        tau: Kendall's tau-b.
        low: where the middle 95 % of tau's bootstrap begin.
        high: where they end.
    """

    name: str
    tau: float
    low: float
    high: float


def rankings(table: Table, *, resamplings: int = 2000) -> list[Ranking]:
    """Return how each figure ranks the table, the best first.

    Proxies, costs and shared weights are compared with the mean score on `val` over the trainings. The
    `CEILING` compares the trainings of the first seed with those of the second. It is left out of a table
    with one training a genotype.

    Args:
        table: has the scores and the figures.
        resamplings: of the genotypes, for the intervals.
    """
    truth = [row.val for row in table.rows]
    found = [_ranking(name, figures, truth, resamplings) for name, figures in figures_of(table).items()]
    if len(table.rows[0].trainings) > 1:
        first, second = ([row.trainings[number].val for row in table.rows] for number in (0, 1))
        found.append(_ranking(CEILING, first, second, resamplings))
    return sorted(found, key=lambda ranking: ranking.tau, reverse=True)


def figures_of(table: Table) -> Mapping[str, Sequence[float]]:
    """Return each figure's values, one for each row: proxies, costs, and scores with shared weights."""
    proxies = {name: [row.proxies[name] for row in table.rows] for name in table.rows[0].proxies}
    costs = {name: [row.costs[name] for row in table.rows] for name in _COSTS if name in table.rows[0].costs}
    return {**proxies, **costs, "shared weights": [row.shared for row in table.rows]}


def spread(table: Table) -> tuple[float, float]:
    """Return the standard deviation of the genotypes' mean scores, and that between a genotype's trainings.

    Both are of scores on `val`. The second is 0 in a table with one training a genotype.
    """
    means = [row.val for row in table.rows]
    differences = [
        one.val - other.val for row in table.rows for one, other in itertools.combinations(row.trainings, 2)
    ]
    noise = (sum(each**2 for each in differences) / (2 * len(differences))) ** 0.5 if differences else 0.0
    centre = sum(means) / len(means)
    return (sum((mean - centre) ** 2 for mean in means) / max(1, len(means) - 1)) ** 0.5, noise


def _ranking(name: str, figures: Sequence[float], truth: Sequence[float], resamplings: int) -> Ranking:
    low, high = tau_interval(figures, truth, resamplings=resamplings)
    return Ranking(name, kendall_tau(figures, truth), low, high)
