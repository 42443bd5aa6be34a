"""Pictures of fabrics: cells by layer and scale, what each one hears, and what all of them do.

Sources and operations are drawn by their shares, the softmax of beta and alpha. What has a share of exactly 0
is not computed, and is left out of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, PathPatch
from matplotlib.path import Path
from posenas.charts import BLUE, INK, RED, new_figure

from nas_cnf.layout import needed_cells, sources_of, stride_of
from nas_cnf.mixing import shares_in_networks
from nas_cnf.operations import Operation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SOURCES = {-1: ("the finer scale", BLUE), 0: ("its own scale", INK), 1: ("the coarser scale", RED)}
"""The name and the colour of a source, by where it is from the cell that hears it."""

_OPERATIONS: dict[Operation, str] = {
    "zero": "#dfe3e7",
    "skip": "#aeb6be",
    "sep3": "#1f5fa8",
    "dil3": "#8db7de",
    "avg3": "#e3c06a",
    "max3": "#c8442b",
}
_DARK = ("sep3", "max3")
_PALE = "#c5ccd3"
_BOX = "#f2f5f8"
_WIDTH, _HEIGHT = 0.46, 0.64
"""The size of a cell, where layers and scales are 1 apart."""

_PORT = 0.2
"""The distance between the places of a cell where it hears the scales."""

_THICKEST, _THINNEST = 8.0, 0.6
"""The widths, in points, of the line of a source that is heard alone, and of what can just be seen."""

_PER_SCALE, _PER_EDGE, _AROUND = 0.82, 0.27, 2.2
"""The height of a scale, of an edge and of the words around, in inches."""

_ROOM_FOR_NAME, _ROOM_FOR_SHARE = 0.085, 0.025
"""The shares whose bar has room for the operation's name and share, or for the share alone."""


class Line(NamedTuple):
    """A line from a map of the layer before to a cell that hears it.

    Attributes:
        layer: the cell's; the first one is 1.
        scale: the cell's.
        source: the scale of the map.
        share: that of all that the cell hears; for sources that are one map, their sum.
    """

    layer: int
    scale: int
    source: int
    share: float


def heard_lines(
    beta: Sequence[Sequence[float]],
    *,
    incoming: int,
    layers: Sequence[int],
    heard: Sequence[bool] | None = None,
) -> list[Line]:
    """Return what a fabric's needed cells hear with a share above 0.

    The cells are ordered by layer, then from fine to coarse.

    Args:
        beta: (cells, 3).
        incoming: how many maps the first layer hears.
        layers: how many cells each layer has.
        heard: whether anything depends on each cell of the last layer; None if all are heard.
    """
    shares = shares_in_networks(beta)
    needed = needed_cells(layers, incoming, shares, heard=heard)
    rows = iter(shares)
    lines = []
    for layer, before in enumerate([incoming, *layers[:-1]], start=1):
        for scale in range(layers[layer - 1]):
            by_source: dict[int, float] = {}
            for source, share in zip(sources_of(scale, before), next(rows), strict=True):
                by_source[source] = by_source.get(source, 0.0) + share
            lines += [
                Line(layer, scale, source, share)
                for source, share in sorted(by_source.items())
                if share and needed[layer][scale]
            ]
    return lines


def fabric_figure(
    name: str,
    alpha: Sequence[Sequence[float]],
    beta: Sequence[Sequence[float]],
    *,
    entrance: str,
    incoming: int,
    layers: Sequence[int],
    operations: Sequence[Operation],
    heard: Sequence[bool] | None = None,
) -> Figure:
    """Draw the fabric's cells, and below them the operations that they all have.

    Args:
        name: the figure's title.
        alpha: (edges of a cell, operations).
        beta: (cells, 3).
        entrance: the name of the maps that the first layer hears.
        incoming: how many maps the first layer hears.
        layers: how many cells each layer has.
        operations: the candidates on each edge.
        heard: as in `heard_lines`.
    """
    scales = max(incoming, *layers)
    heights = (_PER_SCALE * scales, _PER_EDGE * len(alpha))
    figure = new_figure(10, sum(heights) + _AROUND)
    cells, edges = figure.subplots(2, 1, height_ratios=heights)
    figure.suptitle(name, x=0.012, horizontalalignment="left", fontweight="bold", fontsize=12)
    lines = heard_lines(beta, incoming=incoming, layers=layers, heard=heard)
    for line in lines:
        _draw_line(cells, line)
    missing = _draw_cells(cells, lines, incoming=incoming, layers=layers)
    _finish_cells(cells, entrance=entrance, columns=len(layers), scales=scales)
    _explain_cells(cells, missing=missing)
    _draw_edges(edges, shares_in_networks(alpha), operations)
    return figure


def _draw_line(axes: Axes, line: Line) -> None:
    """Draw a line, and its share where it ends."""
    side = line.source - line.scale
    start = (line.layer - 1 + _WIDTH / 2, line.source)
    end = (line.layer - _WIDTH / 2, line.scale + _PORT * side)
    middle = (start[0] + end[0]) / 2
    curve = Path(
        [start, (middle, start[1]), (middle, end[1]), end],
        [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4],
    )
    color = _SOURCES[side][1]
    width = max(_THICKEST * line.share, _THINNEST)
    axes.add_patch(PathPatch(curve, fill=False, color=color, linewidth=width, alpha=0.75, zorder=1))
    axes.annotate(
        _percent(line.share),
        end,
        (3, 0),
        textcoords="offset points",
        verticalalignment="center_baseline",
        fontsize=8,
        color=color,
        zorder=3,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"


def _draw_cells(axes: Axes, lines: Sequence[Line], *, incoming: int, layers: Sequence[int]) -> bool:
    """Draw boxes for cells and for the maps that they begin from; tell whether nothing depends on some."""
    used = {(line.layer - 1, line.source) for line in lines}
    used |= {(len(layers), scale) for scale in range(layers[-1])}
    places = [(layer, scale) for layer, maps in enumerate([incoming, *layers]) for scale in range(maps)]
    for layer, scale in places:
        there = (layer, scale) in used
        axes.add_patch(
            FancyBboxPatch(
                (layer - _WIDTH / 2, scale - _HEIGHT / 2),
                _WIDTH,
                _HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor=("white" if layer == 0 else _BOX) if there else "none",
                edgecolor=INK if there else _PALE,
                linestyle="-" if there else (0, (4, 3)),
                linewidth=1.0,
                zorder=2,
            )
        )
    for scale in range(layers[-1]):
        start = (len(layers) + _WIDTH / 2, scale)
        arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (len(layers) + 0.5, scale), start, arrowprops=arrow)
    return len(used) < len(places)


def _finish_cells(axes: Axes, *, entrance: str, columns: int, scales: int) -> None:
    axes.set(xlim=(-0.3, columns + 0.52), ylim=(scales - 0.6, -0.4), xlabel="layer", ylabel="scale")
    axes.set_xticks(range(columns + 1), [entrance, *map(str, range(1, columns + 1))])
    axes.set_yticks(range(scales), [f"1/{stride_of(scale)}" for scale in range(scales)])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(
        "What each cell hears of the layer before, as line width and in percent (softmax of beta).\n"
        "Where a scale is not there, another one is heard in its place and the shares are added up. "
        "A share of 0 has no line.",
        loc="left",
        fontsize=9,
        color=INK,
    )


def _explain_cells(axes: Axes, *, missing: bool) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=color, linewidth=4, alpha=0.75, label=f"hears {label}")
        for label, color in _SOURCES.values()
    ]
    if missing:
        handles.append(
            Patch(facecolor="none", edgecolor=_PALE, linestyle=(0, (4, 3)), label="nothing depends on it")
        )
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )


def _draw_edges(axes: Axes, shares: Sequence[Sequence[float]], operations: Sequence[Operation]) -> None:
    """Draw one bar for each edge, divided among the operations."""
    for edge, row in enumerate(shares):
        left = 0.0
        for operation, share in zip(operations, row, strict=True):
            axes.barh(edge, share, left=left, height=0.8, color=_OPERATIONS[operation], linewidth=0)
            axes.text(
                left + share / 2,
                edge,
                _bar_text(operation, share),
                horizontalalignment="center",
                verticalalignment="center_baseline",
                fontsize=8,
                color="white" if operation in _DARK else "black",
            )
            left += share
    axes.set(xlim=(0, 1), ylim=(len(shares) - 0.5, -0.5))
    axes.set_yticks(range(len(shares)), list(_edge_names(len(shares))), fontsize=9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(
        "What every cell does on each of its edges: shares of the operations in percent (softmax of alpha).",
        loc="left",
        fontsize=9,
        color=INK,
    )
    axes.legend(
        handles=[Patch(color=_OPERATIONS[operation], label=operation) for operation in operations],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=len(operations),
        frameon=False,
        fontsize=9,
    )


def _bar_text(operation: Operation, share: float) -> str:
    if share < _ROOM_FOR_SHARE:
        return ""
    return f"{operation} {_percent(share)}" if share >= _ROOM_FOR_NAME else _percent(share)


def _edge_names(number: int) -> Iterator[str]:
    """Yield the edges' names in the order of the nodes that they end at, then of those they begin at."""
    end = 1
    while number > 0:
        for begin in range(end):
            yield f"{f'node {begin}' if begin else 'input'} → node {end}"
        number -= end
        end += 1
