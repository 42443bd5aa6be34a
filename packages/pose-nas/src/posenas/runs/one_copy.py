"""Many tensors to another device in one copy: each copy from a device lets the host wait."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def in_one_copy(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return tensors of any types and shapes on a device, brought there in one copy.

    They are put into one block of bytes on the device where they are, and are parts of its copy afterwards.
    A copy to the host waits until the tensors are computed. One from the host does not wait: to a GPU it goes
    from pinned memory.

    Args:
        tensors: on one device, without gradients.
        device: where they are wanted. If they are there already, they are returned as they are.

    Returns:
        The tensors in their order, contiguous where they were copied.
    """
    if all(tensor.device == device for tensor in tensors):
        return list(tensors)
    # The longest elements come first, so that each tensor begins at a multiple of its element's bytes.
    order = sorted(range(len(tensors)), key=lambda index: -tensors[index].element_size())
    flat = [_flat(tensors[index].detach()).view(torch.uint8) for index in order]
    block = torch.cat(flat)
    if device.type == "cuda" and block.device.type == "cpu":
        block = block.pin_memory()
    block = block.to(device, non_blocking=device.type != "cpu")
    copies = {
        index: part.view(tensors[index].dtype).view(tensors[index].shape)
        for index, part in zip(order, torch.split(block, [len(each) for each in flat]), strict=True)
    }
    return [copies[index] for index in range(len(tensors))]


def _flat(tensor: Tensor) -> Tensor:
    """Return (n,) elements one beside the other; a single one may tell another stride."""
    return tensor.contiguous().as_strided((tensor.numel(),), (1,))
