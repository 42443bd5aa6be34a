"""The report's section on how a search went: entropies beside rewards, as in AutoPose's figure 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from posenas import Results, Section
from posenas.charts import BLUE, GREY, RED, new_figure, plain_axes, png, render, whole_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = Mapping[int, Mapping[str, float]]
"""What was noted: figures by epoch, or by update, and by name."""

_ENTROPIES = {"cell entropy": (BLUE, "cells"), "controller entropy": (RED, "controller")}
_SCORES = {
    "reward": (RED, "mean reward of the controller's draws"),
    "baseline": (GREY, "its moving baseline"),
    "likeliest": (BLUE, "likeliest draw"),
}


def course_sections(results: Results, series: str) -> Sequence[Section]:
    """Return the one section; none where nothing was noted yet.

    Args:
        results: of the run.
        series: the name under which the strategy noted its figures.
    """
    curves = results.series.get(series, {})
    if not curves:
        return []
    place = "update of the controller" if series == "reinforce" else "epoch"
    scored = any(name in figures for figures in curves.values() for name in _SCORES)
    html = render(
        files("nas_autopose.report").joinpath("course.html.jinja").read_text(encoding="utf-8"),
        place=place,
        names={name for figures in curves.values() for name in figures},
        scored=scored,
        objective=results.objective.name,
        ranked_on=results.ranked_on,
    )
    picture = course_picture(curves, place=place, objective=results.objective.name)
    return [Section("How the search went", html, {"course.png": picture})]


def course_picture(curves: Curves, *, place: str, objective: str) -> bytes:
    """Return a PNG file: the entropies above, and below the scores where there are some.

    Args:
        curves: what was noted.
        place: what the curves run over.
        objective: the metric that rewards.
    """
    panels = [(_ENTROPIES, "entropy (1: all are alike)")]
    if any(name in figures for figures in curves.values() for name in _SCORES):
        panels.append((_SCORES, objective))
    figure = new_figure(10, 0.6 + 2.9 * len(panels))
    columns = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (names, label) in zip(columns, panels, strict=True):
        _draw(axes, curves, names)
        axes.set(xlabel=place, ylabel=label)
        axes.set_xticks(whole_ticks(curves))
        plain_axes(axes)
        axes.legend(frameon=False, fontsize=9)
    return png(figure)


def _draw(axes: Axes, curves: Curves, names: Mapping[str, tuple[str, str]]) -> None:
    """Draw a line for each name that was noted, over the places where it was."""
    for name, (color, label) in names.items():
        points = [(place, figures[name]) for place, figures in curves.items() if name in figures]
        if points:
            places, figures = zip(*points, strict=True)
            axes.plot(places, figures, "o-", color=color, label=label, markersize=3.5, linewidth=1.5)
