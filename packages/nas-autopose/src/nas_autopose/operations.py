"""The candidate operations of an edge, from (N, C, H, W) to the same shape.

Source: AutoPose (Gong et al., 2020), section 3.1.2. The paper does not say how operations are normalised.
Here a convolution comes after a ReLU and before a batch norm, as in DARTS (Liu et al., ICLR 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias, get_args

from posenas.layers import made
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu

Operation: TypeAlias = Literal["conv5", "conv3", "conv1", "max3", "avg3", "skip"]

OPERATIONS: tuple[Operation, ...] = get_args(Operation)
"""The operations in the order of a row of alpha, from dear to cheap: the first of equals is the dearest."""

_KERNELS: dict[Operation, int] = {"conv5": 5, "conv3": 3, "conv1": 1}


def make_convolutions(names: Iterable[Operation], channels: int) -> nn.ModuleDict:
    """Return the convolution and batch norm of each operation that has one, by the operation's name.

    The batch norms have no weights of their own: the mixture weighs their outputs.
    """
    return nn.ModuleDict(
        {
            name: nn.Sequential(
                made(nn.Conv2d, channels, channels, kernel, 1, kernel // 2, bias=False),
                made(nn.BatchNorm2d, channels, affine=False),
            )
            for name in names
            if (kernel := _KERNELS.get(name))
        }
    )


def outputs(features: Tensor, names: Iterable[Operation], convolutions: nn.ModuleDict) -> Iterator[Tensor]:
    """Yield what each operation makes of (N, C, H, W) features; convolutions share one ReLU before them."""
    rectified = None
    for name in names:
        match name:
            case "skip":
                yield features
            case "max3":
                yield max_pool2d(features, 3, 1, 1)
            case "avg3":
                yield avg_pool2d(features, 3, 1, 1, count_include_pad=False)
            case _:
                rectified = relu(features) if rectified is None else rectified
                yield convolutions[name](rectified)
