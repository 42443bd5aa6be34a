"""The picture of which branches are on in each stage, and of the scales that their aggregation cells hear.

Source: AutoPose (Gong et al., 2020), figures 1 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch
from posenas.charts import BLUE, INK, RED, new_figure

from nas_autopose.network import FINEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PALE = "#b4bcc4"
_CELLS = "#dce8f4"
_DASHES = (0, (3, 3))
_WIDTH, _HEIGHT = 0.26, 0.44
"""The size of a branch's individual cells, where stages and scales are 1 apart."""

_INDIVIDUAL, _HEARD, _AGGREGATION = -0.26, -0.1, 0.3
"""Where the individual cells are, where their map is heard, and where the aggregation cell is; all from the
middle of a stage."""

_BAR = 0.13
"""The width of the stem and of the output."""

_PER_SCALE, _AROUND = 0.72, 1.2
"""The height of a scale, and of the words around, in inches."""

_CIRCLE: dict[str, Any] = {
    "marker": "o",
    "linestyle": "",
    "color": "white",
    "markeredgecolor": INK,
    "markeredgewidth": 1.3,
}


def branches_figure(
    active: Sequence[Sequence[int]], *, channels: Sequence[int], modules: int, aggregation: bool
) -> Figure:
    """Draw a row for each scale and a column for each stage.

    Args:
        active: the branches that are on in each stage, 0 is the finest.
        channels: those of each scale, from fine to coarse.
        modules: those of a stage, which are alike; one of them is drawn.
        aggregation: whether modules have aggregation cells.
    """
    scales = len(channels)
    figure = new_figure(10, _PER_SCALE * scales + _AROUND)
    axes = figure.subplots()
    _draw_bar(axes, 0, scales)
    for stage, on in enumerate(active, start=1):
        for scale in range(scales):
            _draw_branch(axes, stage, scale, is_on=scale in on)
        for scale in on if aggregation else ():
            _draw_aggregation(axes, stage, scale, scales=scales)
    _draw_bar(axes, len(active) + 1, scales)
    _name_rows_and_columns(axes, active, channels=channels, modules=modules)
    figure.legend(
        handles=_legend(active, scales=scales, aggregation=aggregation),
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize=9,
    )
    return figure


def _draw_branch(axes: Axes, stage: int, scale: int, *, is_on: bool) -> None:
    """Draw a branch's line and its individual cells, or the place where they would be.

    Args:
        axes: of the picture.
        stage: the first one is 1.
        scale: the branch's.
        is_on: whether it is on.
    """
    colour = INK if is_on else _PALE
    axes.plot([stage - 0.5, stage + 0.5], [scale, scale], color=colour, linewidth=1.4, zorder=1)
    axes.add_patch(
        FancyBboxPatch(
            (stage + _INDIVIDUAL - _WIDTH / 2, scale - _HEIGHT / 2),
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.04",
            facecolor=_CELLS if is_on else "white",
            edgecolor=colour,
            linestyle="-" if is_on else _DASHES,
            linewidth=1.3 if is_on else 0.9,
            zorder=3,
        )
    )


def _draw_aggregation(axes: Axes, stage: int, scale: int, *, scales: int) -> None:
    """Draw a branch's aggregation cell, and a line to it from the map of each other scale.

    Args:
        axes: of the picture.
        stage: the first one is 1.
        scale: the branch's.
        scales: how many there are.
    """
    for source in range(scales):
        if source != scale:
            colour = BLUE if source < scale else RED
            axes.plot(
                [stage + _HEARD, stage + _AGGREGATION], [source, scale], color=colour, linewidth=1.1, zorder=2
            )
    axes.plot([stage + _AGGREGATION], [scale], markersize=10, zorder=4, **_CIRCLE)


def _draw_bar(axes: Axes, column: int, scales: int) -> None:
    """Draw the stem, which is column 0, or the output, and the lines of the scales' maps at it."""
    for scale in range(scales):
        half = column + (0.5 if column == 0 else -0.5)
        axes.plot([column, half], [scale, scale], color=INK, linewidth=1.4, zorder=1)
    axes.add_patch(
        FancyBboxPatch(
            (column - _BAR / 2, -0.36),
            _BAR,
            scales - 1 + 0.72,
            boxstyle="round,pad=0,rounding_size=0.04",
            facecolor="#eef0f2",
            edgecolor=INK,
            linewidth=1.3,
            zorder=3,
        )
    )


def _name_rows_and_columns(
    axes: Axes, active: Sequence[Sequence[int]], *, channels: Sequence[int], modules: int
) -> None:
    """Name the scales with their channels, and the stages with what is not to be seen in the picture."""
    axes.set(xlim=(-0.25, len(active) + 1.25), ylim=(len(channels) - 0.5, -0.5))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    times = f"× {modules}" if modules > 1 else ""
    stages = [f"stage {stage}\n{times if on else 'off'}" for stage, on in enumerate(active, start=1)]
    axes.set_xticks(range(len(active) + 2), ["stem\n", *stages, f"joined\nat 1/{FINEST}"])
    axes.set_yticks(
        range(len(channels)),
        [f"1/{FINEST << scale}\n{width} channels" for scale, width in enumerate(channels)],
    )


def _legend(active: Sequence[Sequence[int]], *, scales: int, aggregation: bool) -> list[Line2D | Patch]:
    """Return an entry for each kind of thing that is in the picture."""
    on = {scale for stage in active for scale in stage}
    handles: list[Line2D | Patch] = []
    if on:
        handles.append(Patch(facecolor=_CELLS, edgecolor=INK, label="on: two individual cells"))
    if any(len(stage) < scales for stage in active):
        handles.append(
            Patch(facecolor="white", edgecolor=_PALE, linestyle=_DASHES, label="off: passes its map on")
        )
    if on and aggregation:
        handles.append(Line2D([], [], markersize=9, label="aggregation cell", **_CIRCLE))
        if max(on) > 0:
            handles.append(Line2D([], [], color=BLUE, label="hears a finer scale"))
        if min(on) < scales - 1:
            handles.append(Line2D([], [], color=RED, label="hears a coarser scale"))
    return handles
