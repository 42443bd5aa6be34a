"""The MobileNetV3 space of ViPNAS (Xu et al., CVPR 2021, table A1), for inputs of about 256x192.

Widths are fixed; what varies is how far a block expands and how its k x k convolution is grouped. Beside
table A1's 256 channels, the deconvolutions may have the 160 of the network that the authors released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from posenas import Choice, Genotype, Level
from posenas.layers import Chain, InvertedResidual, convolution, dividing, initialise
from torch import nn

from nas_ofa_elastic.family import deconvolution

_STEM_WIDTH = 16


@dataclass(frozen=True)
class InvertedStage:
    """The values that a stage may take, each from cheap to dear; a single value leaves no choice.

    Attributes:
        width: the channels that every block puts out.
        expansion: the channels of the k x k convolution over `width`; at 1 the blocks do not expand at all.
        group_width: the channels of each of that convolution's groups.
        fewest_groups: table A1's bound, whatever the group width.
        stride: the first block's.
    """

    depth: tuple[int, ...]
    width: int
    kernel: tuple[int, ...]
    expansion: tuple[int, ...]
    group_width: tuple[int, ...]
    fewest_groups: int
    stride: int
    activation: type[nn.Module]

    def values(self) -> dict[str, tuple[Any, ...]]:
        """Return the values of everything that may vary, single values too."""
        return {
            "depth": self.depth,
            "kernel": self.kernel,
            "expansion": self.expansion,
            "group_width": self.group_width,
            "attention": (False, True),
        }

    def possible_group_widths(self, expansion: int) -> tuple[int, ...]:
        """Return the group widths that are valid at an expansion."""
        return valid_group_widths(self.group_width, self.width * expansion, fewest=self.fewest_groups)

    def build(self, channels: int, settings: Mapping[str, Any]) -> nn.Sequential:
        """Return a module from (N, channels, H, W) to (N, width, H / stride, W / stride)."""
        mid = self.width * settings["expansion"]
        group = valid_group_width(settings["group_width"], self.group_width, mid, fewest=self.fewest_groups)
        blocks = [
            InvertedResidual(
                self.width if index else channels,
                self.width,
                mid=mid,
                kernel=settings["kernel"],
                groups=mid // group,
                stride=1 if index else self.stride,
                attention=settings["attention"],
                activation=self.activation,
                expand=self.expansion != (1,),
            )
            for index in range(settings["depth"])
        ]
        return nn.Sequential(*blocks)


def valid_group_width(asked: int, values: Sequence[int], channels: int, *, fewest: int) -> int:
    """Return the largest of a dimension's values that is at most `asked` and valid.

    It divides the channels and leaves at least `fewest` groups. Every combination of values thus makes a
    network. What is chosen is the width of a group, not the number of groups, so no network has more channels
    a group than the largest one, at any expansion.

    Args:
        asked: the genotype's value.
        values: the dimension's.
        channels: those of the k x k convolution.
        fewest: the lower bound of the number of groups.
    """
    return max(value for value in valid_group_widths(values, channels, fewest=fewest) if value <= asked)


def valid_group_widths(values: Sequence[int], channels: int, *, fewest: int) -> tuple[int, ...]:
    """Return the values that divide the channels into at least `fewest` groups.

    Args:
        values: the dimension's.
        channels: those of the k x k convolution.
        fewest: the lower bound of the number of groups.
    """
    return tuple(value for value in values if channels % value == 0 and channels // value >= fewest)


@dataclass(frozen=True)
class MobileNetV3:
    """The family: a stem to 1/2, stages of inverted residuals to 1/32, and deconvolutions back to 1/4.

    Attributes:
        stages: from the image to the output.
        deconv_width: the widths of the 4x4 transposed convolutions.
        deconv_groups: the group numbers of the transposed convolutions.
    """

    stages: tuple[InvertedStage, ...]
    deconv_width: tuple[int, ...]
    deconv_groups: tuple[int, ...]

    def dimensions(self) -> dict[str, Choice]:
        """Return the dimensions, each from cheap to dear: the first values make the smallest member."""
        values = {"deconv.width": self.deconv_width, "deconv.groups": self.deconv_groups}
        stages = {
            f"stage{number}.{name}": choice
            for number, stage in enumerate(self.stages, 1)
            for name, choice in stage.values().items()
            if len(choice) > 1
        }
        return {name: Choice(choice) for name, choice in (stages | values).items()}

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the group widths and the deconvolutions' group numbers that divide the channels."""
        stages = {
            f"stage{number}.group_width": stage.possible_group_widths(
                genotype.get(f"stage{number}.expansion", stage.expansion[0])
            )
            for number, stage in enumerate(self.stages, 1)
        }
        deconv = dividing(self.deconv_groups, (self.stages[-1].width, genotype["deconv.width"]))
        return {**stages, "deconv.groups": deconv}

    def build(self, genotype: Genotype) -> Chain:
        """Return the member with fresh weights; its levels are its stages and `deconv`."""
        channels, stride = _STEM_WIDTH, 2
        stem = convolution(3, channels, kernel=3, stride=stride, activation=nn.Hardswish)
        parts: dict[str, nn.Module] = {"stem": stem}
        levels = []
        for number, stage in enumerate(self.stages, 1):
            name = f"stage{number}"
            settings = {
                key: genotype.get(f"{name}.{key}", choice[0]) for key, choice in stage.values().items()
            }
            parts[name] = stage.build(channels, settings)
            channels, stride = stage.width, stride * stage.stride
            levels.append(Level(name, stride, channels))
        width = genotype["deconv.width"]
        parts["deconv"] = deconvolution(
            channels, width, stride=stride, groups=genotype["deconv.groups"], values=self.deconv_groups
        )
        levels.append(Level("deconv", 4, width))
        network = Chain(parts, levels)
        # The fan of a depthwise convolution's input, unlike its output's, tells its size.
        initialise(network, partial(nn.init.kaiming_normal_, mode="fan_in"))
        return network


def _elastic_stage(width: int, *, stride: int, activation: type[nn.Module]) -> InvertedStage:
    """Return one of table A1's rows after the first, which differ in these arguments alone.

    Its groups run from 3/8 to 6 times the width.
    """
    return InvertedStage(
        depth=(2, 3, 4),
        width=width,
        kernel=(3, 5, 7),
        expansion=(3, 4, 5, 6),
        group_width=(1, 2, 4, 8, 16),
        fewest_groups=3 * width // 8,
        stride=stride,
        activation=activation,
    )


MOBILENETV3 = MobileNetV3(
    stages=(
        InvertedStage(
            depth=(1,),
            width=16,
            kernel=(3,),
            expansion=(1,),
            group_width=(1, 2, 4, 8),
            fewest_groups=2,
            stride=1,
            activation=nn.ReLU,
        ),
        _elastic_stage(24, stride=2, activation=nn.ReLU),
        _elastic_stage(40, stride=2, activation=nn.ReLU),
        _elastic_stage(80, stride=2, activation=nn.Hardswish),
        _elastic_stage(112, stride=1, activation=nn.Hardswish),
        _elastic_stage(160, stride=2, activation=nn.Hardswish),
    ),
    deconv_width=(160, 256),
    deconv_groups=(256, 160, 128, 64, 32),
)
