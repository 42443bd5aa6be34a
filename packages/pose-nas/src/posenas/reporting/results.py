"""What a run has found so far, read from its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

from posenas.composing.building import make, qualified
from posenas.composing.costs import COUNTED
from posenas.composing.installed_costs import InstalledCosts, installed_costs
from posenas.composing.objectives import best_trial, choose_objectives
from posenas.contract.components import Evaluator
from posenas.contract.costs import CostFigure
from posenas.contract.errors import PosenasError
from posenas.contract.goals import Objective
from posenas.contract.scores import Metric
from posenas.contract.trial import Trial, trial_from_dict
from posenas.reporting.pareto import pareto_front
from posenas.runs.chain import read_chain
from posenas.runs.checksums import read_result
from posenas.runs.recipe import Recipe
from posenas.runs.run import Run
from posenas.runs.strict_json import parse_json
from posenas.runs.trial_log import TRIAL_LOG

SHOWN_COSTS = ("gmacs", "parameters")
"""Costs that every trial has and every table shows."""
TRIALS = "trials.json"
ANSWER = "best/trial.json"


@dataclass(frozen=True)
class Results:
    """The trials of a run, finished or not.

    Attributes:
        metrics: by their qualified names.
        trials: in the order of the search.
        finished: whether the search ended, so that its last trial is its answer.
    """

    recipe: Recipe
    metrics: tuple[Metric, ...]
    trials: tuple[Trial, ...]
    finished: bool

    @cached_property
    def installed_costs(self) -> InstalledCosts:
        """The costs that can be named, looked for once."""
        return installed_costs()

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        return choose_objectives(
            self.metrics,
            self.installed_costs,
            maximize=self.recipe.maximize,
            minimize=self.recipe.minimize,
        )

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

    def as_candidate(self, answer: Trial) -> Trial | None:
        """The trial by which the answer's genotype was chosen; None where it was not among candidates."""
        same = [trial for trial in self.ranked if trial.id == answer.id]
        return same[-1] if same else None

    @property
    def failed(self) -> Sequence[tuple[Trial, str]]:
        """Trials without the objective, each with the reason."""
        return [
            (trial, trial.failure or f"{self.objective.name} is not a number for these people")
            for trial in self.trials
            if self.objective.name not in trial.metrics
        ]

    @property
    def shown(self) -> Trial | None:
        """The answer, or as long as there is none the best candidate: of an evolution the fittest."""
        if self.answer is not None and self.objective.name in self.answer.metrics:
            return self.answer
        alive = [trial for trial in self.ranked if trial.fitness is not None]
        if alive:
            return min(alive, key=lambda trial: cast(float, trial.fitness))
        return best_trial(self.candidates, self.objectives)

    @cached_property
    def compared_costs(self) -> Sequence[CostFigure]:
        """The costs that candidates are shown against: two counted ones, and named ones that all have."""
        known = [name for name in self._named_costs if all(name in trial.costs for trial in self.ranked)]
        figures = (self.installed_costs.figure(name) for name in (*SHOWN_COSTS, *known))
        return [figure for figure in figures if figure is not None]

    @property
    def _named_costs(self) -> Sequence[str]:
        """Costs of the first trial that are not counted for every network."""
        names = dict.fromkeys(name for trial in self.trials[:1] for name in trial.costs)
        costs = ((name, self.installed_costs.find(name)) for name in names)
        return [name for name, cost in costs if cost is not None and ("." in name or cost.name != COUNTED)]

    def front(self, cost: str) -> Sequence[Trial]:
        """The Pareto front of the candidates: objective against cost, from cheap to dear."""
        points = [(trial.metrics[self.objective.name], trial.costs[cost]) for trial in self.ranked]
        front = pareto_front(points, higher_is_better=self.objective.higher_is_better)
        return [self.ranked[index] for index in front]


def read_results(run: Run, recipe: Recipe) -> Results:
    """Raises PosenasError where the evaluator is not installed or the trials cannot be read."""
    evaluator = cast(Evaluator, make("evaluator", recipe.evaluator))
    metrics = tuple(replace(metric, name=qualified(recipe, metric.name)) for metric in evaluator.metrics())
    trials = _read_trials(run)
    return Results(recipe, metrics, trials, finished=trials != () and trials[-1:] == _read_answer(run))


def _read_trials(run: Run) -> tuple[Trial, ...]:
    """Those of a run in progress, or of a finished one."""
    log = run.path / TRIAL_LOG
    again = f"`posenas resume {run.path}` writes it anew"
    try:
        if log.exists():
            records = read_chain(log, remedy=again).records
        else:
            records = parse_json(read_result(run.path, TRIALS))
        trials = tuple(trial_from_dict(record) for record in records)
        lacking = [trial.id for trial in trials if not trial.costs.keys() >= set(SHOWN_COSTS)]
        if lacking:
            raise ValueError(f"trial {lacking[0]} lacks costs that every trial has")
        return trials
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        file = log if log.exists() else run.path / TRIALS
        raise PosenasError(f"{file}: cannot be read as trials ({error}); {again}") from error


def _read_answer(run: Run) -> tuple[Trial, ...]:
    """Returns the trial that the search marked as its answer when it ended; none until then."""
    if (run.path / TRIAL_LOG).exists():
        return ()
    try:
        return (trial_from_dict(parse_json(read_result(run.path, ANSWER))),)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        again = f"`posenas resume {run.path}` writes it anew"
        raise PosenasError(f"{run.path / ANSWER}: cannot be read as a trial ({error}); {again}") from error
