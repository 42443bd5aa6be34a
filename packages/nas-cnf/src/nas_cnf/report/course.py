"""How decided an architecture became while it was learnt: entropies by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from posenas import Genotype
from posenas.charts import legend_below, new_figure, plain_axes, png, whole_ticks

from nas_cnf.entropy import mean_entropy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Course = Mapping[str, Sequence[float]]
"""Each real dimension's entropy in one training: at the start, and after each epoch."""

_STYLES = ("-", "--", ":", "-.")
_COLOURS = 10


def entropies(genotypes: Sequence[Genotype]) -> Course:
    """Return the entropies of the dimensions that were learnt and hold a choice.

    Args:
        genotypes: at the start of a training, and after each epoch.
    """
    values = {
        name: [torch.tensor(genotype[name], dtype=torch.float64) for genotype in genotypes]
        for name in genotypes[-1]
    }
    return {
        name: [float(mean_entropy([value])) for value in course]
        for name, course in values.items()
        if course[0].dim() and course[0].shape[-1] > 1
    }


def entropy_picture(courses: Sequence[Course]) -> bytes:
    """Return a PNG file: for each training one panel, with a line for each dimension."""
    figure = new_figure(10, 1.0 + 3.4 * len(courses))
    panels = figure.subplots(len(courses), 1, squeeze=False)[:, 0]
    for number, (axes, course) in enumerate(zip(panels, courses, strict=True), start=1):
        _draw_course(axes, course)
        if len(courses) > 1:
            axes.set_title(f"training {number}", loc="left", fontsize=10)
    legend_below(figure, panels[0])
    return png(figure)


def _draw_course(axes: Axes, course: Course) -> None:
    """Draw a line for each dimension.

    A group of dimensions, which stands before the last dot, has one colour. Dimensions of the same name in
    their groups have one style.
    """
    groups = _places(name.rpartition(".")[0] for name in course)
    leaves = _places(name.rpartition(".")[2] for name in course)
    for name, entropies in course.items():
        group, _, leaf = name.rpartition(".")
        axes.plot(
            range(len(entropies)),
            entropies,
            label=name,
            color=f"C{groups[group] % _COLOURS}",
            linestyle=_STYLES[leaves[leaf] % len(_STYLES)],
            linewidth=1.5,
            marker="o",
            markersize=3.5,
        )
    axes.set(xlabel="epoch (0: the start)", ylabel="mean entropy (1: all weigh alike)")
    axes.set_xticks(whole_ticks(range(max(map(len, course.values())))))
    axes.ticklabel_format(axis="y", useOffset=False)
    plain_axes(axes)


def _places(names: Iterable[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(dict.fromkeys(names))}
