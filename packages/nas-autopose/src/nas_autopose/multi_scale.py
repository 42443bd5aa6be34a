"""The multi-scale module: parallel branches, each of two individual cells and an aggregation cell.

Source: AutoPose (Gong et al., 2020), section 3.1, figures 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posenas.layers import convolution, made
from torch import Tensor, nn

from nas_autopose.cell import AGGREGATION_NODES, INDIVIDUAL_NODES, Cell
from nas_autopose.mixture import Edges, Terms


@dataclass(frozen=True)
class Cells:
    """The cells that all modules of a network have.

    Attributes:
        channels: those of each branch, from fine to coarse; each has twice as many as the one before.
        individual: the operations on each edge of an individual cell.
        aggregation: the same of an aggregation cell; None where there are none.
    """

    channels: tuple[int, ...]
    individual: Edges
    aggregation: Edges | None


class MultiScaleModule(nn.Module):
    """A module from the maps of all scales, fine to coarse, to maps of the same shapes.

    A branch that is off passes its map on. It has no layers here.

    Args:
        active: the branches that are on, 0 is the finest.
        cells: what a branch is made of.
    """

    def __init__(self, active: Sequence[int], cells: Cells) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({str(branch): made(Branch, branch, cells) for branch in active})

    def forward(
        self, maps: Sequence[Tensor], individual: Sequence[Terms], aggregation: Sequence[Terms]
    ) -> list[Tensor]:
        """Return the maps after this module, equation 1.

        Args:
            maps: the maps before it.
            individual: what the edges of individual cells compute.
            aggregation: what the edges of aggregation cells compute; empty where there are none.
        """
        heard = list(maps)
        for name, branch in self.branches.items():
            heard[int(name)] = branch(heard[int(name)], individual)
        if not aggregation:
            return heard
        outputs = list(heard)
        for name, branch in self.branches.items():
            assert isinstance(branch, Branch)
            assert branch.aggregation is not None
            outputs[int(name)] = branch.aggregation(heard, aggregation)
        return outputs


class Branch(nn.Module):
    """The two individual cells of a branch in sequence, and its aggregation cell, which the module calls.

    Args:
        place: the branch's among all scales, 0 is the finest.
        cells: what it is made of.
    """

    def __init__(self, place: int, cells: Cells) -> None:
        super().__init__()
        channels = cells.channels[place]
        self.individual = nn.ModuleList(
            Cell(channels, inputs=1, nodes=INDIVIDUAL_NODES, edges=cells.individual) for _ in range(2)
        )
        self.aggregation = (
            None if cells.aggregation is None else Aggregation(place, cells.channels, cells.aggregation)
        )

    def forward(self, features: Tensor, individual: Sequence[Terms]) -> Tensor:
        for cell in self.individual:
            features = cell([features], individual)
        return features


class Aggregation(nn.Module):
    """An aggregation cell, which first brings the maps of all scales to its own.

    Args:
        place: the branch's among all scales, 0 is the finest.
        channels: those of all branches.
        edges: the operations on each edge.
    """

    def __init__(self, place: int, channels: Sequence[int], edges: Edges) -> None:
        super().__init__()
        self.resize = nn.ModuleList(_resize(source, place, channels) for source in range(len(channels)))
        self.cell = Cell(channels[place], inputs=len(channels), nodes=AGGREGATION_NODES, edges=edges)

    def forward(self, maps: Sequence[Tensor], terms: Sequence[Terms]) -> Tensor:
        resized = [resize(features) for resize, features in zip(self.resize, maps, strict=True)]
        output: Tensor = self.cell(resized, terms)
        return output


def _resize(source: int, place: int, channels: Sequence[int]) -> nn.Module:
    """Return the module from one scale to another.

    The way down is a 3x3 convolution of stride 2 for each halving, the way up a 1x1 convolution and
    nearest-neighbour interpolation. The paper does not say how it resizes.
    """
    if source == place:
        return nn.Identity()
    if source > place:
        return nn.Sequential(
            convolution(channels[source], channels[place], kernel=1, stride=1, activation=None),
            nn.Upsample(scale_factor=2 ** (source - place), mode="nearest"),
        )
    return nn.Sequential(
        *(
            convolution(
                channels[scale],
                channels[scale + 1],
                kernel=3,
                stride=2,
                activation=None if scale + 1 == place else nn.ReLU,
            )
            for scale in range(source, place)
        )
    )
