"""Whether what is to be learnt has an effect on what the head reads."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from posenas.contract.errors import PosenasError


def check_reached(network: nn.Module, values: Mapping[str, Tensor], input_size: tuple[int, int]) -> None:
    """
    Args:
        network: on the meta device, where nothing is allocated or computed.
        values: an architecture's parameters in it, by the names of their dimensions.
        input_size: height and width of the images.

    Raises:
        PosenasError: where nothing that the network puts out depends on one of them.
    """
    outputs = network(torch.empty(2, 3, *input_size, device="meta"))
    leaves = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor) and leaf.requires_grad]
    gradients = torch.autograd.grad([leaf.sum() for leaf in leaves], list(values.values()), allow_unused=True)
    missing = [name for name, gradient in zip(values, gradients, strict=True) if gradient is None]
    if missing:
        raise PosenasError(
            f"nothing that the head reads depends on {', '.join(missing)}, so they cannot be learnt; choose "
            "another head, or change the space's options"
        )
