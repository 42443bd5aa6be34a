"""The picture of a cell as a graph: the operation that weighs most on each edge, and how much it weighs.

Source: AutoPose (Gong et al., 2020), section 3.1.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.patches import PathPatch
from matplotlib.path import Path
from posenas.charts import BLUE, GREY, INK, RED, new_figure

from nas_autopose.operations import OPERATIONS, Operation
from nas_autopose.report.cell_layout import Line, Place, cell_layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS: dict[Operation, str] = {
    "conv5": "#0b3563",
    "conv3": BLUE,
    "conv1": "#7fb2de",
    "max3": RED,
    "avg3": "#e0a030",
    "skip": GREY,
}
_THICKEST = 4.5
"""The width, in points, of the line of an operation that is alone on its edge."""

_PER_STEP, _MARGIN = 0.66, 0.45
"""The height of a step of the layout in inches, and the steps above the highest line and below the lowest."""

_CENTRED: dict[str, Any] = {
    "horizontalalignment": "center",
    "verticalalignment": "center_baseline",
    "color": "black",
}


def cell_figure(shares: Sequence[Sequence[float]], *, inputs: Sequence[str], nodes: int) -> Figure:
    """Draw a cell from left to right.

    Args:
        shares: (edges, operations) how much each operation weighs, in the order of `edge_ends`.
        inputs: their names.
        nodes: how many there are.
    """
    layout = cell_layout(len(inputs), nodes)
    heights = [y for line in layout.lines for _, y in (*line.curve[::3], line.label)]
    top, bottom = min(heights) - _MARGIN, max(heights) + _MARGIN
    figure = new_figure(10, _PER_STEP * (bottom - top + _MARGIN))
    axes = figure.subplots()
    for line, row in zip(layout.lines, shares, strict=True):
        _draw_edge(axes, line, row)
    for name, place in zip(inputs, layout.places, strict=False):
        _draw_point(axes, place, name, box="square,pad=0.35")
    for number, place in enumerate(layout.places[len(inputs) :], start=1):
        _draw_point(axes, place, str(number), box="circle,pad=0.35")
    _draw_output(axes, layout.places[len(inputs) :], height=bottom)
    axes.set(xlim=(-0.4, layout.places[-1][0] + 1.2), ylim=(bottom + _MARGIN, top))
    axes.set_axis_off()
    return figure


def edge_label(row: Sequence[float]) -> str:
    """Return what is written at an edge: its heaviest operation, and the share of one that is not alone.

    Args:
        row: how much each operation weighs.
    """
    operation, share = _heaviest(row)
    return operation if share == 1 else f"{operation} {100 * share:.0f} %"


def _heaviest(row: Sequence[float]) -> tuple[Operation, float]:
    share = max(row)
    return OPERATIONS[list(row).index(share)], share


def _draw_edge(axes: Axes, line: Line, row: Sequence[float]) -> None:
    """Draw an edge as wide as its heaviest operation's share, and write what that is."""
    operation, share = _heaviest(row)
    codes = [Path.MOVETO, *[Path.CURVE4] * (len(line.curve) - 1)]
    colour, width = _COLOURS[operation], _THICKEST * share
    axes.add_patch(
        PathPatch(Path(line.curve, codes), fill=False, edgecolor=colour, linewidth=width, zorder=1)
    )
    axes.text(*line.label, edge_label(row), fontsize=9, bbox=_paper("round,pad=0.15"), zorder=3, **_CENTRED)


def _draw_point(axes: Axes, place: Place, name: str, *, box: str) -> None:
    """Draw an input or a node, with its name in a box of a style of matplotlib's."""
    axes.text(*place, name, fontsize=10, bbox=_paper(box, edge=INK), zorder=4, **_CENTRED)


def _draw_output(axes: Axes, nodes: Sequence[Place], height: float) -> None:
    """Draw that all nodes are joined: dotted lines from them down to a height, and on to the output."""
    end = nodes[-1][0] + 0.75
    dotted: dict[str, Any] = {"color": INK, "linewidth": 1.1, "linestyle": (0, (1, 2)), "zorder": 0}
    for x, y in nodes:
        axes.plot([x, x], [y, height], **dotted)
    axes.plot([nodes[0][0], end], [height, height], **dotted)
    axes.text(
        end,
        height,
        "joined,\n1x1 convolution",
        fontsize=10,
        bbox=_paper("square,pad=0.35", edge=INK),
        zorder=4,
        **_CENTRED,
    )


def _paper(style: str, *, edge: str = "none") -> dict[str, Any]:
    return {"boxstyle": style, "facecolor": "white", "edgecolor": edge, "linewidth": 1.3}
