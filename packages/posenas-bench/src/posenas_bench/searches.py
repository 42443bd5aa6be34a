"""Strategies on a table: what each finds, and how soon, over many seeds."""

from __future__ import annotations

import re
import shlex
import statistics
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from posenas import Demanding, Genotype, Limit, PosenasError, Strategy, load_strategy

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


def named_strategy(words: str, *, options: Sequence[str] = ()) -> Strategy:
    """Return a strategy by its name with options behind it.

    Args:
        words: such as `evolution population=6 weights=scratch`. Any installed strategy has a name here.
        options: more of them, such as `strategy.candidates=16`; those behind the name overrule them.

    Raises:
        PosenasError: for an unknown strategy or option, or a value that is not allowed.
    """
    try:
        name, *own = shlex.split(words) or [""]
    except ValueError as error:
        raise PosenasError(f"strategy {words!r}: {str(error).lower()}; close the quotation") from error
    prefixed = [_assignment(text, prefix="strategy.") for text in options]
    return load_strategy(name, dict([*prefixed, *(_assignment(text) for text in own)]))


def parse_limit(text: str) -> Limit:
    """Return a limit on a cost, such as `gmacs<=0.01` or `gmacs>=0.002`.

    Raises:
        PosenasError: for a text of another form.
    """
    found = re.fullmatch(r"(\w+)\s*(<=|>=)\s*(\d+(?:\.\d*)?(?:e[+-]?\d+)?)", text.strip())
    if found is None:
        raise PosenasError(f"limit {text!r}: write COST<=NUMBER or COST>=NUMBER, such as gmacs<=0.01")
    cost, relation, number = found.groups()
    return Limit(cost, most=float(number)) if relation == "<=" else Limit(cost, least=float(number))


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
        _check(strategy, problem, words)
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


def _check(strategy: Strategy, problem: TabularProblem, words: str) -> None:
    """Refuse a strategy that needs more of the space than a table has."""
    lacking = [each.__name__ for each in strategy.requires() if not problem.offers(each)]
    if lacking:
        raise PosenasError(
            f"{words}: needs {', '.join(lacking)} of a space, which a table is not; choose another"
        )
    if isinstance(strategy, Demanding):
        strategy.check_space(problem.space)


def _assignment(text: str, *, prefix: str = "") -> tuple[str, Any]:
    """Return an option's name without the prefix, and its value: TOML's where it is one, else the text."""
    name, equals, value = text.partition("=")
    if not equals or not name.startswith(prefix):
        raise PosenasError(f"{text!r} is no option of a strategy; write {prefix}NAME=VALUE")
    try:
        return name.removeprefix(prefix), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.removeprefix(prefix), value
