"""Convolutions with batch norm and activation, and stacks of them that begin or end a backbone."""

from __future__ import annotations

from torch import nn

from posenas.networks.without_values import made


def convolution(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int,
    stride: int,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Return a convolution, its batch norm and an activation: (N, I, H, W) to (N, O, H / stride, W / stride).

    Args:
        in_channels: I.
        out_channels: O.
        kernel: side of the kernel in pixels, odd.
        stride: pixels between two positions of the kernel.
        groups: number of the convolution's groups of channels.
        activation: made with `inplace=True`; None leaves it out.
    """
    layers: list[nn.Module] = [
        made(nn.Conv2d, in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        made(nn.BatchNorm2d, out_channels),
    ]
    return nn.Sequential(*layers, *([] if activation is None else [activation(inplace=True)]))


def upsampling(in_channels: int, out_channels: int, *, groups: int) -> nn.Sequential:
    """Return 4x4 transposed convolution, batch norm and ReLU: (N, I, H, W) to (N, O, 2 H, 2 W).

    Args:
        in_channels: I.
        out_channels: O.
        groups: groups of channels that are convolved apart.
    """
    return nn.Sequential(
        made(nn.ConvTranspose2d, in_channels, out_channels, 4, 2, 1, groups=groups, bias=False),
        made(nn.BatchNorm2d, out_channels),
        nn.ReLU(inplace=True),
    )


def pooled_stem(width: int) -> nn.Sequential:
    """Return ResNet's stem, 7x7 convolution and max pooling: (N, 3, H, W) to (N, width, H / 4, W / 4)."""
    return nn.Sequential(convolution(3, width, kernel=7, stride=2), nn.MaxPool2d(3, 2, 1))
