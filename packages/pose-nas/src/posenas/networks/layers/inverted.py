"""The inverted residual block of the MobileNets."""

from __future__ import annotations

from torch import Tensor, nn

from posenas.networks.layers.attention import SqueezeExcitation
from posenas.networks.layers.convolution import convolution
from posenas.networks.without_values import made


class InvertedResidual(nn.Module):
    """The inverted residual block: 1x1 expansion, k x k convolution in groups, attention, 1x1 projection.

    (N, I, H, W) to (N, O, H / stride, W / stride), with a shortcut where these shapes agree. Blocks with and
    without expansion or attention give the same names to the same parts, so that they nest.

    Args:
        in_channels: I.
        out_channels: O.
        mid: channels of the k x k convolution.
        kernel: k, odd.
        groups: groups of channels in the k x k convolution.
        stride: of the k x k convolution.
        attention: whether there is squeeze and excitation, with `mid // 4` hidden channels.
        activation: made with `inplace=True`; there is none after the projection.
        expand: whether there is an expansion; without it `mid` must be `in_channels`.

    Source: MobileNetV2 (Sandler et al., CVPR 2018) and MobileNetV3 (Howard et al., ICCV 2019).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        mid: int,
        kernel: int,
        groups: int,
        stride: int,
        attention: bool,
        activation: type[nn.Module],
        expand: bool,
    ) -> None:
        super().__init__()
        self.expand = (
            convolution(in_channels, mid, kernel=1, stride=1, activation=activation)
            if expand
            else nn.Identity()
        )
        self.convolve = convolution(
            mid, mid, kernel=kernel, stride=stride, groups=groups, activation=activation
        )
        self.attention = made(SqueezeExcitation, mid, mid // 4) if attention else nn.Identity()
        self.project = convolution(mid, out_channels, kernel=1, stride=1, activation=None)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.project(self.attention(self.convolve(self.expand(features))))
        return features + hidden if self.shortcut else hidden
