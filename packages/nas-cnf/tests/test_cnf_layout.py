"""Where cells are, whom they hear, and which of them anything depends on."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from nas_cnf.layout import Sources, channels_of, first_layers, last_layers, needed_cells, sources_of


def whole_fabric(layers: int, scales: int) -> list[int]:
    """The paper's rule, for a fabric from the stem to the last cell."""
    return [min(layer + 2, scales, layers - layer) for layer in range(layers)]


@pytest.mark.parametrize(
    ("layers", "cells"),
    [(6, [2, 3, 4, 3, 2, 1]), (7, [2, 3, 4, 4, 3, 2, 1]), (8, [2, 3, 4, 4, 4, 3, 2, 1])],
)
def test_layers_are_the_ends_of_whole_fabrics(layers: int, cells: list[int]) -> None:
    assert whole_fabric(layers, 4) == cells
    assert list(last_layers(3, 4)) == cells[-3:] == [3, 2, 1]
    for reserved in range(1, layers - 2):
        assert list(first_layers(reserved, 4)) == cells[:reserved]


def test_published_numbers_of_cells() -> None:
    """Table VIII, and the six cells of a part network."""
    assert [sum(first_layers(layers, 4)) for layers in (3, 5)] == [9, 17]
    assert sum(last_layers(3, 4)) == 6
    assert list(last_layers(5, 3)) == [3, 3, 3, 2, 1]


def test_channels_grow_with_the_stride() -> None:
    assert [channels_of(scale, 10) for scale in range(4)] == [40, 80, 160, 320]


@pytest.mark.parametrize(
    ("scale", "incoming", "expected"),
    [
        (1, 4, Sources(1, 0, 2)),
        (2, 4, Sources(2, 1, 3)),
        (0, 4, Sources(0, 0, 1)),  # nothing finer: its own
        (3, 4, Sources(3, 2, 3)),  # nothing coarser: its own
        (1, 2, Sources(1, 0, 1)),
        (2, 2, Sources(1, 1, 1)),  # its own not there yet: the finer one for all
        (1, 1, Sources(0, 0, 0)),  # the first layer's second cell, from the stem
        (0, 1, Sources(0, 0, 0)),
    ],
)
def test_sources_at_the_edges(scale: int, incoming: int, expected: Sources) -> None:
    assert sources_of(scale, incoming) == expected


def reached(layers: Sequence[int], incoming: int, weights: Sequence[Sequence[float]]) -> set[tuple[int, int]]:
    """Maps with a path to the last layer, found forwards from each, one path after another; those that the
    first layer hears are of layer -1."""
    rows = iter(weights)
    hears: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for layer, cells in enumerate(layers):
        before = layers[layer - 1] if layer else incoming
        for scale in range(cells):
            row = next(rows)
            pairs = zip(sources_of(scale, before), row, strict=True)
            hears[layer, scale] = {(layer - 1, source) for source, weight in pairs if weight > 0}
    last = len(layers) - 1

    def leads_on(cell: tuple[int, int]) -> bool:
        return cell[0] == last or any(
            cell in heard and leads_on(listener) for listener, heard in hears.items()
        )

    maps = [*hears, *((-1, scale) for scale in range(incoming))]
    return {one for one in maps if leads_on(one)}


def test_a_last_cell_that_is_not_heard_is_not_needed() -> None:
    own_scale = [[1.0, 0.0, 0.0]] * 9
    needed = needed_cells((3, 3, 3), 3, own_scale, heard=(True, False, True))
    assert needed == [[True, False, True]] * 4


@pytest.mark.parametrize("seed", range(6))
def test_needed_cells_are_those_with_a_path_to_the_end(seed: int) -> None:
    rng = Random(seed)
    for incoming, layers in ((4, (3, 2, 1)), (1, (2, 3, 4, 4)), (3, (3, 3, 3, 2, 1)), (1, (2,))):
        weights = [[rng.choice((0.0, 0.0, 1.0)) for _ in range(3)] for _ in range(sum(layers))]
        needed = needed_cells(layers, incoming, weights)
        assert [len(row) for row in needed] == [incoming, *layers]
        found = {
            (layer, scale) for layer, row in enumerate(needed, -1) for scale, need in enumerate(row) if need
        }
        assert found == reached(layers, incoming, weights)
