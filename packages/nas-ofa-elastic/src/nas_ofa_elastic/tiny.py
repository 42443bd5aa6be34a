"""The backbone `tiny`: a small pyramid for CPUs, tests and small data, for inputs of about 128x96.

It is this project's own. Dense 3x3 convolutions do most work in a CPU's second, and the way back to 1/4
adds each stage's features, which a short training needs to place keypoints exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from posenas import Choice, Genotype, Level
from posenas.layers import Change, GlobalContext, convolution, dividing, initialise, made, valid_groups
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from nas_ofa_elastic.family import StageRange

_STEM_WIDTH = (16, 24)
_STAGES = (
    StageRange(depth=(1, 2), width=(24, 32, 40), kernel=(3, 5), groups=(4, 2, 1), stride=2),
    StageRange(depth=(1, 2, 3), width=(40, 48, 64), kernel=(3, 5), groups=(4, 2, 1), stride=2),
)


class BasicBlock(nn.Module):
    """A k x k grouped and a 3x3 convolution with a shortcut.

    It takes (N, I, H, W) to (N, O, H / stride, W / stride).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int, groups: int, attention: bool, stride: int
    ) -> None:
        super().__init__()
        self.conv1 = made(
            nn.Conv2d, in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm1 = made(nn.BatchNorm2d, out_channels)
        self.conv2 = made(nn.Conv2d, out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = made(nn.BatchNorm2d, out_channels)
        self.attention = made(GlobalContext, out_channels) if attention else nn.Identity()
        self.shortcut = (
            nn.Identity()
            if stride == 1
            else convolution(in_channels, out_channels, kernel=1, stride=stride, activation=None)
        )

    def forward(self, features: Tensor) -> Tensor:
        hidden = relu(self.norm1(self.conv1(features)), inplace=True)
        hidden = self.attention(self.norm2(self.conv2(hidden)))
        return relu(hidden + self.shortcut(features), inplace=True)


class Pyramid(nn.Module):
    """A stem to 1/4, stages to 1/8 and 1/16, and a way back to 1/4.

    The way back is by convolution, bilinear upsampling and addition.
    """

    def __init__(self, stem: nn.Module, stages: Sequence[nn.Module], widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.back = nn.ModuleList(
            convolution(deep, shallow, kernel=3, stride=1) for shallow, deep in pairwise(widths)
        )
        names = ["stem", *(f"stage{number}" for number in range(1, len(widths)))]
        levels = [
            Level(name, 4 * 2**index, width)
            for index, (name, width) in enumerate(zip(names, widths, strict=True))
        ]
        self.levels = (*levels, Level("top", 4, widths[0]))

    def forward(self, images: Tensor, change: Change | None = None) -> dict[str, Tensor]:
        features = [images]
        for level, part in zip(self.levels[:-1], (self.stem, *self.stages), strict=True):
            found = part(features[-1])
            features.append(found if change is None else change(level.name, found))
        features = features[1:]
        top = features[-1]
        for shallower, convolve in zip(features[-2::-1], reversed(self.back), strict=True):
            top = shallower + interpolate(convolve(top), scale_factor=2.0, mode="bilinear")
        return {level.name: value for level, value in zip(self.levels, [*features, top], strict=True)}


class Tiny:
    """The family of the pyramids of this module."""

    def dimensions(self) -> dict[str, Choice]:
        """Return the dimensions, each from cheap to dear: the first values make the smallest member."""
        values = {"stem.width": Choice(_STEM_WIDTH)}
        for number, stage in enumerate(_STAGES, 1):
            values |= {f"stage{number}.{name}": Choice(choice) for name, choice in stage.dimensions().items()}
        return values

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the group numbers that divide the genotype's widths."""
        widths = [genotype[name] for name in ("stem.width", "stage1.width", "stage2.width")]
        return {
            f"stage{number}.groups": dividing(stage.groups, widths[number - 1 : number + 1])
            for number, stage in enumerate(_STAGES, 1)
        }

    def build(self, genotype: Genotype) -> Pyramid:
        """Return the member with fresh weights."""
        widths = [genotype["stem.width"]]
        stages = []
        for number, stage in enumerate(_STAGES, 1):
            widths.append(genotype[f"stage{number}.width"])
            stages.append(_stage(f"stage{number}", stage, genotype, widths[-2:]))
        stem = nn.Sequential(
            convolution(3, 16, kernel=3, stride=2), convolution(16, widths[0], kernel=3, stride=2)
        )
        network = Pyramid(stem, stages, widths)
        initialise(network, partial(nn.init.kaiming_normal_, mode="fan_out"))
        return network


def _stage(name: str, stage: StageRange, genotype: Genotype, widths: Sequence[int]) -> nn.Sequential:
    incoming, width = widths
    blocks = []
    for index in range(genotype[f"{name}.depth"]):
        channels = width if index else incoming
        blocks.append(
            BasicBlock(
                channels,
                width,
                kernel=genotype[f"{name}.kernel"],
                groups=valid_groups(genotype[f"{name}.groups"], stage.groups, (channels, width)),
                attention=genotype[f"{name}.attention"],
                stride=1 if index else stage.stride,
            )
        )
    return nn.Sequential(*blocks)


TINY = Tiny()
