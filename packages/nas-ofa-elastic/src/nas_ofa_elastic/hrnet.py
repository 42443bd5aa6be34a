"""The HRNet-W32 space of ViPNAS (Xu et al., CVPR 2021, table A3), for inputs of about 256x192.

The table prints ranges. The steps of widths and depths are those of ZoomNAS (Xu et al., TPAMI 2022), whose
body network is searched in the same space; group numbers halve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from posenas import Choice, Genotype
from posenas.layers import BLOCKS, Branch, HRNet, HRNetPlan, Stage, initialise
from torch import nn

from nas_ofa_elastic.family import dividing, valid_groups


@dataclass(frozen=True)
class BranchRange:
    """The values that the blocks of a branch may take, each from cheap to dear."""

    width: tuple[int, ...]
    groups: tuple[int, ...]

    def dimensions(self) -> dict[str, tuple[Any, ...]]:
        """Return the values of each dimension, by the last word of its name."""
        return {"width": self.width, "groups": self.groups, "attention": (False, True)}

    def branch(self, name: str, genotype: Genotype) -> Branch:
        """Return the branch that a genotype describes under this name."""
        width = genotype[f"{name}.width"]
        groups = valid_groups(genotype[f"{name}.groups"], self.groups, (width,))
        return Branch(width, groups, genotype[f"{name}.attention"])


@dataclass(frozen=True)
class ElasticHRNet:
    """The family of HRNets whose depths, widths, groups and attention vary.

    Attributes:
        stem_width: the values of the stem's width.
        depth: the values of each stage, in blocks of each branch; a stage of one depth has no such dimension.
        bottleneck: the first stage's blocks; they put out 4 x its width.
        branches: those at 1/4, 1/8, ... of the image. Stage s has the first s of them, each stage its own
            values.
    """

    stem_width: tuple[int, ...]
    depth: tuple[tuple[int, ...], ...]
    bottleneck: BranchRange
    branches: tuple[BranchRange, ...]

    def dimensions(self) -> dict[str, Choice]:
        """Return the dimensions, each from cheap to dear: the first values make the smallest member."""
        values: dict[str, tuple[Any, ...]] = {"stem.width": self.stem_width}
        for number, depth in enumerate(self.depth, 1):
            values |= {f"stage{number}.depth": depth} if len(depth) > 1 else {}
            for name, branch in self._ranges(number).items():
                values |= {f"{name}.{key}": choice for key, choice in branch.dimensions().items()}
        return {name: Choice(choice) for name, choice in values.items()}

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the group numbers that divide the genotype's widths."""
        return {
            f"{name}.groups": dividing(branch.groups, (genotype[f"{name}.width"],))
            for number in range(1, len(self.depth) + 1)
            for name, branch in self._ranges(number).items()
        }

    def build(self, genotype: Genotype) -> HRNet:
        """Return the member with fresh weights; its last level is `stage4.branch1`."""
        depths = [
            genotype.get(f"stage{number}.depth", depth[0]) for number, depth in enumerate(self.depth, 1)
        ]
        stages = [
            tuple(branch.branch(name, genotype) for name, branch in self._ranges(number).items())
            for number in range(1, len(depths) + 1)
        ]
        network = HRNet(
            HRNetPlan(
                stem_width=genotype["stem.width"],
                depth=depths[0],
                bottleneck=stages[0][0],
                stages=tuple(
                    Stage(depth // BLOCKS, branches)
                    for depth, branches in zip(depths[1:], stages[1:], strict=True)
                ),
                project=True,
            )
        )
        initialise(network, partial(nn.init.normal_, std=0.001))
        return network

    def _ranges(self, number: int) -> Mapping[str, BranchRange]:
        """Return a stage's branches by the names that their dimensions begin with."""
        if number == 1:
            return {"stage1": self.bottleneck}
        return {
            f"stage{number}.branch{index}": branch for index, branch in enumerate(self.branches[:number], 1)
        }


def _branch(least: int, most: int, *, step: int) -> BranchRange:
    """Return a branch whose groups halve from one a channel at the largest width to a dense convolution."""
    groups = tuple(2**power for power in reversed(range(most.bit_length())))
    return BranchRange(tuple(range(least, most + 1, step)), groups)


HRNET_W32 = ElasticHRNet(
    stem_width=(16, 32, 48, 64),
    depth=((2, 3, 4), (4,), (8, 12, 16), (8, 12)),
    bottleneck=BranchRange((16, 32, 48, 64), (16, 8, 4, 2, 1)),
    branches=(
        _branch(8, 32, step=8),
        _branch(16, 64, step=16),
        _branch(32, 128, step=32),
        _branch(64, 256, step=64),
    ),
)
