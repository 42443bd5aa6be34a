"""SimpleBaseline: ResNet-50 and three transposed convolutions back to 1/4.

Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018; He et al., CVPR 2016.
"""

from __future__ import annotations

from torch import nn

from posenas.contract.levels import Level
from posenas.networks.backbones.channels import scaled
from posenas.networks.layers.chain import Chain
from posenas.networks.layers.convolution import pooled_stem, upsampling
from posenas.networks.layers.initialisation import initialise
from posenas.networks.layers.residual import Bottleneck

_EXPANSION = 4
_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
"""The stages' number of blocks, channels of the 3x3 convolutions, and stride of the first block."""


def simple_baseline_r50(width: float) -> Chain:
    """Return a SimpleBaseline with fresh weights; its levels are `stage1` to `stage4` and `deconv`.

    Args:
        width: times as many channels everywhere, in multiples of 8.
    """
    channels, stride = scaled(64, width), 4
    parts: dict[str, nn.Module] = {"stem": pooled_stem(channels)}
    levels = []
    for number, (depth, mid, first_stride) in enumerate(_STAGES, 1):
        name = f"stage{number}"
        parts[name] = _stage(channels, scaled(mid, width), depth=depth, stride=first_stride)
        channels, stride = _EXPANSION * scaled(mid, width), stride * first_stride
        levels.append(Level(name, stride, channels))
    parts["deconv"] = deconvolution(channels, scaled(256, width))
    levels.append(Level("deconv", 4, scaled(256, width)))
    network = Chain(parts, levels)
    initialise(network, nn.init.kaiming_normal_)
    return network


def deconvolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return SimpleBaseline's way from 1/32 to 1/4: (N, I, H, W) to (N, O, 8 H, 8 W)."""
    return nn.Sequential(
        *(upsampling(incoming, out_channels, groups=1) for incoming in (in_channels, *[out_channels] * 2))
    )


def _stage(in_channels: int, mid: int, *, depth: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            Bottleneck(
                _EXPANSION * mid if index else in_channels,
                _EXPANSION * mid,
                mid=mid,
                kernel=3,
                groups=1,
                stride=1 if index else stride,
                attention=None,
                project=index == 0,
            )
            for index in range(depth)
        )
    )
