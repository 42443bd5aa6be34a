"""Families of HRNets: depths, widths, groups and attention vary from member to member.

A dimension of one value is none: a family says once what all its members have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from posenas.contract.genotype import Choice, Genotype
from posenas.networks.layers.groups import dividing, valid_groups
from posenas.networks.layers.hrnet import HRNet, HRNetPlan, Stage
from posenas.networks.layers.initialisation import initialise
from posenas.networks.layers.multi_resolution import BLOCKS, Branch


@dataclass(frozen=True)
class BranchRange:
    """The values that the blocks of a branch may take, each from cheap to dear."""

    width: tuple[int, ...]
    groups: tuple[int, ...]
    attention: tuple[bool, ...] = (False, True)

    def values(self) -> dict[str, tuple[Any, ...]]:
        """Return the values by the last word of their dimension's name."""
        return {"width": self.width, "groups": self.groups, "attention": self.attention}

    def branch(self, name: str, genotype: Genotype) -> Branch:
        """Return the branch that a genotype describes under this name."""
        width, groups, attention = (
            _chosen(f"{name}.{key}", values, genotype) for key, values in self.values().items()
        )
        return Branch(width, valid_groups(groups, self.groups, (width,)), attention)


def branch_range(
    least: int, most: int, *, step: int, attention: tuple[bool, ...] = (False, True)
) -> BranchRange:
    """Return a branch whose groups halve from one a channel at the largest width to a dense convolution.

    Args:
        least: the smallest width, channels.
        most: the largest width, channels.
        step: between two widths.
        attention: the values of the dimension `attention`.
    """
    groups = tuple(2**power for power in reversed(range(most.bit_length())))
    return BranchRange(tuple(range(least, most + 1, step)), groups, attention)


@dataclass(frozen=True)
class ElasticHRNet:
    """A family of HRNets.

    Attributes:
        stem_width: the values of the stem's width.
        depth: the values of each stage, in blocks of each branch.
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
            values[f"stage{number}.depth"] = depth
            for name, branch in self._ranges(number).items():
                values |= {f"{name}.{key}": choice for key, choice in branch.values().items()}
        return {name: Choice(choice) for name, choice in values.items() if len(choice) > 1}

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the group numbers that divide the genotype's widths."""
        return {
            f"{name}.groups": dividing(branch.groups, (_chosen(f"{name}.width", branch.width, genotype),))
            for number in range(1, len(self.depth) + 1)
            for name, branch in self._ranges(number).items()
            if len(branch.groups) > 1
        }

    def plan(self, genotype: Genotype) -> HRNetPlan:
        """Return what is built for a genotype. Members of a family of several nest in its largest one."""
        depths = [
            _chosen(f"stage{number}.depth", depth, genotype) for number, depth in enumerate(self.depth, 1)
        ]
        stages = [
            tuple(branch.branch(name, genotype) for name, branch in self._ranges(number).items())
            for number in range(1, len(depths) + 1)
        ]
        return HRNetPlan(
            stem_width=_chosen("stem.width", self.stem_width, genotype),
            depth=depths[0],
            bottleneck=stages[0][0],
            stages=tuple(
                Stage(depth // BLOCKS, branches)
                for depth, branches in zip(depths[1:], stages[1:], strict=True)
            ),
            project=bool(self.dimensions()),
        )

    def build(self, genotype: Genotype) -> HRNet:
        """Return the member with fresh weights; its last level is `stage4.branch1`."""
        network = HRNet(self.plan(genotype))
        initialise(network, partial(nn.init.normal_, std=0.001))
        return network

    def _ranges(self, number: int) -> Mapping[str, BranchRange]:
        """Return a stage's branches by the names that their dimensions begin with."""
        if number == 1:
            return {"stage1": self.bottleneck}
        return {
            f"stage{number}.branch{index}": branch for index, branch in enumerate(self.branches[:number], 1)
        }


def _chosen(name: str, values: tuple[Any, ...], genotype: Genotype) -> Any:
    """Return the genotype's value, or the only one where that is no dimension."""
    return genotype[name] if len(values) > 1 else values[0]
