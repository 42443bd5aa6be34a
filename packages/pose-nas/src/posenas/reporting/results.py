"""What a run has found so far, read from its files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

from posenas.composing.building import make, qualified
from posenas.composing.goals.costs import COUNTED, named_costs
from posenas.composing.goals.installed_costs import InstalledCosts, installed_costs
from posenas.composing.goals.limit_texts import parse_limits
from posenas.composing.goals.metric_limits import preferred
from posenas.composing.goals.objectives import best_trial, choose_objectives, front
from posenas.composing.joined import join
from posenas.contract.components import Derivable, Evaluator
from posenas.contract.costs import CostFigure
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import genotype_id
from posenas.contract.goals import Objective
from posenas.contract.scores import Metric
from posenas.contract.sections import Results
from posenas.contract.trial import Trial, trial_from_dict
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


def read_results(run: Run, recipe: Recipe) -> Results:
    """Return what a run has found so far.

    Raises:
        PosenasError: where the evaluator is not installed, or the trials cannot be read.
    """
    evaluator = cast(Evaluator, make("evaluator", recipe.evaluator))
    metrics = tuple(replace(metric, name=qualified(recipe, metric.name)) for metric in evaluator.metrics())
    trials = _read_trials(run)
    return make_results(recipe, metrics, trials, finished=trials != () and trials[-1:] == _read_answer(run))


def make_results(
    recipe: Recipe, metrics: tuple[Metric, ...], trials: tuple[Trial, ...], *, finished: bool
) -> Results:
    """Return results with the trial to show.

    Args:
        recipe: names the objectives and the limits.
        metrics: the evaluator's, by their qualified names.
        trials: in the order of the search.
        finished: whether the last trial is the search's answer.
    """
    installed = installed_costs()
    objectives = choose_objectives(metrics, installed, maximize=recipe.maximize, minimize=recipe.minimize)
    limits, metric_limits = parse_limits(recipe.limits, installed, metrics=metrics)
    results = Results(metrics, objectives, trials, finished, shown=None, metric_limits=metric_limits)
    return replace(
        results,
        shown=_shown(results),
        compared_costs=_compared_costs(results, installed, asked=named_costs(limits, objectives)),
        derived=_derived(results, recipe),
    )


def _derived(results: Results, recipe: Recipe) -> Mapping[str, str]:
    """Return what the candidates' genotypes derive, where the answer is none of them."""
    candidates = {trial.id: trial.genotype for trial in results.ranked}
    if results.answer is None or not candidates or results.answer.id in candidates:
        return {}
    space = join(make("space", recipe.space), make("head", recipe.head))
    if not isinstance(space, Derivable):
        return {}
    return {name: genotype_id(space.derived(genotype)) for name, genotype in candidates.items()}


def _compared_costs(
    results: Results, installed: InstalledCosts, *, asked: Collection[str]
) -> tuple[CostFigure, ...]:
    """Return the costs that candidates are shown against: two counted ones, and named ones that all have.

    Args:
        results: with the trials.
        installed: the costs that declare the figures.
        asked: what limits and objectives name. Of the costs of parts others are not shown.
    """
    named = dict.fromkeys(name for trial in results.trials[:1] for name in trial.costs)
    costs = ((name, installed.find(name)) for name in named)
    known = [
        name
        for name, cost in costs
        if cost is not None
        and (name in asked if "." in name else cost.name != COUNTED)
        and all(name in trial.costs for trial in results.ranked)
    ]
    figures = (installed.figure(name) for name in (*SHOWN_COSTS, *known))
    return tuple(figure for figure in figures if figure is not None)


def _shown(results: Results) -> Trial | None:
    """Return the answer, or until there is one the best candidate as the strategy ranks them."""
    if results.answer is not None and results.objective.name in results.answer.metrics:
        return results.answer
    limits = results.metric_limits
    own = [trial for trial in results.ranked if results.ranked_by in trial.ranking]
    if own:
        return min(preferred(own, limits), key=lambda trial: trial.ranking[results.ranked_by])
    return best_trial(results.candidates, results.objectives, limits=limits)


def front_against(results: Results, cost: str) -> Sequence[Trial]:
    """Return the candidates on the Pareto front of the objective against a cost, from cheap to dear.

    Those that keep the limits on metrics are on it, or else those that miss them least.
    """
    metric = results.objective
    against = (
        Objective(metric.name, metric.higher_is_better, is_cost=False),
        Objective(cost, maximize=False, is_cost=True),
    )
    found = front(results.ranked, against, limits=results.metric_limits)
    return sorted(found, key=lambda trial: trial.costs[cost])


def _read_trials(run: Run) -> tuple[Trial, ...]:
    """Return the trials of a run, in progress or finished."""
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
    """Return the trial that the search marked as its answer when it ended; none until then."""
    if (run.path / TRIAL_LOG).exists():
        return ()
    try:
        return (trial_from_dict(parse_json(read_result(run.path, ANSWER))),)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        again = f"`posenas resume {run.path}` writes it anew"
        raise PosenasError(f"{run.path / ANSWER}: cannot be read as a trial ({error}); {again}") from error
