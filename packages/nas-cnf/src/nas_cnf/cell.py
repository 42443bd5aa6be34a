"""The unit of a fabric: it sums three sources and passes the sum through hidden nodes of mixed operations.

Source: PoseNFS (Yang et al., 2019), section III-B, Eq. 1 to 3; layers as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from nas_cnf.layout import Sources, channels_of, sources_of
from nas_cnf.mixing import Weight, is_nothing, weighted_sum
from nas_cnf.operations import Operation, make_operation

_SUMMED = 2
"""The number of a cell's hidden nodes that are sums over their edges, as in the paper's networks.

The further nodes are means. As sums, each would be some four times as large as the one before.
"""


class Cell(nn.Module):
    """A cell, from the maps of the previous layer to one (N, C x stride, H, W) map at its own scale.

    Modules have the same names in every fabric: `sources.above`, `edges.0.sep3`, `output`. An operation or a
    source that is left out counts as nothing.

    Args:
        scale: this cell's.
        incoming: how many scales the previous layer has.
        channels: the fabric's channel factor C.
        hidden: the number of nodes. Each hears the input and all nodes before it; from the third on they are
            means.
        operations: the candidates on each edge.
    """

    def __init__(
        self, scale: int, incoming: int, *, channels: int, hidden: int, operations: Sequence[Operation]
    ) -> None:
        super().__init__()
        width = channels_of(scale, channels)
        self._from = sources_of(scale, incoming)
        self._operations = tuple(operations)
        self._hidden = hidden
        self.sources = nn.ModuleDict(
            {name: _scale_transfer(source, scale, channels) for name, source in self._from._asdict().items()}
        )
        edges = hidden * (hidden + 1) // 2
        self.edges = nn.ModuleList(_candidates(operations, width) for _ in range(edges))
        self.output = nn.Conv2d(hidden * width, width, 1)

    def forward(
        self,
        previous: Sequence[Tensor | None],
        sources: Sequence[Weight],
        operations: Sequence[Sequence[Weight]],
    ) -> Tensor:
        """Return the cell's map.

        Args:
            previous: the previous layer's maps. A map that nothing depends on is None and counts as nothing.
            sources: the weights of the three sources, Eq. 2.
            operations: the weights of the operations on each edge, Eq. 1. Edges are in the order of the nodes
                they end at, then of those they begin at.
        """
        nodes = [self._input(previous, sources)]
        for number in range(1, self._hidden + 1):
            first = number * (number - 1) // 2
            edges = range(first, first + number)
            terms = (
                term
                for edge, node in zip(edges, nodes, strict=True)
                for term in self._mixed(edge, node, operations[edge])
            )
            node = weighted_sum(terms)
            if node is not None and number > _SUMMED:
                node = node / number
            nodes.append(torch.zeros_like(nodes[0]) if node is None else node)
        hidden = nodes[1] if self._hidden == 1 else torch.cat(nodes[1:], dim=1)
        output: Tensor = self.output(hidden)
        return output

    def leave_out(self, sources: Sequence[float], operations: Sequence[Sequence[float]]) -> None:
        """Delete the layers of everything that weighs exactly 0; the arguments are those of `forward`."""
        for name, weight in zip(self._from._fields, sources, strict=True):
            if weight == 0 and not isinstance(self.sources[name], nn.Identity):
                del self.sources[name]
        for candidates, row in zip(self.edges, operations, strict=True):
            assert isinstance(candidates, nn.ModuleDict)
            for operation, weight in zip(self._operations, row, strict=True):
                if weight == 0 and operation in candidates:
                    del candidates[operation]

    def _input(self, previous: Sequence[Tensor | None], weights: Sequence[Weight]) -> Tensor:
        total = weighted_sum(self._heard(previous, weights))
        assert total is not None, "something is heard, or the cell itself would have been left out"
        return relu(total, inplace=True)

    def _heard(
        self, previous: Sequence[Tensor | None], weights: Sequence[Weight]
    ) -> Iterator[tuple[Tensor, Weight]]:
        merged = _merged(self._from, self.sources, weights)
        for (source, name), weight in merged.items():
            features = previous[source]
            if features is not None and name in self.sources and not is_nothing(weight):
                yield self.sources[name](features), weight

    def _mixed(self, edge: int, node: Tensor, weights: Sequence[Weight]) -> Iterator[tuple[Tensor, Weight]]:
        candidates = self.edges[edge]
        assert isinstance(candidates, nn.ModuleDict)
        for name, weight in zip(self._operations, weights, strict=True):
            if name in candidates and not is_nothing(weight):
                yield candidates[name](node), weight


def _merged(
    sources: Sources, modules: nn.ModuleDict, weights: Sequence[Weight]
) -> dict[tuple[int, str], Weight]:
    """Return the weights by source and module.

    A map that is taken twice unchanged counts once, with the sum of its weights.
    """
    merged: dict[tuple[int, str], Weight] = {}
    for source, name, weight in zip(sources, sources._fields, weights, strict=True):
        is_copy = name in modules and isinstance(modules[name], nn.Identity)
        key = (source, "parallel" if is_copy else name)
        merged[key] = merged[key] + weight if key in merged else weight
    return merged


def _candidates(operations: Sequence[Operation], width: int) -> nn.ModuleDict:
    made = {name: make_operation(name, width) for name in operations}
    return nn.ModuleDict({name: module for name, module in made.items() if module is not None})


def _scale_transfer(source: int, scale: int, channels: int) -> nn.Module:
    """Return the module from one scale to the next one, or to itself.

    The paper has a ReLU after the way down; the authors' code has none.
    """
    incoming, outgoing = channels_of(source, channels), channels_of(scale, channels)
    if source == scale:
        return nn.Identity()
    if source < scale:
        return nn.Sequential(nn.Conv2d(incoming, outgoing, 3, 2, 1), nn.BatchNorm2d(outgoing))
    return nn.Sequential(
        nn.Conv2d(incoming, outgoing, 1),
        nn.BatchNorm2d(outgoing),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    )
