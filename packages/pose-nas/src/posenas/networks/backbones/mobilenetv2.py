"""MobileNetV2 with SimpleBaseline's three transposed convolutions back to 1/4.

Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, table 2. The pose
network is mmpose's.
"""

from __future__ import annotations

from torch import nn

from posenas.contract.levels import Level
from posenas.networks.backbones.channels import scaled
from posenas.networks.backbones.simple_baseline import deconvolution
from posenas.networks.layers.chain import Chain
from posenas.networks.layers.convolution import convolution
from posenas.networks.layers.initialisation import initialise
from posenas.networks.layers.inverted import InvertedResidual

_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""The stages' expansion, channels, number of blocks, and stride of the first block."""


def mobilenetv2(width: float) -> Chain:
    """Return a MobileNetV2 with fresh weights; its levels are `stage1` to `stage7`, `features` and `deconv`.

    Args:
        width: times as many channels everywhere, also in the transposed convolutions, in multiples of 8.
    """
    channels, stride = scaled(32, width), 2
    parts: dict[str, nn.Module] = {"stem": convolution(3, channels, kernel=3, stride=2, activation=nn.ReLU6)}
    levels = []
    for number, (expansion, wanted, depth, first_stride) in enumerate(_STAGES, 1):
        name = f"stage{number}"
        parts[name] = _stage(
            channels, scaled(wanted, width), expansion=expansion, depth=depth, stride=first_stride
        )
        channels, stride = scaled(wanted, width), stride * first_stride
        levels.append(Level(name, stride, channels))
    parts["features"] = convolution(channels, scaled(1280, width), kernel=1, stride=1, activation=nn.ReLU6)
    levels.append(Level("features", stride, scaled(1280, width)))
    parts["deconv"] = deconvolution(scaled(1280, width), scaled(256, width))
    levels.append(Level("deconv", 4, scaled(256, width)))
    network = Chain(parts, levels)
    # He's rule by the fan of the input: by that of the output, depthwise convolutions would begin tiny.
    initialise(network, nn.init.kaiming_normal_)
    return network


def _stage(in_channels: int, width: int, *, expansion: int, depth: int, stride: int) -> nn.Sequential:
    blocks = []
    for index in range(depth):
        channels = width if index else in_channels
        blocks.append(
            InvertedResidual(
                channels,
                width,
                mid=expansion * channels,
                kernel=3,
                groups=expansion * channels,
                stride=1 if index else stride,
                attention=False,
                activation=nn.ReLU6,
                expand=expansion > 1,
            )
        )
    return nn.Sequential(*blocks)
