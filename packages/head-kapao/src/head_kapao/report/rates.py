"""How often a step of the decoding replaces each keypoint, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from posenas.charts import BLUE, INK, new_figure, plain_axes, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from posenas import KeypointSet

_IN_A_COLUMN = 40
_BAR = 0.24
"""The distance of one bar from the next, in inches."""
_ROOM = 0.08
"""The room for the number behind the longest bar, as a share of the bar where there is one column."""


def in_order(rates: Mapping[str, float], keypoints: KeypointSet | None) -> Mapping[str, float]:
    """Return the rates in the order of the keypoint set; those that it does not know come last."""
    known = () if keypoints is None else keypoints.names
    return {name: rates[name] for name in (*known, *rates) if name in rates}


def rates_picture(rates: Mapping[str, float], *, step: str) -> bytes:
    """Return a PNG file: a bar for each keypoint from above to below, in columns where they are many.

    Args:
        rates: by keypoint, in the order to show; at least one of them above 0.
        step: what the decoding's step is called.
    """
    bars = list(rates.items())
    count = -(-len(bars) // _IN_A_COLUMN)
    rows = -(-len(bars) // count)
    figure = new_figure(10, 1.0 + _BAR * rows)
    columns = figure.subplots(1, count, squeeze=False, sharex=True)[0]
    reach = (1 + _ROOM * count) * max(rates.values())
    for number, axes in enumerate(columns):
        _draw_bars(axes, bars[number * rows : (number + 1) * rows], rows=rows, reach=reach)
        axes.set_xlabel(f"{step} rate" if count > 1 else f"{step} rate: replaced / labelled keypoints")
    return png(figure)


def _draw_bars(axes: Axes, bars: Sequence[tuple[str, float]], *, rows: int, reach: float) -> None:
    places = range(len(bars))
    drawn = axes.barh(places, [rate for _, rate in bars], height=0.7, color=BLUE)
    axes.bar_label(drawn, [f"{rate:.2f}" for _, rate in bars], padding=4, color=INK, fontsize=8)
    plain_axes(axes)
    axes.grid(visible=False, axis="y")
    axes.set_yticks(places, [name for name, _ in bars], fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, reach), ylim=(rows - 0.4, -0.6))
