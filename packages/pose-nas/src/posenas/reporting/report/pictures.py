"""The pictures that every report has, as PNG files that hold nothing but pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posenas.contract.batches import View
from posenas.contract.costs import CostFigure
from posenas.contract.trial import Trial
from posenas.data.affine import crop_matrix, transform, warp
from posenas.data.drawing import contact_sheet, draw_pose
from posenas.reporting.report.charts import BLUE, GREY, RED, legend_below, new_figure, plain_axes, png
from posenas.reporting.report.examples import Example
from posenas.reporting.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet

_MILLIONS = 1e6

_CROP = View("person", 256, 192)
_PAIRS_IN_A_ROW = 3
_SEAM = 3


def pareto_picture(results: Results) -> bytes:
    """PNG: every candidate's objective against each of its costs, with the fronts."""
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
    front_costs, front_scores = _places(results, results.front(cost), cost=cost, divisor=divisor)
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


def poses_picture(examples: Sequence[tuple[Example, NDArray[np.uint8]]], keypoints: KeypointSet) -> bytes:
    """PNG: each person twice, with the true pose and with the predicted one.

    Args:
        examples: each with its whole image, (H, W, 3) RGB.
    """
    sheet = contact_sheet(
        [_pair(example, image, keypoints) for example, image in examples],
        columns=_PAIRS_IN_A_ROW,
        captions=[_caption(example) for example, _ in examples],
        title="left the truth, right the prediction",
    )
    return bytes(cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1])


def _pair(example: Example, image: NDArray[np.uint8], keypoints: KeypointSet) -> NDArray[np.uint8]:
    matrix = crop_matrix(example.person.box, _CROP)
    crop = warp(image, matrix, _CROP)
    truth = example.person.keypoints
    left = draw_pose(crop, transform(matrix, truth[:, :2]), visible=truth[:, 2], keypoint_set=keypoints)
    right = crop
    if example.predicted is not None:
        finite = np.isfinite(example.predicted)
        places = transform(matrix, np.where(finite, example.predicted, 0.0))
        right = draw_pose(crop, places, visible=2 * finite.all(axis=1), keypoint_set=keypoints)
    seam = np.full((_CROP.height, _SEAM, 3), 255, np.uint8)
    return np.concatenate([left, seam, right], axis=1)


def _caption(example: Example) -> str:
    found = f"OKS {example.similarity:.3f}" if example.predicted is not None else "no pose predicted"
    return f"{found}, image {example.sample.written_id}"
