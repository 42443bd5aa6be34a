"""Whether what is to be learnt has an effect on what the head reads."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


def reached(network: nn.Module, values: Mapping[str, Tensor], input_size: tuple[int, int]) -> set[str]:
    """Return the names of the values that something depends on which the network puts out.

    Args:
        network: on the meta device, where nothing is allocated or computed.
        values: an architecture's parameters in it, by the names of their dimensions.
        input_size: height and width of the images in pixels.
    """
    outputs = network(torch.empty(2, 3, *input_size, device="meta"))
    leaves = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor) and leaf.requires_grad]
    gradients = torch.autograd.grad([leaf.sum() for leaf in leaves], list(values.values()), allow_unused=True)
    return {name for name, gradient in zip(values, gradients, strict=True) if gradient is not None}
