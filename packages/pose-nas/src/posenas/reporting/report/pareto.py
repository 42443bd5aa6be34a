"""The picture of score against cost: every candidate, and the fronts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posenas.contract.costs import CostFigure
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.report.charts import BLUE, GREY, RED, legend_below, new_figure, plain_axes, png
from posenas.reporting.results import front_against

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MILLIONS = 1e6


def pareto_picture(results: Results) -> bytes:
    """Return a PNG file: every candidate's objective against each of its costs, with the fronts."""
    drawn = results.compared_costs
    figure = new_figure(5 * len(drawn), 4.4)
    panels = figure.subplots(1, len(drawn), sharey=True)
    for axes, cost in zip(panels, drawn, strict=True):
        label, divisor = _axis(cost)
        _draw_candidates(axes, results, cost=cost.name, divisor=divisor)
        _draw_winner(axes, results, cost=cost.name, divisor=divisor)
        axes.set_xlabel(label)
        plain_axes(axes)
    objective = results.objective
    unit = f", {objective.unit}" if objective.unit else ""
    better = "higher" if objective.higher_is_better else "lower"
    panels[0].set_ylabel(f"{objective.name}{unit} ({better} is better)")
    legend_below(figure, panels[0])
    return png(figure)


def _axis(cost: CostFigure) -> tuple[str, float]:
    """Return an axis's label, and what the cost is divided by."""
    if cost.name.startswith("parameters"):
        return f"{cost.unit}, millions", _MILLIONS
    return cost.unit, 1.0


def _draw_candidates(axes: Axes, results: Results, *, cost: str, divisor: float) -> None:
    costs, scores = _places(results, results.ranked, cost=cost, divisor=divisor)
    axes.scatter(costs, scores, s=22, color=GREY, linewidths=0, label="candidate")
    front_costs, front_scores = _places(results, front_against(results, cost), cost=cost, divisor=divisor)
    axes.plot(
        [*front_costs, max(costs)],
        [*front_scores, front_scores[-1]],
        drawstyle="steps-post",
        color=BLUE,
        linewidth=1.3,
    )
    axes.scatter(front_costs, front_scores, s=30, color=BLUE, linewidths=0, zorder=3, label="front")


def _draw_winner(axes: Axes, results: Results, *, cost: str, divisor: float) -> None:
    shown = results.shown
    if shown is None:
        return
    final = shown is results.answer
    chosen = [trial for trial in results.ranked if trial.id == shown.id]
    if chosen:
        axes.scatter(
            *_places(results, chosen, cost=cost, divisor=divisor),
            s=130,
            facecolors="none",
            edgecolors=RED,
            linewidths=1.5,
            zorder=4,
            label="winner as candidate" if final else "best candidate",
        )
    if final:
        costs, scores = _places(results, [*chosen, shown], cost=cost, divisor=divisor)
        axes.plot(costs, scores, linestyle=":", color=RED, linewidth=1.2)
        label = f"winner's final score, on {shown.split}"
        axes.scatter(
            costs[-1:], scores[-1:], s=48, marker="D", color=RED, linewidths=0, zorder=4, label=label
        )


def _places(
    results: Results, trials: Sequence[Trial], *, cost: str, divisor: float
) -> tuple[list[float], list[float]]:
    """Costs and scores."""
    costs = [trial.costs[cost] / divisor for trial in trials]
    return costs, [trial.metrics[results.objective.name] for trial in trials]
