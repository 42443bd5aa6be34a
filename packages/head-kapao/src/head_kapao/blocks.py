"""The blocks of KAPAO's network: convolution with SiLU, cross-stage partial stage, pyramid pooling, focus.

Features that meet have equally many channels and are joined channel by channel: the first channel of each,
then the second of each, and so on. The first channels of the joined features are then the first ones of every
source, so that a narrower network's weights are a leading slice of a wider one's. Joined one after the other,
as is the custom, a source's place would depend on the width of those before it. Networks of one width are the
same either way, but for the order of their weights.

Source: McNally, thesis (2022), section 4.2.1; layers as in the authors' network, of the YOLOv5 family.
"""

from __future__ import annotations

import torch
from posenas.layers import made
from torch import Tensor, nn
from torch.nn.functional import channel_shuffle, max_pool2d

_EPSILON = 1e-3
_MOMENTUM = 0.03
_POOLS = (3, 5, 7)
"""The sides of the windows, in pixels of the level."""


def convolution(in_channels: int, out_channels: int, *, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Return a convolution, batch norm and SiLU: (N, I, H, W) to (N, O, H / stride, W / stride).

    Args:
        in_channels: I.
        out_channels: O.
        kernel: the side of the kernel, odd.
        stride: the convolution's.
    """
    return nn.Sequential(
        made(nn.Conv2d, in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        made(nn.BatchNorm2d, out_channels, eps=_EPSILON, momentum=_MOMENTUM),
        nn.SiLU(inplace=True),
    )


def join(*features: Tensor) -> Tensor:
    """Join S times (N, C, H, W) to (N, C x S, H, W), channel by channel."""
    return channel_shuffle(torch.cat(features, 1), len(features))


class Focus(nn.Module):
    """A layer from (N, 3, H, W) images to (N, O, H / 2, W / 2) features.

    The four pixels of a square become 12 channels, from the upper left: down the left column, then down the
    right one. A 3x3 convolution follows.
    """

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.convolve = convolution(12, out_channels, kernel=3)

    def forward(self, images: Tensor) -> Tensor:
        columns = images[..., 0::2], images[..., 1::2]
        corners = [column[..., row::2, :] for column in columns for row in (0, 1)]
        output: Tensor = self.convolve(torch.cat(corners, 1))
        return output


class Bottleneck(nn.Module):
    """A 1x1 and a k x k convolution of one width: (N, C, H, W) to the same shape."""

    def __init__(self, channels: int, *, kernel: int, shortcut: bool) -> None:
        super().__init__()
        self.reduce = convolution(channels, channels)
        self.convolve = convolution(channels, channels, kernel=kernel)
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        hidden: Tensor = self.convolve(self.reduce(features))
        return features + hidden if self.shortcut else hidden


class CrossStagePartial(nn.Module):
    """A stage with bottlenecks on one half of the channels and nothing on the other.

    It takes (N, I, H, W) to (N, O, H, W).

    Args:
        in_channels: I.
        out_channels: O, even.
        depth: the number of bottlenecks.
        kernel: the side of their second convolution's kernel.
        shortcut: whether they add what comes in.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, depth: int, kernel: int, shortcut: bool
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.enter = convolution(in_channels, half)
        self.bottlenecks = nn.Sequential(
            *(Bottleneck(half, kernel=kernel, shortcut=shortcut) for _ in range(depth))
        )
        self.bypass = convolution(in_channels, half)
        self.merge = convolution(2 * half, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        processed = self.bottlenecks(self.enter(features))
        output: Tensor = self.merge(join(processed, self.bypass(features)))
        return output


class PyramidPooling(nn.Module):
    """A layer that joins half the channels with their maxima over three windows.

    It takes (N, C, H, W) to the same shape.

    Args:
        channels: C, even.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = convolution(channels, channels // 2)
        self.merge = convolution((1 + len(_POOLS)) * (channels // 2), channels)

    def forward(self, features: Tensor) -> Tensor:
        features = self.enter(features)
        pooled = [max_pool2d(features, side, stride=1, padding=side // 2) for side in _POOLS]
        output: Tensor = self.merge(join(features, *pooled))
        return output
