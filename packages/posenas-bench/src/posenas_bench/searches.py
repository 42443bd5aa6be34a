"""Strategies on a table: what each finds, and how soon, over many seeds."""

from __future__ import annotations

import shlex
import statistics
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posenas import Genotype, Limit, PosenasError, Strategy, compose

from posenas_bench.problem import TabularProblem
from posenas_bench.table import Table


@dataclass(frozen=True)
class Search:
    """One strategy, with one seed.

    Attributes:
        regrets: after each scored genotype, how much less the one with the best score so far has on `val`
            than the best of the table within the limits.
        answer: the same of the search's answer.
        trainings: candidates that were trained alone.
        seconds: that their trainings took one core when the table was made.
    """

    regrets: Sequence[float]
    answer: float
    trainings: int
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """One strategy on a table, with several seeds.

    Attributes:
        words: the strategy and its options, as they were asked for.
        searches: one for each seed.
        warnings: what the strategy told, each once.
    """

    words: str
    searches: Sequence[Search]
    warnings: Sequence[str]

    @property
    def mean_regret(self) -> float:
        """The mean regret of the answers."""
        return statistics.fmean(search.answer for search in self.searches)

    @property
    def deviation(self) -> float:
        """The standard deviation of the answers' regrets; 0 of a single seed."""
        answers = [search.answer for search in self.searches]
        return statistics.stdev(answers) if len(answers) > 1 else 0.0


def load_strategy(
    words: str, *, options: Sequence[str] = (), limits: Sequence[str] = ()
) -> tuple[Strategy, Sequence[Limit]]:
    """Return a strategy by its name with options behind it, and the limits that these words mean.

    Args:
        words: such as `evolution population=6 weights=scratch`. Any installed strategy has a name here.
        options: more of them, such as `strategy.candidates=16`; those behind the name overrule them.
        limits: such as `gmacs<=0.01`.

    Raises:
        PosenasError: for an unknown strategy, option or limit, or a strategy that cannot search the space.
    """
    name, *own = shlex.split(words) or [""]
    assignments = (*options, *(f"strategy.{each}" for each in own))
    composition = compose(
        space="ofa",
        strategy=name,
        dataset="synthetic",
        options=dict(_assignment(each) for each in assignments),
        limits=limits,
    )
    return composition.strategy, composition.limits


def compare(
    strategy: Strategy, table: Table, *, words: str, seeds: int, limits: Sequence[Limit]
) -> Comparison:
    """Return what a strategy finds in a table with the seeds 0, 1 and so on.

    Args:
        strategy: of any package.
        table: has the trainings.
        words: name the strategy in the result.
        seeds: how many searches.
        limits: on costs.

    Raises:
        PosenasError: where the strategy asks for what a table does not have.
    """
    best = best_val(table, limits)
    searches, warnings = [], dict[str, None]()
    for seed in range(seeds):
        problem = TabularProblem(table, seed=seed, limits=limits)
        *_, answer = strategy.search(problem)
        searches.append(_search(problem, table, answer.genotype, best))
        warnings |= dict.fromkeys(problem.warnings)
    return Comparison(words, searches, tuple(warnings))


def best_val(table: Table, limits: Sequence[Limit]) -> float:
    """Return the best mean score on `val` within the limits."""
    problem = TabularProblem(table, seed=0, limits=limits)
    return max(table.row(genotype).val for genotype in problem.draw(len(table.rows)))


def _search(problem: TabularProblem, table: Table, answer: Genotype, best: float) -> Search:
    regrets, seen = [], -float("inf")
    for genotype, score in problem.seen.values():
        if score > seen:
            seen, regret = score, best - table.row(genotype).val
        regrets.append(regret)
    return Search(regrets, best - table.row(answer).val, len(problem.trained), problem.seconds)


def _assignment(text: str) -> tuple[str, Any]:
    """Return an option's name and value: TOML's where it is one, else the text itself."""
    name, equals, value = text.partition("=")
    if not equals or not name.startswith("strategy."):
        raise PosenasError(
            f"{text!r} is no option of a strategy; write strategy.NAME=VALUE, or NAME=VALUE behind it"
        )
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value
