"""What a comparison says, in figures and in words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from posenas.composing.goals.metric_limits import violation
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.comparison.rank_correlation import kendall_tau, tau_interval
from posenas.reporting.comparison.record import Comparison


@dataclass(frozen=True)
class AgainstRandom:
    """The winner's figure among those of random networks of equal cost, all in the objective's unit.

    Attributes:
        beaten: how many are worse than the winner. Whoever misses a limit on a metric is worse than whoever
            keeps them all.
        equal: how many are as good.
    """

    winner: float
    median: float
    best: float
    worst: float
    number: int
    beaten: int
    equal: int


@dataclass(frozen=True)
class Correlation:
    """Kendall's tau of shared-weight and stand-alone scores, with a 95 % bootstrap interval."""

    tau: float
    low: float
    high: float
    number: int


@dataclass(frozen=True)
class Verdict:
    """What a comparison says, in figures.

    Attributes:
        objective: the metric's qualified name.
        cost: what is equal.
        candidates: on the people that ranked the candidates; None where none was drawn.
        trained: on `val`, after training; None where none was trained.
        correlation: None where fewer than three candidates were trained alone, or all score alike.
    """

    objective: str
    cost: str
    tolerance: float
    candidates: AgainstRandom | None
    trained: AgainstRandom | None
    correlation: Correlation | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for `--json`."""
        return asdict(self)

    def sentences(self) -> Iterator[str]:
        """Yield what was found, in words."""
        equal = f"{self.cost} within {100 * self.tolerance:g}%"
        if self.candidates is not None:
            yield f"As a candidate: {_against(self.candidates, self.objective)} of equal cost ({equal})."
        if self.trained is not None:
            yield f"Trained to the end: {_against(self.trained, self.objective)} trained the same way."
        if self.correlation is not None:
            one = self.correlation
            yield (
                f"Kendall's tau between shared-weight and stand-alone scores of {one.number} candidates: "
                f"{one.tau:.2f} (95 % of resamplings: {one.low:.2f} to {one.high:.2f})."
            )


def judge(comparison: Comparison, results: Results) -> Verdict | None:
    """Return what a comparison says; None where the run has no winner among its candidates."""
    answer = results.answer
    chosen = None if answer is None else results.as_candidate(answer)
    if answer is None or chosen is None:
        return None
    return Verdict(
        objective=results.objective.name,
        cost=comparison.cost,
        tolerance=comparison.tolerance,
        candidates=_rank(results, chosen, comparison.random),
        trained=_rank(results, answer, comparison.trained),
        correlation=_correlate(results, comparison.alone),
    )


def _against(figures: AgainstRandom, objective: str) -> str:
    equal = f" and equal to {figures.equal}" if figures.equal else ""
    return (
        f"{objective} {figures.winner:.3f} against a median of {figures.median:.3f} "
        f"({figures.worst:.3f} to {figures.best:.3f}); better than {figures.beaten}{equal} of "
        f"{figures.number} random network{'s' if figures.number > 1 else ''}"
    )


def _rank(results: Results, winner: Trial, others: Sequence[Trial]) -> AgainstRandom | None:
    metric = results.objective
    known = [trial for trial in others if metric.name in trial.metrics]
    if not known or metric.name not in winner.metrics:
        return None
    sign = 1.0 if metric.higher_is_better else -1.0

    def place(trial: Trial) -> tuple[float, float]:
        return violation(trial, results.metric_limits), -sign * trial.metrics[metric.name]

    own, scores = winner.metrics[metric.name], [trial.metrics[metric.name] for trial in known]
    places = [place(trial) for trial in known]
    return AgainstRandom(
        winner=own,
        median=statistics.median(scores),
        best=max(scores, key=lambda score: sign * score),
        worst=min(scores, key=lambda score: sign * score),
        number=len(scores),
        beaten=sum(place(winner) < other for other in places),
        equal=places.count(place(winner)),
    )


def _correlate(results: Results, alone: Sequence[Trial]) -> Correlation | None:
    name = results.objective.name
    shared = {trial.id: trial.metrics[name] for trial in results.ranked}
    pairs = [(shared[trial.id], trial.metrics[name]) for trial in alone if name in trial.metrics]
    if len(pairs) < 3:
        return None
    first, second = zip(*pairs, strict=True)
    tau = kendall_tau(first, second)
    return None if math.isnan(tau) else Correlation(tau, *tau_interval(first, second), len(pairs))
