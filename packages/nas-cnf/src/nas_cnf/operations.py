"""The candidate operations of an edge, from (N, C, H, W) to the same shape.

Source: PoseNFS (Yang et al., 2019), section III-B; layers as in the authors' code, which convolves,
normalises and then applies ReLU, unlike DARTS.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from torch import nn

Operation: TypeAlias = Literal["zero", "skip", "sep3", "dil3", "avg3", "max3"]

OPERATIONS: tuple[Operation, ...] = get_args(Operation)
WITHOUT_POOLING: tuple[Operation, ...] = ("zero", "skip", "sep3", "dil3")
"""The operations that the paper's part networks choose from."""


def make_operation(name: Operation, channels: int) -> nn.Module | None:
    """Return the layers of an operation; None for `zero`, which adds nothing to a sum."""
    match name:
        case "zero":
            return None
        case "skip":
            return nn.Identity()
        case "sep3":
            return nn.Sequential(*_separable(channels), *_separable(channels))
        case "dil3":
            return nn.Sequential(*_separable(channels, dilation=2))
        case "avg3":
            return nn.Sequential(nn.AvgPool2d(3, 1, 1, count_include_pad=False), _normalisation(channels))
        case "max3":
            return nn.Sequential(nn.MaxPool2d(3, 1, 1), _normalisation(channels))


def _separable(channels: int, *, dilation: int = 1) -> tuple[nn.Module, ...]:
    """Return a 3x3 depthwise and a 1x1 convolution, batch norm and ReLU."""
    return (
        nn.Conv2d(channels, channels, 3, 1, dilation, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        _normalisation(channels),
        nn.ReLU(inplace=True),
    )


def _normalisation(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm without weights of its own: the mixture weighs the operation."""
    return nn.BatchNorm2d(channels, affine=False)
