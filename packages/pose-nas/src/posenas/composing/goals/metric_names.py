"""Metrics as limits and objectives name them: `oks.AP`, or shortly `AP`."""

from __future__ import annotations

from collections.abc import Sequence

from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.contract.scores import Metric


def find_metric(name: str, metrics: Sequence[Metric], costs: InstalledCosts) -> Metric | None:
    """Return the metric of this name; None where there is none, or where a cost has the name.

    Args:
        name: qualified, such as `oks.AP`, or without the evaluator's name, such as `AP`.
        metrics: of one evaluator, by their qualified names.
        costs: the installed ones.
    """
    if costs.find(name) is not None:
        return None
    qualified = [metric for metric in metrics if metric.name == name]
    short = [metric for metric in metrics if _short(metric) == name]
    return next(iter([*qualified, *short]), None)


def names_like(name: str, metrics: Sequence[Metric]) -> list[str]:
    """Return the names that could be meant by an unknown one: qualified where it is so too, else short.

    Args:
        name: the unknown one.
        metrics: of one evaluator, by their qualified names.
    """
    evaluators = {metric.name.partition(".")[0] for metric in metrics}
    qualified = name.partition(".")[0] in evaluators
    return [metric.name if qualified else _short(metric) for metric in metrics]


def _short(metric: Metric) -> str:
    return metric.name.partition(".")[2]
