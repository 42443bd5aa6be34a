"""The layout of a fabric: where its cells are, and which cells each one hears.

A fabric is layers of cells. Cell s of a layer is at 1/(4 x 2^s) of the image and has C x 4 x 2^s channels. A
whole fabric of L layers and S scales has min(j + 2, S, L - j) cells in layer j: it widens from the stem to a
pyramid and narrows down to one cell at 1/4. Its first layers are a backbone, its last ones a part network.

Source: PoseNFS (Yang et al., 2019), figure 5 and section III-C; sources at the edges as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

FINEST = 4
"""The stride of the finest cells."""


def stride_of(scale: int) -> int:
    """Return the stride of the cells at a scale: 4 at scale 0, twice as much at each further one."""
    return FINEST << scale


def channels_of(scale: int, channels: int) -> int:
    """Return the channels of a cell at a scale, in a fabric with the channel factor C."""
    return channels * stride_of(scale)


def first_layers(number: int, scales: int) -> tuple[int, ...]:
    """Return the number of cells in each layer of a backbone, which makes a pyramid of a stem's output."""
    return tuple(min(layer + 2, scales) for layer in range(number))


def last_layers(number: int, scales: int) -> tuple[int, ...]:
    """Return the number of cells in each layer of a part network, which makes one map at 1/4 of a pyramid."""
    return tuple(min(scales, number - layer) for layer in range(number))


class Sources(NamedTuple):
    """The scales of the previous layer that a cell hears, in the order of its three betas."""

    parallel: int
    above: int
    below: int


def sources_of(scale: int, incoming: int) -> Sources:
    """Return the scales that a cell hears.

    At the edges of the fabric a missing neighbour is replaced: a missing own scale by the finer one, a
    missing finer or coarser one by the cell's own.

    Args:
        scale: the cell's.
        incoming: how many scales the previous layer has, at least `scale`.
    """
    parallel = scale if scale < incoming else scale - 1
    above = scale - 1 if scale else parallel
    below = scale + 1 if scale + 1 < incoming else parallel
    return Sources(parallel, above, below)


def sources_of_cells(layers: Sequence[int], incoming: int) -> list[Sources]:
    """Return the sources of every cell, layer after layer, as the rows of a beta."""
    return [
        sources_of(scale, before)
        for before, cells in zip([incoming, *layers], layers, strict=False)
        for scale in range(cells)
    ]


def needed_cells(
    layers: Sequence[int],
    incoming: int,
    weights: Sequence[Sequence[float]],
    *,
    heard: Sequence[bool] | None = None,
) -> list[list[bool]]:
    """Tell of each map whether anything depends on it, where a weight of 0 is no dependence.

    Args:
        layers: how many cells each layer has.
        incoming: how many maps the first layer hears.
        weights: the weights of every cell's three sources, layer after layer.
        heard: whether anything depends on each cell of the last layer; None if all are heard.

    Returns:
        First the maps that the first layer hears, then the cells, layer by layer.

    Source: PoseNFS's rule for useless cells, section IV-C.
    """
    before = [incoming, *layers]
    needed = [[False] * maps for maps in before[:-1]] + [
        [True] * layers[-1] if heard is None else list(heard)
    ]
    cells = [(layer, scale) for layer, number in enumerate(layers, 1) for scale in range(number)]
    rows = zip(cells, sources_of_cells(layers, incoming), weights, strict=True)
    for (layer, scale), sources, row in reversed(list(rows)):
        for source, weight in zip(sources, row, strict=True):
            if weight and needed[layer][scale]:
                needed[layer - 1][source] = True
    return needed
