"""The family `tiny`: small networks of a region for CPUs, tests and small data.

It is this project's own. Dense 3x3 convolutions do most work in a CPU's second. Those at half the region's
resolution see most of the region, and those at full resolution keep the places exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from posenas import Choice, Genotype
from posenas.layers import BasicBlock, convolution, initialise, made
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from head_zoom.entries import entered, entries

_HIDDEN = 32
"""The channels before the last convolution."""

_VALUES = {
    "fine.depth": (1, 2),
    "fine.width": (8, 12, 16),
    "fine.groups": (4, 2, 1),
    "coarse.depth": (1, 2, 3),
    "coarse.width": (16, 24, 32),
    "coarse.groups": (4, 2, 1),
}


class TinyNetwork(nn.Module):
    """Basic blocks at the region's resolution, then at half of it; both are added up before the output.

    It takes (M, C, S, S) features of an even side to (M, keypoints, S, S) heat maps.
    """

    def __init__(self, genotype: Genotype, levels: Mapping[str, int], keypoints: int) -> None:
        super().__init__()
        fine, coarse = genotype["fine.width"], genotype["coarse.width"]
        self.entry = entries(levels, fine)
        self.fine = _blocks("fine", genotype)
        self.down = convolution(fine, coarse, kernel=3, stride=2)
        self.coarse = _blocks("coarse", genotype)
        self.from_fine = made(nn.Conv2d, fine, _HIDDEN, 1, bias=False)
        self.from_coarse = made(nn.Conv2d, coarse, _HIDDEN, 1, bias=False)
        self.norm = made(nn.BatchNorm2d, _HIDDEN)
        self.output = nn.Conv2d(_HIDDEN, keypoints, 1)

    def forward(self, features: Tensor) -> Tensor:
        fine = self.fine(entered(self.entry, features))
        coarse = self.from_coarse(self.coarse(self.down(fine)))
        hidden = self.from_fine(fine) + interpolate(coarse, scale_factor=2.0, mode="bilinear")
        maps: Tensor = self.output(relu(self.norm(hidden)))
        return maps


@dataclass(frozen=True)
class Tiny:
    """The family of the networks of this module."""

    sizes: ClassVar[tuple[int, ...]] = (16, 24, 32)

    def dimensions(self) -> dict[str, Choice]:
        """Return the dimensions, each from cheap to dear: the first values make the smallest member."""
        return {name: Choice(values) for name, values in _VALUES.items()}

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:  # noqa: ARG002
        """Return nothing: every group number divides every width."""
        return {}

    def build(self, genotype: Genotype, levels: Mapping[str, int], keypoints: int) -> TinyNetwork:
        """Return the member with fresh weights."""
        network = TinyNetwork(genotype, levels, keypoints)
        initialise(network, partial(nn.init.kaiming_normal_, mode="fan_out"))
        nn.init.normal_(network.output.weight, std=0.001)
        return network


def _blocks(name: str, genotype: Genotype) -> nn.Sequential:
    width, groups = genotype[f"{name}.width"], genotype[f"{name}.groups"]
    return nn.Sequential(
        *(BasicBlock(width, groups=groups, attention=None) for _ in range(genotype[f"{name}.depth"]))
    )


TINY = Tiny()
