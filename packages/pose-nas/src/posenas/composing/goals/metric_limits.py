"""Limits on metrics: which trials keep them, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from posenas.contract.goals import MetricLimit
from posenas.contract.trial import Trial


def violation(trial: Trial, limits: Iterable[MetricLimit]) -> float:
    """Return how far a trial misses the limit that it misses most, as a share of its bound; 0 for none."""
    return max((limit.violation_of(trial) for limit in limits), default=0.0)


def keeping(trials: Iterable[Trial], limits: Sequence[MetricLimit]) -> list[Trial]:
    """Return the trials that keep all limits."""
    return [trial for trial in trials if violation(trial, limits) == 0]


def preferred(trials: Iterable[Trial], limits: Sequence[MetricLimit]) -> list[Trial]:
    """Return the trials that keep all limits; where none does, those that miss them least."""
    missed = [(violation(trial, limits), trial) for trial in trials]
    least = min((miss for miss, _ in missed), default=0.0)
    return [trial for miss, trial in missed if miss == least]


def unkept(limits: Sequence[MetricLimit], candidates: Sequence[Trial]) -> str:
    """Return a sentence where no candidate keeps all limits: how near the candidates came to each limit.

    It is empty where one keeps them, or where there is no candidate.

    Args:
        limits: on metrics.
        candidates: those that the search chose among.
    """
    if not candidates or keeping(candidates, limits):
        return ""
    nearest = "; ".join(_nearest(limit, candidates) for limit in limits)
    best = preferred(candidates, limits)
    least = f"; {best[0].id} misses least" if len(limits) > 1 and len(best) == 1 else ""
    together = "all limits on metrics" if len(limits) > 1 else "the limit on a metric"
    return f"none of {len(candidates)} candidates keeps {together}: {nearest}{least}"


def _nearest(limit: MetricLimit, candidates: Sequence[Trial]) -> str:
    """Return how near the candidates came to a limit, in words."""
    figures = [trial.metrics[limit.metric] for trial in candidates if limit.metric in trial.metrics]
    lacking = len(candidates) - len(figures)
    told = [f"{lacking} without a figure"] if lacking else []
    kept = sum(limit.violation(figure) == 0 for figure in figures)
    if kept:
        told.insert(0, f"{kept} keep{'s' if kept == 1 else ''} it")
    elif figures:
        told.insert(0, f"the nearest has {min(figures, key=limit.violation):.4g}")
    return f"{limit} ({', '.join(told)})"


def final_figures(limits: Iterable[MetricLimit], answer: Trial) -> Iterator[tuple[MetricLimit, str]]:
    """Yield each limit with a sentence on whether a search's answer keeps it."""
    for limit in limits:
        if limit.metric not in answer.metrics:
            yield limit, f"the final network has no figure for {limit} on {answer.split}"
            continue
        figure = answer.metrics[limit.metric]
        verb = "misses" if limit.violation(figure) > 0 else "keeps"
        yield limit, f"the final network {verb} {limit} with {figure:.4g} on {answer.split}"
