"""The candidate operations of an edge, from (N, C, H, W) to the same shape.

Source: AutoPose (Gong et al., 2020), section 3.1.2. The paper does not say how operations are normalised.
Here a convolution comes after a ReLU and before a batch norm, as in DARTS (Liu et al., ICLR 2019).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from posenas.layers import made
from torch import nn

Operation: TypeAlias = Literal["conv5", "conv3", "conv1", "max3", "avg3", "skip"]

OPERATIONS: tuple[Operation, ...] = get_args(Operation)
"""The operations in the order of a row of alpha, from dear to cheap: the first of equals is the dearest."""


def make_operation(name: Operation, channels: int) -> nn.Module:
    """Return the layers of an operation for maps of so many channels."""
    match name:
        case "conv5":
            return _convolution(channels, 5)
        case "conv3":
            return _convolution(channels, 3)
        case "conv1":
            return _convolution(channels, 1)
        case "max3":
            return nn.MaxPool2d(3, 1, 1)
        case "avg3":
            return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        case "skip":
            return nn.Identity()


def _convolution(channels: int, kernel: int) -> nn.Sequential:
    """Return ReLU, a convolution, and a batch norm without weights of its own: the mixture weighs it."""
    return nn.Sequential(
        nn.ReLU(),
        made(nn.Conv2d, channels, channels, kernel, 1, kernel // 2, bias=False),
        made(nn.BatchNorm2d, channels, affine=False),
    )
