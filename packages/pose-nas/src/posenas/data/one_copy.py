"""What a worker sends beside images, brought to a device by one copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


def brought(arrays: Sequence[NDArray[np.float32]], device: torch.device) -> list[Tensor]:
    """Return float32 arrays as tensors on a device.

    To a GPU they go together, by one copy from pinned memory, for which nobody waits. On a CPU they are not
    copied.
    """
    tensors = [torch.from_numpy(array) for array in arrays]
    return tensors if device.type == "cpu" else together(tensors, device)


def together(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return tensors of one type as parts of a single one that was copied to a device."""
    block = torch.cat([tensor.flatten() for tensor in tensors])
    if device.type == "cuda":
        block = block.pin_memory()
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(block.to(device, non_blocking=True), sizes)
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
