"""The building blocks of elastic networks: residual bottleneck, global context attention, upsampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from posenas.levels import Level
from torch import Tensor, nn
from torch.nn.functional import relu


class GlobalContext(nn.Module):
    """Adds one vector, computed from the whole map, to every position: (N, C, H, W) to the same shape.

    Starts as the identity. Source: GCNet (Cao et al., 2019), as used by ViPNAS.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(16, channels // 16)
        self.mask = nn.Conv2d(channels, 1, 1)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.norm = nn.LayerNorm([hidden, 1, 1])
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        attention = self.mask(features).flatten(2).softmax(dim=2)
        context = torch.matmul(features.flatten(2), attention.transpose(1, 2)).unsqueeze(3)
        context = relu(self.norm(self.squeeze(context)))
        added: Tensor = self.expand(context)
        return features + added


class Bottleneck(nn.Module):
    """1x1, k x k grouped, 1x1 convolution at one width, and a shortcut.

    (N, I, H, W) to (N, O, H / stride, W / stride).

    Source: ViPNAS (Xu et al., CVPR 2021), the ResNet-50 space: expansion 1, attention before the addition.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        groups: int,
        attention: bool,
        stride: int,
        project: bool,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(
            out_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv3 = nn.Conv2d(out_channels, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.attention = GlobalContext(out_channels) if attention else nn.Identity()
        self.shortcut = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )
            if project
            else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        hidden = relu(self.norm1(self.conv1(features)), inplace=True)
        hidden = relu(self.norm2(self.conv2(hidden)), inplace=True)
        hidden = self.attention(self.norm3(self.conv3(hidden)))
        return relu(hidden + self.shortcut(features), inplace=True)


def convolution(in_channels: int, out_channels: int, *, kernel: int, stride: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU: (N, I, H, W) to (N, O, H / stride, W / stride)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def upsampling(in_channels: int, out_channels: int, *, groups: int) -> nn.Sequential:
    """4x4 transposed convolution, batch norm, ReLU: (N, I, H, W) to (N, O, 2 H, 2 W)."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class Chain(nn.Module):
    """A backbone of named parts that run one after the other.

    Images to the outputs of those parts that are levels.
    """

    def __init__(self, parts: Mapping[str, nn.Module], levels: Sequence[Level]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.levels = tuple(levels)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features, outputs = images, {}
        for name, part in self.named_children():
            features = part(features)
            outputs[name] = features
        return {level.name: outputs[level.name] for level in self.levels}
