"""The network of the space `autopose`: a stem, stages of multi-scale modules, and an output that joins them.

Source: AutoPose (Gong et al., 2020), figure 1 and section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from posenas import Level
from posenas.layers import Bottleneck, convolution, initialise
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nas_autopose.mixture import Mixture
from nas_autopose.multi_scale import Cells, MultiScaleModule

FINEST = 4
"""The stride of the finest branch."""


@dataclass(frozen=True)
class Plan:
    """What a network is built by.

    Attributes:
        active: the branches that are on in each stage, 0 is the finest.
        modules: those of a stage.
        cells: what a branch is made of.
        joined: the channels of the output.
    """

    active: tuple[tuple[int, ...], ...]
    modules: int
    cells: Cells
    joined: int


class AutoPoseNetwork(nn.Module):
    """A network from (N, 3, H, W) images to maps of all scales, and to `joined` at 1/4.

    H and W are multiples of the coarsest stride. `individual.alpha` and `aggregation.alpha` hold for the
    cells of all modules.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        channels = plan.cells.channels
        self.individual = Mixture(plan.cells.individual)
        self.aggregation = None if plan.cells.aggregation is None else Mixture(plan.cells.aggregation)
        self.stem = Stem(channels)
        self.stages = nn.ModuleDict(
            {
                str(stage): nn.ModuleList(MultiScaleModule(active, plan.cells) for _ in range(plan.modules))
                for stage, active in enumerate(plan.active, start=1)
                if active
            }
        )
        self.output = convolution(sum(channels), plan.joined, kernel=3, stride=1)
        branches = (
            Level(f"branch{FINEST << scale}", FINEST << scale, width) for scale, width in enumerate(channels)
        )
        self.levels = (*branches, Level("joined", FINEST, plan.joined))
        initialise(self, nn.init.kaiming_normal_)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        individual = self.individual.terms()
        aggregation = [] if self.aggregation is None else self.aggregation.terms()
        maps: Sequence[Tensor] = self.stem(images)
        for module in self._modules_in_order():
            maps = module(maps, individual, aggregation)
        joined = self.output(torch.cat(list(_enlarged(maps)), dim=1))
        return {level.name: each for level, each in zip(self.levels, [*maps, joined], strict=True)}

    def _modules_in_order(self) -> Iterator[nn.Module]:
        for stage in self.stages.values():
            assert isinstance(stage, nn.ModuleList)
            yield from stage


def _enlarged(maps: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield all maps in the size of the first one."""
    for scale, features in enumerate(maps):
        yield interpolate(features, scale_factor=2.0**scale, mode="nearest") if scale else features


class Stem(nn.Module):
    """Two convolutions of stride 2 and a bottleneck for 1/4, and another convolution for each next scale.

    Args:
        channels: those of each scale, from fine to coarse.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        finest = channels[0]
        self.entrance = nn.Sequential(
            convolution(3, 2 * finest, kernel=3, stride=2),
            convolution(2 * finest, 2 * finest, kernel=3, stride=2),
            Bottleneck(
                2 * finest, finest, mid=finest, kernel=3, groups=1, stride=1, attention=None, project=True
            ),
        )
        self.down = nn.ModuleList(
            convolution(before, after, kernel=3, stride=2) for before, after in pairwise(channels)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = [self.entrance(images)]
        for down in self.down:
            maps.append(down(maps[-1]))
        return maps
