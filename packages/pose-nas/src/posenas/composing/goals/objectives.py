"""What a search is after: metrics and costs, each to be made great or small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from posenas.composing.goals.dominance import on_front
from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.composing.goals.metric_limits import preferred
from posenas.composing.goals.metric_names import find_metric, names_like
from posenas.contract.errors import PosenasError
from posenas.contract.goals import MetricLimit, Objective
from posenas.contract.scores import Metric
from posenas.contract.trial import Trial


def choose_objectives(
    metrics: Sequence[Metric],
    costs: InstalledCosts,
    *,
    maximize: Sequence[str],
    minimize: Sequence[str],
) -> tuple[Objective, ...]:
    """Return the named objectives, those to maximise first; without any, the evaluator's first metric.

    Args:
        metrics: the evaluator's, by their qualified names.
        costs: the installed ones.
        maximize: names of metrics, qualified or short.
        minimize: names of metrics and of costs.

    Raises:
        PosenasError: for an unknown name, a wrong direction, or where no metric is among them.
    """
    if not maximize and not minimize:
        return (Objective(metrics[0].name, metrics[0].higher_is_better, is_cost=False),)
    named = [(name, True) for name in maximize] + [(name, False) for name in minimize]
    objectives = tuple(_objective(name, metrics, costs, maximize=up) for name, up in named)
    if all(objective.is_cost for objective in objectives):
        raise PosenasError(
            f"objectives: {', '.join(name for name, _ in named)}: can be computed without training; "
            f"add a metric, such as --maximize {metrics[0].name}"
        )
    if len({objective.name for objective in objectives}) < len(named):
        raise PosenasError(f"objectives: {', '.join(name for name, _ in named)}: each may be named once")
    return objectives


def _objective(name: str, metrics: Sequence[Metric], costs: InstalledCosts, *, maximize: bool) -> Objective:
    flag = "--maximize" if maximize else "--minimize"
    metric, cost = find_metric(name, metrics, costs), costs.find(name)
    if metric is None and cost is None:
        advice = costs.advice(name, others=names_like(name, metrics))
        raise PosenasError(f"{flag} {name}: neither a metric nor a cost; {advice}")
    higher_is_better = metric is not None and metric.higher_is_better
    if higher_is_better != maximize:
        other = "--minimize" if maximize else "--maximize"
        better = "higher" if higher_is_better else "lower"
        raise PosenasError(f"{flag} {name}: {better} is better; write {other} {name}")
    if metric is not None:
        return Objective(metric.name, maximize, is_cost=False)
    return Objective(name, maximize, is_cost=True, dear=cost is not None and cost.dear)


def scored(trials: Iterable[Trial], objectives: Sequence[Objective]) -> list[Trial]:
    """Return the trials that have every objective: not the failed ones."""
    wanted = {objective.name for objective in objectives}
    return [trial for trial in trials if wanted <= {*trial.metrics, *trial.costs}]


def values(trials: Sequence[Trial], objectives: Sequence[Objective]) -> np.ndarray:
    """Return (n, objectives) float64; the greater the better."""
    rows = [[objective.value(trial) for objective in objectives] for trial in trials]
    return np.array(rows, dtype=np.float64).reshape(len(trials), len(objectives))


def front(
    trials: Iterable[Trial], objectives: Sequence[Objective], *, limits: Sequence[MetricLimit] = ()
) -> list[Trial]:
    """Return the trials that no other one dominates: as good in every objective, and better in one.

    Args:
        trials: to choose from; those that lack an objective are left out.
        objectives: what to make great or small.
        limits: on metrics. The front is that of the trials that keep them, or else miss them least.
    """
    candidates = preferred(scored(trials, objectives), limits)
    chosen = on_front(values(candidates, objectives))
    return [trial for trial, best in zip(candidates, chosen, strict=True) if best]


def best_trial(
    trials: Iterable[Trial], objectives: Sequence[Objective], *, limits: Sequence[MetricLimit] = ()
) -> Trial | None:
    """Return the best trial by the only objective, or the knee of the front where there are several.

    The knee is the trial nearest to the point that is best in all, each objective measured in the front's
    range. Of equals it is the one with the fewest MACs; it is None where every trial failed.

    Args:
        trials: to choose from.
        objectives: what to make great or small.
        limits: on metrics. A trial that keeps them is preferred to any other, and else one that misses them
            least.
    """
    candidates = front(trials, objectives, limits=limits)
    if not candidates:
        return None
    points = values(candidates, objectives)
    worst, best = points.min(axis=0), points.max(axis=0)
    missing = (best - points) / np.where(best > worst, best - worst, 1.0)
    distances = np.linalg.norm(missing, axis=1)
    equal = [
        trial for trial, distance in zip(candidates, distances, strict=True) if distance == distances.min()
    ]
    return min(equal, key=lambda trial: trial.costs["gmacs"])
