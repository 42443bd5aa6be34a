"""EfficientNet's block (Tan and Le, ICML 2019): inverted residual, squeeze and excitation, swish."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from posenas.layers import SqueezeExcitation
from torch import Tensor, nn
from torch.nn.functional import silu

EPSILON = 1e-3
"""The default of Keras's batch norm."""

Padding: TypeAlias = Literal["symmetric", "keras"]
"""Where a convolution of stride 2 looks: around its pixel, or one pixel further down and right as Keras's."""


@dataclass(frozen=True)
class Convolving:
    """What is common to all convolutions of a network.

    Attributes:
        momentum: batch norm's, as in torch: the share of the newest batch.
        padding: of those with stride 2.
    """

    momentum: float
    padding: Padding = "symmetric"


def normalised(
    convolution: nn.Conv2d | nn.ConvTranspose2d, convolving: Convolving, activation: nn.Module | None = None
) -> nn.Sequential:
    """Return a convolution, its batch norm and an activation, whose tensors have one name at any padding.

    Args:
        convolution: padded by half its kernel; a transposed one is of 3x3 and stride 2.
        convolving: how it pads, and batch norm's momentum.
        activation: comes last; None leaves it out.
    """
    before, after = _moved(convolution) if convolving.padding == "keras" else ({}, {})
    norm = nn.BatchNorm2d(convolution.out_channels, eps=EPSILON, momentum=convolving.momentum)
    layers: dict[str, nn.Module] = {**before, "0": convolution, **after, "1": norm}
    if activation is not None:
        layers["2"] = activation
    return nn.Sequential(OrderedDict(layers))


def _moved(
    convolution: nn.Conv2d | nn.ConvTranspose2d,
) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
    """Change a convolution of stride 2 to Keras's place; return what pads before and what crops after it.

    Maps have even sides there. Keras pads one pixel less before than after them, and crops the last row and
    column of a transposed convolution.
    """
    if convolution.stride[0] == 1:
        return {}, {}
    if isinstance(convolution, nn.ConvTranspose2d):
        convolution.padding = convolution.output_padding = (0, 0)
        return {}, {"crop": nn.ZeroPad2d((0, -1, 0, -1))}
    half = convolution.kernel_size[0] // 2
    convolution.padding = (0, 0)
    return {"pad": nn.ZeroPad2d((half - 1, half, half - 1, half))}, {}


class DropConnect(nn.Module):
    """A layer that drops whole samples in training: (N, C, H, W) to the same shape.

    It zeroes each sample with probability `rate` and divides the others by 1 - rate. The draws come from
    torch's generator.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return features
        kept = features.new_empty(features.shape[0], 1, 1, 1).bernoulli_(1 - self.rate)
        return features * (kept / (1 - self.rate))


class InvertedResidual(nn.Module):
    """A block from (N, I, H, W) to (N, O, H / stride, W / stride), with a shortcut where shapes agree.

    It is a 1x1 expansion, a k x k depthwise convolution, squeeze and excitation and a 1x1 projection. Parts
    have the same names in every block, so that weights can be handed from one network to another by name.

    Args:
        in_channels: I.
        out_channels: O.
        expansion: the channels of the depthwise convolution over I; at 1 there is no expanding convolution.
        kernel: k.
        stride: the depthwise convolution's.
        drop: the rate of drop-connect before the shortcut is added.
        convolving: how its convolutions pad, and batch norm's momentum.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int,
        kernel: int,
        stride: int,
        drop: float,
        convolving: Convolving,
    ) -> None:
        super().__init__()
        mid = expansion * in_channels
        self.expand = (
            normalised(nn.Conv2d(in_channels, mid, 1, bias=False), convolving, nn.SiLU(inplace=True))
            if expansion > 1
            else nn.Identity()
        )
        depthwise = nn.Conv2d(mid, mid, kernel, stride, kernel // 2, groups=mid, bias=False)
        self.depthwise = normalised(depthwise, convolving, nn.SiLU(inplace=True))
        # A quarter of what comes in, before the expansion: EfficientNet's, unlike MobileNetV3's.
        hidden = max(1, in_channels // 4)
        self.excite = SqueezeExcitation(mid, hidden, activation=silu, gate=torch.sigmoid)
        self.project = normalised(nn.Conv2d(mid, out_channels, 1, bias=False), convolving)
        self.shortcut = stride == 1 and in_channels == out_channels
        self.drop = DropConnect(drop if self.shortcut else 0.0)

    def forward(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.project(self.excite(self.depthwise(self.expand(features))))
        return features + self.drop(hidden) if self.shortcut else hidden
