"""Branches of features at halving resolutions that exchange what they know (HRNet).

Branch b of B has (N, widths[b], H / 2^b, W / 2^b). Source: Sun et al., CVPR 2019, sections 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import relu

from posenas.networks.layers.attention import SqueezeExcitation
from posenas.networks.layers.convolution import convolution
from posenas.networks.layers.residual import BasicBlock
from posenas.networks.skeletons import made

BLOCKS = 4
"""Blocks of each branch between two exchanges."""


@dataclass(frozen=True)
class Branch:
    """How the blocks of a branch look; `attention` is squeeze and excitation."""

    width: int
    groups: int = 1
    attention: bool = False


class Fusion(nn.Module):
    """One branch's share of an exchange: every branch, brought to this one's width and size, added up."""

    def __init__(self, widths: Sequence[int], target: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(_path(widths, source, target) for source in range(len(widths)))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """B >= 2 feature maps to one of the target branch's shape."""
        first, *others = (path(feature) for path, feature in zip(self.paths, features, strict=True))
        total: Tensor = first
        for other in others:
            total = total + other
        return relu(total, inplace=True)


class MultiResolutionModule(nn.Module):
    """Blocks in every branch, then an exchange: maps of all branches to those of the first `outputs`."""

    def __init__(self, branches: Sequence[Branch], *, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_blocks(branch) for branch in branches)
        widths = [branch.width for branch in branches]
        self.fusions = nn.ModuleList(Fusion(widths, target) for target in range(outputs))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        features = [branch(feature) for branch, feature in zip(self.branches, features, strict=True)]
        return [fusion(features) for fusion in self.fusions]


class Transition(nn.Module):
    """Into a stage with one more branch, made of the coarsest one there was: B maps to B + 1.

    Args:
        project: also convolve the branches whose width stays. Networks nest only if all or none of them do.
    """

    def __init__(self, before: Sequence[int], after: Sequence[int], *, project: bool) -> None:
        super().__init__()
        kept = (
            convolution(old, new, kernel=3, stride=1) if project or old != new else nn.Identity()
            for old, new in zip(before, after, strict=False)
        )
        self.branches = nn.ModuleList([*kept, convolution(before[-1], after[-1], kernel=3, stride=2)])

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        return [
            branch(feature) for branch, feature in zip(self.branches, [*features, features[-1]], strict=True)
        ]


def _blocks(branch: Branch) -> nn.Sequential:
    return nn.Sequential(
        *(
            BasicBlock(branch.width, groups=branch.groups, attention=squeeze_excitation(branch, branch.width))
            for _ in range(BLOCKS)
        )
    )


def squeeze_excitation(branch: Branch, channels: int) -> nn.Module | None:
    """The attention of a branch's block with that many output channels."""
    return made(SqueezeExcitation, channels, channels // 4) if branch.attention else None


def _path(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From one branch's shape to another's: finer by 1x1 and repetition, coarser by 3x3 of stride 2."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            made(nn.Conv2d, widths[source], widths[target], 1, bias=False),
            made(nn.BatchNorm2d, widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps: list[nn.Module] = [
        convolution(widths[source], widths[source], kernel=3, stride=2) for _ in range(target - source - 1)
    ]
    last = made(nn.Conv2d, widths[source], widths[target], 3, 2, 1, bias=False)
    return nn.Sequential(*steps, last, made(nn.BatchNorm2d, widths[target]))
