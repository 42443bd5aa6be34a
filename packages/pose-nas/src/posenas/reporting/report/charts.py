"""What the charts of a report have in common: their colours, their axes, and their file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Literal

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#9aa3ad"
"""The colour of what stands behind, such as other candidates."""
BLUE = "#1f5fa8"
"""The colour of most marks."""
RED = "#c8442b"
"""The colour of what stands out, such as the answer."""
INK = "#4a525a"
"""The colour of words."""
COLOURS = "viridis"
"""The matplotlib colour map for marks that are coloured by a figure."""
_MOST_TICKS = 16
_LEGEND_COLUMNS = 6
_GRID = "#e4e7ea"


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of a width and height in inches; ten fill the width of the page."""
    return Figure(figsize=(width, height), dpi=144, layout="constrained")


def plain_axes(axes: Axes) -> None:
    """Give axes two spines, a pale grid under the marks, and room around them."""
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.08)


def legend_below(figure: Figure, axes: Axes) -> None:
    """Put a legend of the axes' marks below a figure, in as few rows as there is room for."""
    handles, labels = axes.get_legend_handles_labels()
    rows = -(-len(labels) // _LEGEND_COLUMNS)
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=-(-len(labels) // max(rows, 1)),
        frameon=False,
        fontsize=9,
    )


def columns(points: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Return all x, and all y."""
    pairs = list(points)
    return [x for x, _ in pairs], [y for _, y in pairs]


def whole_ticks(numbers: Collection[int]) -> Sequence[int]:
    """Return whole numbers at even steps from the least to the greatest, few enough to be read."""
    first, last = min(numbers), max(numbers)
    return range(first, last + 1, 1 + (last - first) // _MOST_TICKS)


def logarithmic(axes: Axes, name: Literal["x", "y"], values: Sequence[float]) -> None:
    """Make an axis logarithmic, with plain numbers at it, however near each other the values lie.

    Args:
        axes: of the chart.
        name: of the axis.
        values: those that are shown, all positive.
    """
    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    if max(values) == min(values):
        axes.set(**{f"{name}lim": (values[0] / 2, values[0] * 2)})
    narrow = max(values) < 5 * min(values)
    axis.set_major_locator(MaxNLocator(6) if narrow else LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def png(figure: Figure) -> bytes:
    """Return a PNG file that holds nothing but pixels."""
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
