"""The report's section on how a search went: entropies beside rewards, as in AutoPose's figure 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

from posenas import Results, Section
from posenas.charts import BLUE, GREY, RED, new_figure, plain_axes, png, render, whole_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[int, Mapping[str, float]]
"""What was noted: figures by epoch, or by update, and by name."""

Style: TypeAlias = tuple[str, str, str]
"""A line's colour, its style and its name."""

_ENTROPIES: Mapping[str, Style] = {
    "cell entropy": (BLUE, "o-", "cells"),
    "controller entropy": (RED, "s--", "controller"),
}
_SCORES: Mapping[str, Style] = {
    "reward": (RED, "s-", "mean of the draws"),
    "baseline": (GREY, "--", "moving baseline"),
    "likeliest": (BLUE, "o-", "likeliest draw"),
}
_LEAST_RANGE = 0.1
"""How much of the entropies' axis is shown at least, so that a small fall looks small."""


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
        reward=_reward(results),
        ranked_on=results.ranked_on,
    )
    picture = png(course_figure(curves, place=place, reward=_reward(results)))
    return [Section("How the search went", html, {"course.png": picture}, series=(series,))]


def _reward(results: Results) -> str:
    """Return the name of what rewards, which is the greater the better."""
    name = results.objective.name
    return name if any(each.maximize for each in results.objectives if each.name == name) else f"minus {name}"


def course_figure(curves: Curves, *, place: str, reward: str) -> Figure:
    """Draw the entropies above, and below the scores where there are some.

    Args:
        curves: what was noted.
        place: what the curves run over.
        reward: the name of the scores.
    """
    panels = [(_ENTROPIES, "entropy (1: all are alike)")]
    if any(name in figures for figures in curves.values() for name in _SCORES):
        panels.append((_SCORES, reward))
    figure = new_figure(10, 0.6 + 3.1 * len(panels))
    columns = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (styles, label) in zip(columns, panels, strict=True):
        _draw(axes, curves, styles)
        axes.set(xlabel=place, ylabel=label)
        axes.set_xticks(whole_ticks(curves))
        plain_axes(axes)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=len(styles), frameon=False, fontsize=9, borderpad=0
        )
    _widen(columns[0])
    return figure


def _widen(axes: Axes) -> None:
    """Show at least `_LEAST_RANGE` of the axis of entropies, with room above the highest."""
    low, high = axes.get_ylim()
    bottom = min(low, high - _LEAST_RANGE)
    axes.set_ylim(bottom, high + 0.06 * (high - bottom))


def _draw(axes: Axes, curves: Curves, styles: Mapping[str, Style]) -> None:
    """Draw a line for each name that was noted, over the places where it was."""
    for name, (colour, style, label) in styles.items():
        points = [(place, figures[name]) for place, figures in curves.items() if name in figures]
        if points:
            places, figures = zip(*points, strict=True)
            course = f"{label}: {figures[0]:.3f} to {figures[-1]:.3f}"
            axes.plot(places, figures, style, color=colour, label=course, markersize=4, linewidth=1.5)
