"""The families `w18` and `zoomnas`: HRNetV2 without its stem, on the features of a region.

HRNetV2 brings the branches of HRNet's last stage to one size, concatenates them and convolves them 1x1. Here
each branch has a 1x1 convolution of its own, and they are added up: the same sum, with the same weights and
multiply-adds. In a concatenation a branch's place would depend on the widths of those before it, and networks
of different widths would not nest.

Sources: HRNetV2 is of Wang et al., TPAMI 2020. ZoomNet (Jin et al., ECCV 2020; Xu et al., TPAMI 2022) has W18
for the face and for the hands; the entry and the width before the output follow from its printed GFLOPs. The
ranges of `zoomnas` are those of table 2 of Xu et al. Group numbers halve and begin with one a channel at the
largest width, as in the space of ViPNAS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from posenas import Choice, Genotype
from posenas.layers import BranchRange, ElasticHRNet, HRNetBody, HRNetPlan, branch_range, initialise, made
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from head_zoom.entries import entered, entries


class RegionHRNet(nn.Module):
    """HRNetV2 without its stem: (M, C, S, S) features to (M, keypoints, S, S) heat maps.

    Args:
        plan: its stem's width is the entry's.
        levels: the channels C of each level that the features may come from, by the level's name.
        keypoints: channels of the output.
    """

    def __init__(self, plan: HRNetPlan, levels: Mapping[str, int], keypoints: int) -> None:
        super().__init__()
        widths = plan.stages[-1].widths
        hidden = sum(widths)
        self.entry = entries(levels, plan.stem_width)
        self.body = HRNetBody(plan)
        self.project = nn.ModuleList(made(nn.Conv2d, width, hidden, 1, bias=False) for width in widths)
        self.norm = made(nn.BatchNorm2d, hidden)
        self.output = nn.Conv2d(hidden, keypoints, 1)

    def forward(self, features: Tensor) -> Tensor:
        finest, *others = self.body(entered(self.entry, features))
        first, *projections = self.project
        hidden = first(finest)
        for project, branch in zip(projections, others, strict=True):
            hidden = hidden + project(interpolate(branch, size=finest.shape[-2:], mode="bilinear"))
        maps: Tensor = self.output(relu(self.norm(hidden)))
        return maps


@dataclass(frozen=True)
class RegionHRNets:
    """A family of HRNetV2s without stems.

    Attributes:
        plans: what the members are.
        sizes: the sides of a region, in bins.
        initialise: fills a convolution's weight in place.
    """

    plans: ElasticHRNet
    sizes: tuple[int, ...]
    initialise: Callable[[Tensor], Tensor]

    def dimensions(self) -> dict[str, Choice]:
        """Return the dimensions, each from cheap to dear; none where the family has one member."""
        return self.plans.dimensions()

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the group numbers that divide the genotype's widths."""
        return self.plans.possible(genotype)

    def build(self, genotype: Genotype, levels: Mapping[str, int], keypoints: int) -> RegionHRNet:
        """Return the member with fresh weights."""
        network = RegionHRNet(self.plans.plan(genotype), levels, keypoints)
        initialise(network, self.initialise)
        nn.init.normal_(network.output.weight, std=0.001)
        return network


W18 = RegionHRNets(
    plans=ElasticHRNet(
        stem_width=(64,),
        depth=((4,), (4,), (16,), (12,)),
        bottleneck=BranchRange((64,), (1,), (False,)),
        branches=tuple(BranchRange((width,), (1,), (False,)) for width in (18, 36, 72, 144)),
    ),
    sizes=(64,),
    initialise=nn.init.kaiming_normal_,
)

ZOOMNAS = RegionHRNets(
    plans=ElasticHRNet(
        stem_width=(64,),
        depth=((2, 3, 4), (4,), (8, 12, 16), (8, 12)),
        bottleneck=branch_range(16, 64, step=16, attention=(False,)),
        branches=(
            branch_range(8, 32, step=8, attention=(False,)),
            branch_range(16, 64, step=16, attention=(False,)),
            branch_range(32, 128, step=32, attention=(False,)),
            branch_range(64, 256, step=64, attention=(False,)),
        ),
    ),
    sizes=(32, 48, 64, 80, 96),
    initialise=partial(nn.init.normal_, std=0.001),
)
