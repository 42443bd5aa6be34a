"""HRNet (Sun et al., CVPR 2019): a branch of high resolution throughout, and coarser ones beside it.

One plan of plain values says what is built, so published and searched networks are made by the same code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from posenas.contract.levels import Level
from posenas.networks.layers.convolution import convolution
from posenas.networks.layers.multi_resolution import (
    Branch,
    MultiResolutionModule,
    Transition,
    squeeze_excitation,
)
from posenas.networks.layers.residual import Bottleneck

_EXPANSION = 4


@dataclass(frozen=True)
class Stage:
    """A stage of HRNet: `modules` modules of these branches, one branch more than the stage before has."""

    modules: int
    branches: tuple[Branch, ...]

    @property
    def widths(self) -> list[int]:
        """The channels of each branch."""
        return [branch.width for branch in self.branches]


@dataclass(frozen=True)
class HRNetPlan:
    """The values in which HRNets differ.

    Attributes:
        stem_width: channels of the two convolutions that lead to 1/4.
        depth: number of bottleneck blocks in the first stage.
        bottleneck: the bottleneck blocks, which put out 4 times its width.
        stages: the second stage and all after it, with 2, 3, ... branches.
        project: convolve also between branches of one width, so that networks of different widths nest.
    """

    stem_width: int
    depth: int
    bottleneck: Branch
    stages: tuple[Stage, ...]
    project: bool = False


class HRNet(nn.Module):
    """A backbone, (N, 3, H, W) images to the levels; H and W are multiples of the coarsest level's stride.

    The levels are `stem`, `stage1`, and each branch of each later stage but the last (`stage3.branch2` is at
    1/8). Then come the input of the last stage's new branch (`transition3` with four stages) and the last
    stage's one output, at 1/4.
    """

    def __init__(self, plan: HRNetPlan) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            convolution(3, plan.stem_width, kernel=3, stride=2),
            convolution(plan.stem_width, plan.stem_width, kernel=3, stride=2),
        )
        self.stage1 = _bottlenecks(plan)
        self.transitions = _transitions(plan)
        last = plan.stages[-1]
        self.stages = nn.ModuleList(_modules(stage, final=stage is last) for stage in plan.stages)
        self.levels = tuple(_levels(plan))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        stem = self.stem(images)
        features = [self.stage1(stem)]
        outputs = [stem, *features]
        for transition, stage in zip(self.transitions, self.stages, strict=True):
            features = transition(features)
            if stage is self.stages[-1]:
                outputs.append(features[-1])
            features = stage(features)
            outputs += features
        return {level.name: output for level, output in zip(self.levels, outputs, strict=True)}


class HRNetBody(nn.Module):
    """HRNet after its stem, with all branches kept to the end, as HRNetV2 has it (Wang et al., TPAMI 2020).

    It takes (N, plan.stem_width, H, W) features to the last stage's B branches. Branch b has
    (N, widths[b], H / 2^b, W / 2^b); H and W are multiples of 2^(B - 1).
    """

    def __init__(self, plan: HRNetPlan) -> None:
        super().__init__()
        self.stage1 = _bottlenecks(plan)
        self.transitions = _transitions(plan)
        self.stages = nn.ModuleList(_modules(stage, final=False) for stage in plan.stages)

    def forward(self, features: Tensor) -> list[Tensor]:
        branches = [self.stage1(features)]
        for transition, stage in zip(self.transitions, self.stages, strict=True):
            branches = stage(transition(branches))
        return branches


def _bottlenecks(plan: HRNetPlan) -> nn.Sequential:
    """Return the first stage; its first block always projects its shortcut, as it widens from the stem."""
    mid = plan.bottleneck.width
    width = _EXPANSION * mid
    return nn.Sequential(
        *(
            Bottleneck(
                width if index else plan.stem_width,
                width,
                mid=mid,
                kernel=3,
                groups=plan.bottleneck.groups,
                stride=1,
                attention=squeeze_excitation(plan.bottleneck, width),
                project=index == 0,
            )
            for index in range(plan.depth)
        )
    )


def _transitions(plan: HRNetPlan) -> nn.ModuleList:
    """Return the ways into the second stage and all after it."""
    widths = [[_EXPANSION * plan.bottleneck.width], *(stage.widths for stage in plan.stages)]
    return nn.ModuleList(
        Transition(before, after, project=plan.project) for before, after in pairwise(widths)
    )


def _modules(stage: Stage, *, final: bool) -> nn.Sequential:
    """Return a stage's modules; the network's last exchange makes the first branch alone."""
    return nn.Sequential(
        *(
            MultiResolutionModule(
                stage.branches,
                outputs=1 if final and index == stage.modules - 1 else len(stage.branches),
            )
            for index in range(stage.modules)
        )
    )


def _levels(plan: HRNetPlan) -> Iterator[Level]:
    """Yield the levels in the order in which `HRNet.forward` makes them."""
    yield Level("stem", 4, plan.stem_width)
    yield Level("stage1", 4, _EXPANSION * plan.bottleneck.width)
    for number, stage in enumerate(plan.stages, 2):
        widths = stage.widths
        if stage is plan.stages[-1]:
            yield Level(f"transition{number - 1}", 4 * 2 ** (len(widths) - 1), widths[-1])
            widths = widths[:1]
        for index, width in enumerate(widths):
            yield Level(f"stage{number}.branch{index + 1}", 4 * 2**index, width)
