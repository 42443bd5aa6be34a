"""Limits as users write them, such as `gmacs<=0.3` of a cost and `oks.AP>=0.5` of a metric."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.composing.goals.metric_names import find_metric, names_like
from posenas.contract.errors import PosenasError
from posenas.contract.goals import Limit, MetricLimit
from posenas.contract.scores import Metric

_LIMIT = re.compile(r"\s*([A-Za-z_][^\s<>=]*)\s*([<>]=)\s*([0-9.eE+-]+)\s*")


def parse_limits(
    texts: Sequence[str], costs: InstalledCosts, *, metrics: Sequence[Metric]
) -> tuple[tuple[Limit, ...], tuple[MetricLimit, ...]]:
    """Return the limits on costs and those on metrics that texts mean.

    Args:
        texts: as on the command line and in a recipe.
        costs: those that limits may be of.
        metrics: the evaluator's, by their qualified names.

    Raises:
        PosenasError: as `parse_limit`.
    """
    limits = [parse_limit(text, costs, metrics=metrics) for text in texts]
    on_costs = tuple(limit for limit in limits if isinstance(limit, Limit))
    return on_costs, tuple(limit for limit in limits if isinstance(limit, MetricLimit))


def spelled_out(texts: Sequence[str], costs: InstalledCosts, *, metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the texts of limits with the qualified names of metrics.

    Args:
        texts: as on the command line and in a recipe.
        costs: those that limits may be of.
        metrics: the evaluator's, by their qualified names.
    """
    limits = ((text, parse_limit(text, costs, metrics=metrics)) for text in texts)
    return tuple(str(limit) if isinstance(limit, MetricLimit) else text for text, limit in limits)


def parse_limit(text: str, costs: InstalledCosts, *, metrics: Sequence[Metric] = ()) -> Limit | MetricLimit:
    """Return the limit that a text such as `gmacs<=0.3` means.

    Args:
        text: as on the command line and in a recipe.
        costs: those that it may be of.
        metrics: the evaluator's, by their qualified names; a limit may be of one that no cost is called like.

    Raises:
        PosenasError: where it is not NAME<=NUMBER or NAME>=NUMBER with a known cost or metric, or bounds a
            metric on the side that is better.
    """
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise PosenasError(
            f"limit {text!r}: write COST<=NUMBER or COST>=NUMBER, for example gmacs<=0.3 or gmacs>=0.2"
        )
    name, sign, number = match.groups()
    cost, metric = costs.find(name), find_metric(name, metrics, costs)
    if cost is None and metric is None:
        advice = costs.advice(name, others=names_like(name, metrics))
        raise PosenasError(f"limit {text!r}: unknown cost or metric {name!r}; {advice}")
    try:
        bound = float(number)
    except ValueError as error:
        raise PosenasError(f"limit {text!r}: {number!r} is not a number") from error
    if metric is not None:
        return _of_metric(text, metric, sign=sign, bound=bound)
    if not 0 < bound < math.inf:
        raise PosenasError(f"limit {text!r}: costs are above 0 and finite, so give a number that is")
    dear = cost is not None and cost.dear
    return Limit(name, most=bound, dear=dear) if sign == "<=" else Limit(name, least=bound, dear=dear)


def _of_metric(text: str, metric: Metric, *, sign: str, bound: float) -> MetricLimit:
    limit = MetricLimit(metric.name, bound, metric.higher_is_better)
    if not math.isfinite(bound):
        raise PosenasError(f"limit {text!r}: give a finite number")
    if (sign == ">=") != metric.higher_is_better:
        better = "higher" if metric.higher_is_better else "lower"
        raise PosenasError(f"limit {text!r}: {better} is better; write {limit}")
    return limit
