"""A family of networks (stem, stages of bottlenecks, upsampling) and what may vary between its members.

Every setting is shared by all the blocks of a stage, and by all the upsampling layers, as in ViPNAS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from posenas import Choice, Genotype, Level
from posenas.layers import (
    Bottleneck,
    Chain,
    GlobalContext,
    dividing,
    initialise,
    made,
    upsampling,
    valid_groups,
)
from torch import Tensor, nn


@dataclass(frozen=True)
class StageRange:
    """The values that a stage may take, each dimension from cheap to dear.

    Attributes:
        stride: the first block's.
    """

    depth: tuple[int, ...]
    width: tuple[int, ...]
    kernel: tuple[int, ...]
    groups: tuple[int, ...]
    stride: int

    def dimensions(self) -> dict[str, tuple[Any, ...]]:
        """Return the values of each dimension, by the last word of its name."""
        return {
            "depth": self.depth,
            "width": self.width,
            "kernel": self.kernel,
            "groups": self.groups,
            "attention": (False, True),
        }


@dataclass(frozen=True)
class Family:
    """All networks of one kind.

    Attributes:
        stem: makes, from its width, a module that maps images to features at 1/4 of their size.
        stem_width: the values of the stem's width.
        stages: from the image to the output.
        deconv_width: the widths of the 4x4 transposed convolutions that lead back to 1/4.
        deconv_groups: the group numbers of the transposed convolutions.
        initialise: fills a convolution's weight in place.
    """

    stem: Callable[[int], nn.Module]
    stem_width: tuple[int, ...]
    stages: tuple[StageRange, ...]
    deconv_width: tuple[int, ...]
    deconv_groups: tuple[int, ...]
    initialise: Callable[[Tensor], Tensor]

    def dimensions(self) -> dict[str, Choice]:
        """Return the dimensions, each from cheap to dear: the first values make the smallest member."""
        values: dict[str, tuple[Any, ...]] = {"stem.width": self.stem_width}
        for number, stage in enumerate(self.stages, 1):
            values |= {f"stage{number}.{name}": choice for name, choice in stage.dimensions().items()}
        values |= {"deconv.width": self.deconv_width, "deconv.groups": self.deconv_groups}
        return {name: Choice(choice) for name, choice in values.items()}

    def possible(self, genotype: Genotype) -> dict[str, tuple[int, ...]]:
        """Return the group numbers that divide the genotype's widths."""
        widths = [genotype[f"stage{number}.width"] for number in range(1, len(self.stages) + 1)]
        stages = {
            f"stage{number}.groups": dividing(stage.groups, (width,))
            for number, (stage, width) in enumerate(zip(self.stages, widths, strict=True), 1)
        }
        deconv = dividing(self.deconv_groups, (widths[-1], genotype["deconv.width"]))
        return {**stages, "deconv.groups": deconv}

    def build(self, genotype: Genotype) -> Chain:
        """Return the member with fresh weights; its levels are its stages and `deconv`."""
        channels, stride = genotype["stem.width"], 4
        parts: dict[str, nn.Module] = {"stem": self.stem(channels)}
        levels = []
        for number, stage in enumerate(self.stages, 1):
            name = f"stage{number}"
            settings = {key: genotype[f"{name}.{key}"] for key in stage.dimensions()}
            parts[name] = _stage(channels, stage, settings)
            channels, stride = settings["width"], stride * stage.stride
            levels.append(Level(name, stride, channels))
        width = genotype["deconv.width"]
        parts["deconv"] = deconvolution(
            channels, width, stride=stride, groups=genotype["deconv.groups"], values=self.deconv_groups
        )
        levels.append(Level("deconv", 4, width))
        network = Chain(parts, levels)
        initialise(network, self.initialise)
        return network


def deconvolution(
    channels: int, width: int, *, stride: int, groups: int, values: Sequence[int]
) -> nn.Sequential:
    """Return 4x4 transposed convolutions from 1/stride of the image to 1/4.

    Args:
        channels: those of the features that come in.
        width: the channels of every layer's output.
        stride: that of the features that come in.
        groups: one of `values`; each layer takes the largest valid one up to it.
        values: the dimension's.
    """
    layers = []
    while stride > 4:
        valid = valid_groups(groups, values, (channels, width))
        layers.append(upsampling(channels, width, groups=valid))
        channels, stride = width, stride // 2
    return nn.Sequential(*layers)


def _stage(channels: int, stage: StageRange, settings: dict[str, Any]) -> nn.Sequential:
    """Return a stage of ViPNAS's bottlenecks, which have no expansion: one width throughout.

    The first block always projects its shortcut, so that one projection serves every width before it.
    """
    width = settings["width"]
    groups = valid_groups(settings["groups"], stage.groups, (width,))
    blocks = [
        Bottleneck(
            width if index else channels,
            width,
            mid=width,
            kernel=settings["kernel"],
            groups=groups,
            stride=1 if index else stage.stride,
            attention=made(GlobalContext, width) if settings["attention"] else None,
            project=index == 0,
        )
        for index in range(settings["depth"])
    ]
    return nn.Sequential(*blocks)
