"""A blueprint's network: stem to 1/2, seven modules, and three transposed convolutions back up.

Source: McNally, thesis (2022), figure 3.3; layers as in the authors' code.
"""

from __future__ import annotations

from posenas import Level
from posenas.layers import Chain
from torch import nn

from nas_evo.block import Convolving, InvertedResidual, normalised
from nas_evo.genes import Quartet
from nas_evo.initialisation import initialise
from nas_evo.scaling import Blueprint

_EXPANSION = 6
"""The expansion of all modules but the first, whose blocks do not expand."""
_DECONVOLUTIONS = 3


def build_network(blueprint: Blueprint, *, drop_connect: float, convolving: Convolving) -> Chain:
    """Return a blueprint's network with fresh weights.

    Its levels are `stem`, `module1` to `module7`, and `deconv1` to `deconv3`.

    Args:
        blueprint: the modules and channels.
        drop_connect: the limit of its rate, which grows evenly over the blocks from 0; one block after the
            last it would be this.
        convolving: how its convolutions pad, and batch norm's momentum.
    """
    channels, stride = blueprint.stem, 2
    stem = nn.Conv2d(3, channels, 3, stride, 1, bias=False)
    parts: dict[str, nn.Module] = {"stem": normalised(stem, convolving, nn.SiLU(inplace=True))}
    levels = [Level("stem", stride, channels)]
    total, built = sum(quartet.blocks for quartet in blueprint.modules), 0
    for number, quartet in enumerate(blueprint.modules, 1):
        drops = [drop_connect * (built + index) / total for index in range(quartet.blocks)]
        expansion = _EXPANSION if number > 1 else 1
        name = f"module{number}"
        parts[name] = _module(channels, quartet, expansion=expansion, drops=drops, convolving=convolving)
        channels, stride, built = quartet.channels, stride * quartet.stride, built + quartet.blocks
        levels.append(Level(name, stride, channels))
    for number in range(1, _DECONVOLUTIONS + 1):
        deconv = nn.ConvTranspose2d(channels, blueprint.deconv, 3, 2, 1, output_padding=1, bias=False)
        parts[f"deconv{number}"] = normalised(deconv, convolving, nn.SiLU(inplace=True))
        channels, stride = blueprint.deconv, stride // 2
        levels.append(Level(f"deconv{number}", stride, channels))
    network = Chain(parts, levels)
    initialise(network)
    return network


def _module(
    channels: int, quartet: Quartet, *, expansion: int, drops: list[float], convolving: Convolving
) -> nn.Sequential:
    """Return a module of (N, channels, H, W) to (N, quartet.channels, H / stride, W / stride).

    The stride is the quartet's.
    """
    return nn.Sequential(
        *(
            InvertedResidual(
                quartet.channels if index else channels,
                quartet.channels,
                expansion=expansion,
                kernel=quartet.kernel,
                stride=1 if index else quartet.stride,
                drop=drop,
                convolving=convolving,
            )
            for index, drop in enumerate(drops)
        )
    )
