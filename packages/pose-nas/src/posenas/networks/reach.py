"""Whether what is to be learnt has an effect on what the head reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    known = _leaves_of([leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)])
    return {name for name, value in values.items() if id(value) in known}


def _leaves_of(outputs: Sequence[Tensor]) -> set[int]:
    """Return the ids of the parameters that tensors depend on.

    Only the graph is read: no gradient is computed, which is slow on the meta device.
    """
    found = {id(output) for output in outputs if output.requires_grad}
    waiting: list[Any] = [output.grad_fn for output in outputs]
    seen: set[Any] = {None}
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        waiting += [before for before, _ in node.next_functions]
    return found
