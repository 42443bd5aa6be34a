"""EfficientNet's block (Tan and Le, ICML 2019): inverted residual, squeeze and excitation, swish."""

from __future__ import annotations

import torch
from posenas.layers import SqueezeExcitation
from torch import Tensor, nn
from torch.nn.functional import silu

_EPSILON = 1e-3
"""The default of Keras's batch norm."""


def normalised(convolution: nn.Conv2d | nn.ConvTranspose2d, momentum: float) -> tuple[nn.Module, nn.Module]:
    """Return the convolution and its batch norm."""
    return convolution, nn.BatchNorm2d(convolution.out_channels, eps=_EPSILON, momentum=momentum)


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
        momentum: batch norm's, as in torch: the share of the newest batch.
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
        momentum: float,
    ) -> None:
        super().__init__()
        mid = expansion * in_channels
        self.expand = (
            nn.Sequential(
                *normalised(nn.Conv2d(in_channels, mid, 1, bias=False), momentum), nn.SiLU(inplace=True)
            )
            if expansion > 1
            else nn.Identity()
        )
        depthwise = nn.Conv2d(mid, mid, kernel, stride, kernel // 2, groups=mid, bias=False)
        self.depthwise = nn.Sequential(*normalised(depthwise, momentum), nn.SiLU(inplace=True))
        # A quarter of what comes in, before the expansion: EfficientNet's, unlike MobileNetV3's.
        hidden = max(1, in_channels // 4)
        self.excite = SqueezeExcitation(mid, hidden, activation=silu, gate=torch.sigmoid)
        self.project = nn.Sequential(*normalised(nn.Conv2d(mid, out_channels, 1, bias=False), momentum))
        self.shortcut = stride == 1 and in_channels == out_channels
        self.drop = DropConnect(drop if self.shortcut else 0.0)

    def forward(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.project(self.excite(self.depthwise(self.expand(features))))
        return features + self.drop(hidden) if self.shortcut else hidden
