"""The picture of the family tree."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import Normalize
from matplotlib.patheffects import withStroke
from posenas.charts import (
    COLOURS,
    INK,
    RED,
    columns,
    legend_below,
    new_figure,
    png,
    whole_ticks,
)

from nas_evo.report.family import Family, known_fitness
from nas_evo.report.layout import Layout, lay_out
from nas_evo.report.tables import FITNESS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE = "#cdd3d9"
_TREE_WIDTH = 610.0
"""The points of the picture that a generation has for its networks."""
_ID_WIDTH = 62.0
"""The points of an id and the gap to the next."""
_EDGE = 0.08
"""The distance from the side below which there is no room for an id."""
_LARGEST_DOT = 11.0
_TALLEST_BAR = 5.0
_CLEAR_RANK = 0.9
"""Networks less fit than this share of all have one colour, so that a bad one does not take all colours."""


def family_picture(family: Family) -> bytes:
    """Return a PNG file: generations from top to bottom, each network joined to its parent."""
    layout = lay_out(family)
    line = {network.id for network in family.line}
    height = 1.8 + 0.6 * len(layout.slots)
    figure = new_figure(10, height)
    axes = figure.subplots()
    distance = _TREE_WIDTH / max(layout.slots.values())
    dot = min(_LARGEST_DOT, 0.6 * distance)
    _draw_lines(axes, family, layout, dot=dot)
    dots = _draw_networks(axes, family, layout, line=line, dot=dot)
    if dots is not None:
        figure.colorbar(
            dots,
            ax=axes,
            label=FITNESS,
            extend="max" if len(known_fitness(family.networks.values())) > 1 else "neither",
            shrink=min(1.0, _TALLEST_BAR / height),
            aspect=30,
            pad=0.02,
        )
    for name in family.networks:
        if name in line or distance >= _ID_WIDTH:
            _write_id(axes, layout, name, dot=dot, color=RED if name in line else INK)
    bottom, top = max(layout.slots) + 0.35, min(layout.slots) - 0.5
    axes.set_yticks(whole_ticks(layout.slots))
    axes.set(xlim=(-0.01, 1.01), ylim=(bottom, top), ylabel="generation")
    axes.tick_params(left=False)
    axes.xaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    legend_below(figure, axes)
    return png(figure)


def _draw_lines(axes: Axes, family: Family, layout: Layout, *, dot: float) -> None:
    axes.add_collection(LineCollection(list(layout.lines.values()), colors=_LINE, linewidths=0.7, zorder=1))
    line = [layout.lines[network.id] for network in family.line if network.id in layout.lines]
    label = "the winner's line" if family.finished else "the line of the fittest so far"
    if family.line:
        axes.add_collection(LineCollection(line, colors=RED, linewidths=2, zorder=2, label=label))
    passed = sorted({place for way in layout.lines.values() for place in way[1:-1]})
    if passed:
        size = (0.4 * dot) ** 2
        axes.scatter(*columns(passed), s=size, color=_LINE, label="an earlier network, again a parent")


def _draw_networks(
    axes: Axes, family: Family, layout: Layout, *, line: Collection[str], dot: float
) -> PathCollection | None:
    """Draw the networks, and return their dots for the bar of colours; None where all failed."""
    networks = family.networks.values()
    failed = [layout.places[network.id] for network in networks if network.descent.fitness is None]
    if failed:
        size = (0.9 * dot) ** 2
        axes.scatter(*columns(failed), s=size, marker="x", color=INK, linewidths=1.2, label="failed")
    fit = [network for network in networks if network.descent.fitness is not None]
    if not fit:
        return None
    fitness = known_fitness(fit)
    chosen = [network.id in line for network in fit]
    return axes.scatter(
        *columns([layout.places[network.id] for network in fit]),
        s=[(1.5 * dot if one else dot) ** 2 for one in chosen],
        c=fitness,
        cmap=COLOURS,
        norm=Normalize(min(fitness), float(np.quantile(fitness, _CLEAR_RANK))),
        edgecolors=[RED if one else INK for one in chosen],
        linewidths=[1.6 if one else 0.4 for one in chosen],
        zorder=3,
    )


def _write_id(axes: Axes, layout: Layout, name: str, *, dot: float, color: str) -> None:
    """Write an id above the dot, where there is room on the side that the parent's line leaves free."""
    x, y = layout.places[name]
    above = layout.lines[name][-2][0] if name in layout.lines else x
    right = above <= x if _EDGE < x < 1 - _EDGE else x < 0.5
    axes.annotate(
        name,
        (x, y),
        (0.5 * dot if right else -0.5 * dot, 0.5 * dot + 2),
        textcoords="offset points",
        horizontalalignment="left" if right else "right",
        verticalalignment="bottom",
        fontsize=8,
        family="monospace",
        color=color,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        zorder=5 if color == RED else 4,
    )
