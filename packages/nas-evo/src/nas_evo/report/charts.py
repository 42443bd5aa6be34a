"""Charts of an evolution: fitness by generation, and loss against parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.colors import Normalize
from posenas.charts import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    RED,
    columns,
    legend_below,
    logarithmic,
    new_figure,
    plain_axes,
    png,
    whole_ticks,
)

from nas_evo.report.family import Evolved, Family, known_fitness
from nas_evo.report.tables import FITNESS, SIZE, generation_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE = 6.0
"""Values further apart than this ratio are shown on a logarithmic axis."""


def fitness_picture(family: Family) -> bytes | None:
    """Return a PNG file: the fitness of every network by generation; None where all failed."""
    if not known_fitness(family.networks.values()):
        return None
    figure = new_figure(10, 4.4)
    axes = figure.subplots()
    dots = [
        (generation + 0.6 * ((rank + 0.5) / len(networks) - 0.5), network.descent.fitness)
        for generation, networks in family.generations.items()
        for rank, network in enumerate(networks)
        if network.descent.fitness is not None
    ]
    axes.scatter(*columns(dots), s=20, color=GREY, linewidths=0, label="network")
    table = generation_table(family)
    for label, color, values in (
        ("median of the generation", BLUE, [(row.number, row.median) for row in table]),
        ("best so far", RED, [(row.number, row.best_so_far) for row in table]),
    ):
        known = [(number, value) for number, value in values if value is not None]
        axes.plot(*columns(known), color=color, linewidth=1.5, marker="o", markersize=4, label=label)
    axes.set(xlabel="generation", ylabel=FITNESS)
    axes.set_xticks(whole_ticks(family.generations))
    plain_axes(axes)
    _tame(axes, [fitness for _, fitness in dots])
    legend_below(figure, axes)
    return png(figure)


def losses_picture(family: Family) -> bytes | None:
    """Return a PNG file: validation loss against parameters; None where no network has both."""
    shown = [network for network in family.networks.values() if _place(network) is not None]
    if not shown:
        return None
    figure = new_figure(10, 4.8)
    axes = figure.subplots()
    sizes, losses = columns(place for network in shown if (place := _place(network)) is not None)
    dots = axes.scatter(
        sizes,
        losses,
        s=30,
        c=[network.descent.generation for network in shown],
        cmap=f"{COLOURS}_r",
        norm=Normalize(0, max(*family.generations, 1)),
        edgecolors=INK,
        linewidths=0.4,
    )
    ticks = whole_ticks(family.generations)
    figure.colorbar(dots, ax=axes, label="generation", pad=0.02, ticks=ticks)
    ancestors = [network for network in shown if network.descent.parent is None]
    _ring(axes, ancestors, marker="s", color=INK, label="ancestor")
    chosen = [network for network in shown if network == family.winner]
    _ring(axes, chosen, marker="o", color=RED, label="winner" if family.finished else "fittest so far")
    axes.set_xlabel("parameters with batch norm's statistics, millions")
    axes.set_ylabel("validation loss of the best epoch")
    plain_axes(axes)
    logarithmic(axes, "x", sizes)
    _tame(axes, losses)
    legend_below(figure, axes)
    return png(figure)


def _place(network: Evolved) -> tuple[float, float] | None:
    """Return millions of parameters and the loss, or None if one is not known."""
    size, loss = network.trial.costs.get(SIZE), network.trial.loss
    return None if size is None or loss is None else (size / 1e6, loss)


def _ring(axes: Axes, networks: Sequence[Evolved], *, marker: str, color: str, label: str) -> None:
    places = [place for network in networks if (place := _place(network)) is not None]
    if places:
        axes.scatter(
            *columns(places),
            s=130,
            marker=marker,
            facecolors="none",
            edgecolors=color,
            linewidths=1.5,
            label=label,
        )


def _tame(axes: Axes, values: Sequence[float]) -> None:
    """Make the axis logarithmic where one bad network would press all others together."""
    if min(values) > 0 and max(values) > _WIDE * min(values):
        logarithmic(axes, "y", values)
