"""The rows of the page's tables: metrics and costs of a trial, the candidates on the fronts, keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import Metric
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.results import front_against


def metric_rows(trial: Trial, results: Results) -> Sequence[Mapping[str, str]]:
    """Return a row for each metric, those without a figure too.

    Metrics of a part of the body are left out, unless they are an objective or have a limit.
    """
    named = {objective.name for objective in results.objectives}
    named |= {limit.metric for limit in results.metric_limits}
    return [
        {
            "name": metric.name,
            "value": _figure(trial, metric),
            "better": "higher" if metric.higher_is_better else "lower",
        }
        for metric in results.metrics
        if not metric.part or metric.name in named
    ]


def metric_parts(trial: Trial, metrics: Sequence[Metric]) -> Mapping[str, Mapping[str, str]]:
    """Return the figures of the whole and of each part by their kinds; nothing where no metric has a part.

    A kind is the name without the evaluator's and the part's, such as `AP` of `wholebody.face.AP`. The kinds
    of the parts are the columns of every row; a row has `–` where nothing of that kind is declared.

    Args:
        trial: whose figures they are.
        metrics: by their qualified names.
    """
    kinds = list(dict.fromkeys(_kind(metric) for metric in metrics if metric.part))
    shown = [metric for metric in metrics if _kind(metric) in kinds]
    rows = {metric.part: dict.fromkeys(kinds, "–") for metric in shown}
    for metric in shown:
        rows[metric.part][_kind(metric)] = _figure(trial, metric)
    return {part.replace("_", " ") or "whole": row for part, row in rows.items()}


def _kind(metric: Metric) -> str:
    return metric.name.partition(".")[2].removeprefix(f"{metric.part}.")


def _figure(trial: Trial, metric: Metric) -> str:
    return metric.text(trial.metrics[metric.name]) if metric.name in trial.metrics else "not a number"


def cost_text(name: str, value: float) -> str:
    """Return a cost as it is shown: parameters as a whole number, others with four digits.

    Args:
        name: of the cost.
        value: in its unit.
    """
    return f"{value:,.0f}" if name.startswith("parameters") else f"{value:#.4g}"


def cost_rows(trial: Trial, costs: InstalledCosts) -> Sequence[Mapping[str, str]]:
    """Return a row for each of the trial's costs that has a meaning, in the order of their declaration.

    A row's name is the figure's unit. The page's headline takes the first two rows. The costs of a network's
    parts are not among them.
    """
    names = [figure.name for cost in costs.costs for figure in cost.figures]
    figures = (costs.figure(name) for name in names if name in trial.costs)
    return [
        {
            "name": figure.unit,
            "value": cost_text(figure.name, trial.costs[figure.name]),
            "meaning": figure.meaning,
        }
        for figure in figures
        if figure is not None and figure.meaning
    ]


def part_rows(trial: Trial, costs: InstalledCosts) -> Sequence[Mapping[str, str]]:
    """Return a row for each of the trial's costs of parts, with its share of the whole network's."""
    rows = []
    for name, cost in trial.costs.items():
        whole, dot, _ = name.partition(".")
        figure = costs.figure(name) if dot else None
        if figure is not None:
            share = f"{100 * cost / trial.costs[whole]:.1f} %" if trial.costs.get(whole) else ""
            rows.append({"name": figure.unit, "value": cost_text(name, cost), "share": share})
    return rows


def front_rows(results: Results) -> Sequence[Mapping[str, Any]]:
    """Return a row for each candidate on any cost's front, from cheap to dear."""
    fronts = {
        cost.unit: {trial.id for trial in front_against(results, cost.name)}
        for cost in results.compared_costs
    }
    chosen = [trial for trial in results.ranked if any(trial.id in front for front in fronts.values())]
    return [
        {
            "id": trial.id,
            "trial": trial,
            "metric": results.objective.text(trial.metrics[results.objective.name]),
            "gmacs": cost_text("gmacs", trial.costs["gmacs"]),
            "parameters": cost_text("parameters", trial.costs["parameters"]),
            "fronts": [name for name, front in fronts.items() if trial.id in front],
            "winner": results.shown is not None and trial.id == results.shown.id,
        }
        for trial in sorted(chosen, key=lambda trial: (trial.costs["gmacs"], trial.costs["parameters"]))
    ]


def keypoint_parts(
    by_keypoint: Mapping[str, float], keypoints: KeypointSet | None
) -> Sequence[Mapping[str, Any]]:
    """Return the keypoints under the first part that they belong to, each part with its mean."""
    groups: dict[str, list[tuple[str, float]]] = {}
    left = dict(by_keypoint)
    if keypoints is not None:
        for part, indices in keypoints.parts.items():
            names = [keypoints.names[index] for index in indices]
            groups[part] = [(name, left.pop(name)) for name in names if name in left]
    groups["others" if any(groups.values()) else "all keypoints"] = list(left.items())
    return [
        {
            "name": part.replace("_", " "),
            "mean": sum(value for _, value in pairs) / len(pairs),
            "keypoints": [{"name": name, "value": value} for name, value in pairs],
        }
        for part, pairs in groups.items()
        if pairs
    ]
