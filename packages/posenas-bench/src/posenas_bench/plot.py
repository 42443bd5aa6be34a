"""The picture of a comparison: how soon each strategy comes near the table's best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posenas.charts import new_figure, plain_axes, png

from posenas_bench.searches import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def regret_chart(comparisons: Sequence[Comparison]) -> bytes:
    """Return a PNG of regrets against the number of scored genotypes: means, with one standard error around.

    A strategy's line ends where its shortest search ends.
    """
    figure = new_figure(10, 5.5)
    axes = figure.subplots()
    for comparison in comparisons:
        _draw(axes, comparison)
    axes.set(xlabel="genotypes scored", ylabel="regret of the best one so far", ylim=(0, None))
    plain_axes(axes)
    figure.legend(loc="outside lower left", ncols=1, frameon=False, fontsize=9)  # whole lines of options
    return png(figure)


def _draw(axes: Axes, comparison: Comparison) -> None:
    columns = list(zip(*(search.regrets for search in comparison.searches), strict=False))
    places = range(1, len(columns) + 1)
    means = [statistics.fmean(column) for column in columns]
    errors = [_standard_error(column) for column in columns]
    (line,) = axes.plot(places, means, label=comparison.words)
    axes.fill_between(
        places,
        [mean - error for mean, error in zip(means, errors, strict=True)],
        [mean + error for mean, error in zip(means, errors, strict=True)],
        color=line.get_color(),
        alpha=0.2,
        linewidth=0,
    )


def _standard_error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
