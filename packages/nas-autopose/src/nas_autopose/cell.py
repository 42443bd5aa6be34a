"""The cell: nodes that sum operations on the cell's inputs and on the nodes before them.

Source: AutoPose (Gong et al., 2020), section 3.1.2, equations 2 to 4.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from posenas.layers import made
from torch import Tensor, nn

from nas_autopose.mixture import Edges, Terms
from nas_autopose.operations import make_convolutions, outputs

INDIVIDUAL_NODES = 4
AGGREGATION_NODES = 2


def edge_ends(inputs: int, nodes: int) -> list[tuple[int, int]]:
    """Return where each edge of a cell begins and ends, in the order of the rows of alpha.

    The inputs are 0 to `inputs` - 1, and the nodes come after them. Edges are in the order of the nodes that
    they end at, then of what they begin at.
    """
    return [(begin, inputs + node) for node in range(nodes) for begin in range(inputs + node)]


class Cell(nn.Module):
    """A cell, from (N, C, H, W) maps to one map of the same shape.

    An individual cell has one input, an aggregation cell one from each branch. All nodes are joined, and a
    1x1 convolution and batch norm make the output.

    Args:
        channels: C.
        inputs: how many maps come in.
        nodes: how many nodes there are.
        edges: the operations on each edge, in the order of `edge_ends`.
    """

    def __init__(self, channels: int, *, inputs: int, nodes: int, edges: Edges) -> None:
        super().__init__()
        self._ends = tuple(edge_ends(inputs, nodes))
        self._inputs = inputs
        self.edges = nn.ModuleList(make_convolutions(names, channels) for names in edges)
        self.output = nn.Sequential(
            made(nn.Conv2d, nodes * channels, channels, 1, bias=False), made(nn.BatchNorm2d, channels)
        )

    def forward(self, maps: Sequence[Tensor], terms: Sequence[Terms]) -> Tensor:
        """Return the cell's map.

        Args:
            maps: the inputs.
            terms: what is computed on each edge.
        """
        nodes = list(maps)
        for (begin, end), convolutions, weights in zip(self._ends, self.edges, terms, strict=True):
            assert isinstance(convolutions, nn.ModuleDict)
            mixed = _mixed(nodes[begin], weights, convolutions)
            if end < len(nodes):
                nodes[end] = nodes[end] + mixed
            else:
                nodes.append(mixed)
        output: Tensor = self.output(torch.cat(nodes[self._inputs :], dim=1))
        return output


def _mixed(features: Tensor, terms: Terms, convolutions: nn.ModuleDict) -> Tensor:
    """Return the weighted sum of operations, equation 4; a sole operation without a weight as it is."""
    weighted = [
        output * weight if isinstance(weight, Tensor) else output
        for output, weight in zip(outputs(features, terms, convolutions), terms.values(), strict=True)
    ]
    total: Tensor = sum(weighted[1:], weighted[0])
    return total
