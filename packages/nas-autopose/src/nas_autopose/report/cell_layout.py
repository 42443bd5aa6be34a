"""Where the inputs, nodes and edges of a cell are drawn, so that no edge lies on another one.

Places are (x, y) from left to right and from top to bottom. An edge is drawn as cubic curves one after the
other, from the middle of where it begins to the middle of where it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from nas_autopose.cell import AGGREGATION_NODES, edge_ends

Place: TypeAlias = tuple[float, float]


class Line(NamedTuple):
    """How an edge is drawn.

    Attributes:
        curve: where it begins, then for each cubic curve two handles and the end.
        label: the middle of what is written at it.
    """

    curve: Sequence[Place]
    label: Place


class Layout(NamedTuple):
    """Where a cell is drawn.

    Attributes:
        places: those of the inputs, then of the nodes.
        lines: those of the edges, in the order of `edge_ends`.
    """

    places: Sequence[Place]
    lines: Sequence[Line]


def cell_layout(inputs: int, nodes: int) -> Layout:
    """Return the layout of a cell: a chain where it has one input, else a fan, which has two nodes."""
    if inputs == 1:
        return _chain(nodes)
    assert nodes == AGGREGATION_NODES
    return _fan(inputs)


def _chain(nodes: int) -> Layout:
    """Return the input and all nodes in one row, with arcs from each to those behind the next."""
    places = [(float(x), 0.0) for x in range(1 + nodes)]
    return Layout(places, [_arc(begin, end) for begin, end in edge_ends(1, nodes)])


def _arc(begin: int, end: int) -> Line:
    """Return a straight line to the next node, and to a later one an arc that is the higher the longer."""
    middle = (begin + end) / 2
    if end == begin + 1:
        return Line(_straight((begin, 0.0), (end, 0.0)), (middle, 0.0))
    height, width = end - begin - 1.0, 0.2 * (end - begin)
    handle = -4 / 3 * height
    curve = [(begin, 0.0), (begin + width, handle), (end - width, handle), (end, 0.0)]
    return Line(curve, (middle, -height))


def _fan(inputs: int) -> Layout:
    """Return the inputs below each other, and both nodes to the right of their middle.

    An edge to the second node passes the first one above or below, those of the upper inputs above.
    """
    sources = [(0.0, float(source)) for source in range(inputs)]
    middle, upper = (inputs - 1) / 2, -(-inputs // 2)
    first, second = (2.0, middle), (4.0, middle)
    steps = [step for step in range(-upper, inputs - upper + 1) if step]
    lines = [
        *(Line(_straight(source, first), _between(source, first, 0.6)) for source in sources),
        *(_past(source, middle + step, second) for source, step in zip(sources, steps, strict=True)),
        Line(_straight(first, second), (3.0, middle)),
    ]
    return Layout([*sources, first, second], lines)


def _past(begin: Place, height: float, end: Place) -> Line:
    """Return a line that is level at a height in its middle."""
    (left, top), (right, bottom) = begin, end
    curve = [
        *((left, top), (left + 0.7, top), (left + 0.5, height), (left + 1.2, height)),
        *((left + 1.7, height), (right - 1.4, height), (right - 0.9, height)),
        *((right - 0.3, height), (right - 0.4, bottom), (right, bottom)),
    ]
    return Line(curve, (right - 1.0, height))


def _straight(begin: Place, end: Place) -> Sequence[Place]:
    return [_between(begin, end, share) for share in (0, 1 / 3, 2 / 3, 1)]


def _between(begin: Place, end: Place, share: float) -> Place:
    return (begin[0] + share * (end[0] - begin[0]), begin[1] + share * (end[1] - begin[1]))
