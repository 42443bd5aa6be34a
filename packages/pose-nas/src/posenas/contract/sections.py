"""Sections of a report: what a component shows of its own, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posenas.contract.costs import CostFigure
    from posenas.contract.genotype import Genotype
    from posenas.contract.goals import MetricLimit, Objective
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.scores import Metric
    from posenas.contract.trial import Trial


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading of its own.

    Attributes:
        title: the heading, plain text; the report escapes it.
        html: what stands under the heading. It goes into the page as it is, so whoever writes it escapes
            what is not markup: `posenas.charts.render` does so, and Python's `html.escape`. It shows a
            picture by its file name, such as `<img src="family.png" alt="The family tree.">`.
        pictures: PNG or SVG files by their names, such as `family.png`. The report puts them into the page,
            and also beside it. A name is letters, digits, `.`, `_` and `-`.
        series: the names of the noted series that it shows. The report draws the curves of the others only.
    """

    title: str
    html: str
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    series: Sequence[str] = ()


@dataclass(frozen=True)
class Results:
    """What a run has found so far, finished or not.

    Attributes:
        metrics: the evaluator's, by their qualified names.
        objectives: what the search makes great or small; at least one is a metric.
        trials: in the order of the search.
        finished: whether the search has ended, so that its last trial is its answer.
        shown: the trial that the report is about: the answer, or until there is one the best candidate. None
            where no trial has a score.
        compared_costs: what candidates are shown against: `gmacs`, `parameters`, and each named cost that all
            of them have.
        metric_limits: those on metrics, which the answer was to keep.
        derived: of each candidate's genotype the one that is trained in the end, both by their ids; empty
            where the answer's genotype is a candidate's itself.
        keypoints: the dataset's; None where it cannot be read. This and what follows is there for a report,
            and empty elsewhere.
        ranked_on: the people that ranked the candidates, in words.
        scored_on: the people that `shown` was scored on, in words.
        courses: of each training of an architecture the genotypes: at its start, and after each epoch.
        series: what the strategy noted with `problem.note`: the figures by the names of their series, then by
            epoch, then by the names of the curves.
        output_change: how far the answer's outputs were from those of the `learnt` network right after what
            weighs little was left out: `relative` to their root mean square, and `largest`. Empty where
            nothing was left out.
        largest_costs: those of the space's largest network, where the head is searched; empty elsewhere.
    """

    metrics: tuple[Metric, ...]
    objectives: tuple[Objective, ...]
    trials: tuple[Trial, ...]
    finished: bool
    shown: Trial | None
    compared_costs: tuple[CostFigure, ...] = ()
    metric_limits: tuple[MetricLimit, ...] = ()
    derived: Mapping[str, str] = field(default_factory=dict)
    keypoints: KeypointSet | None = None
    ranked_on: str = ""
    scored_on: str = ""
    courses: tuple[tuple[Genotype, ...], ...] = ()
    series: Mapping[str, Mapping[int, Mapping[str, float]]] = field(default_factory=dict)
    output_change: Mapping[str, float] = field(default_factory=dict)
    largest_costs: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def objective(self) -> Metric:
        """The first objective that is a metric."""
        names = [objective.name for objective in self.objectives if not objective.is_cost]
        return next(metric for metric in self.metrics if metric.name == names[0])

    @cached_property
    def answer(self) -> Trial | None:
        """The search's answer; None until it is there."""
        return self.trials[-1] if self.finished and self.trials else None

    @cached_property
    def candidates(self) -> Sequence[Trial]:
        """The trials among which the answer was chosen."""
        return [trial for trial in self.trials if trial is not self.answer and not trial.learnt]

    @cached_property
    def learnt(self) -> Trial | None:
        """The network of which the answer is a part; None where the answer is all of it, or not there."""
        trials = [trial for trial in self.trials if trial.learnt and trial is not self.answer]
        return trials[-1] if trials and self.answer is not None else None

    @cached_property
    def ranked(self) -> Sequence[Trial]:
        """The candidates that have the objective."""
        return [trial for trial in self.candidates if self.objective.name in trial.metrics]

    @property
    def ranked_by(self) -> str:
        """The name of the figure that ranks the candidates: the objective's, or the strategy's own."""
        return next((name for trial in self.candidates for name in trial.ranking), self.objective.name)

    @property
    def inherited(self) -> bool:
        """Whether candidates began their training with weights of each other."""
        return any(trial.inherited is not None for trial in self.candidates)

    @property
    def trained_alone(self) -> bool:
        """Whether candidates were trained one by one, each to the epoch whose loss was least."""
        return any(trial.loss is not None for trial in self.candidates)

    def as_candidate(self, answer: Trial) -> Trial | None:
        """Return the trial by which the answer's genotype was chosen; None where it was no candidate."""
        same = [trial for trial in self.ranked if self.derived.get(trial.id, trial.id) == answer.id]
        return same[-1] if same else None

    @property
    def failed(self) -> Sequence[tuple[Trial, str]]:
        """Trials without the objective, each with the reason."""
        return [
            (trial, trial.failure or f"{self.objective.name} is not a number for these people")
            for trial in self.trials
            if self.objective.name not in trial.metrics
        ]
