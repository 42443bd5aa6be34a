"""HRNet's branches of features at halving resolutions that exchange what they know.

Branch b of B has (N, widths[b], H / 2^b, W / 2^b).

Source: Sun et al., CVPR 2019, sections 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import relu

from posenas.networks.layers.attention import SqueezeExcitation
from posenas.networks.layers.convolution import convolution
from posenas.networks.layers.residual import BasicBlock
from posenas.networks.without_values import made

BLOCKS = 4
"""The number of blocks in each branch between two exchanges."""


@dataclass(frozen=True)
class Branch:
    """A branch's blocks: their channels, their groups, and whether they have squeeze and excitation."""

    width: int
    groups: int = 1
    attention: bool = False


class Fusion(nn.Module):
    """A branch's share of an exchange: the sum of all branches, each brought to this one's width and size.

    Args:
        widths: channels of each of the B branches.
        target: index of this branch.
    """

    def __init__(self, widths: Sequence[int], target: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(_path(widths, source, target) for source in range(len(widths)))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Add up B >= 2 feature maps in the shape of the target branch."""
        first, *others = (path(feature) for path, feature in zip(self.paths, features, strict=True))
        total: Tensor = first
        for other in others:
            total = total + other
        return relu(total, inplace=True)


class MultiResolutionModule(nn.Module):
    """A module with blocks in every branch, then an exchange that makes the first `outputs` branches."""

    def __init__(self, branches: Sequence[Branch], *, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_blocks(branch) for branch in branches)
        widths = [branch.width for branch in branches]
        self.fusions = nn.ModuleList(Fusion(widths, target) for target in range(outputs))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        features = [branch(feature) for branch, feature in zip(self.branches, features, strict=True)]
        return [fusion(features) for fusion in self.fusions]


class Transition(nn.Module):
    """The way into a stage with one more branch, made of the coarsest branch so far: B maps to B + 1.

    Args:
        before: channels of the B branches.
        after: channels of the B + 1 branches.
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
    """Return the attention of a branch's block with that many output channels; None without attention."""
    return made(SqueezeExcitation, channels, channels // 4) if branch.attention else None


def _path(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Return the way from one branch's shape to another's.

    A finer shape is reached by 1x1 convolution and repetition, a coarser one by 3x3 convolutions of stride 2.
    """
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            *convolution(widths[source], widths[target], kernel=1, stride=1, activation=None),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps: list[nn.Module] = [
        convolution(widths[source], widths[source], kernel=3, stride=2) for _ in range(target - source - 1)
    ]
    last = convolution(widths[source], widths[target], kernel=3, stride=2, activation=None)
    return nn.Sequential(*steps, *last)
