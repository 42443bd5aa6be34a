"""Constants on a device, without a wait of the host."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def constant(values: Any, like: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """Return numbers of Python as a tensor on another tensor's device.

    Unlike `like.new_tensor(values)` it does not let the host wait until a GPU has done all its work.

    Args:
        values: a number, or lists of numbers.
        like: gives the device, and the type if no other one is wanted.
        dtype: the wanted type.
    """
    made = torch.tensor(values, dtype=dtype or like.dtype, device="cpu")
    return made.to(like.device, non_blocking=True)
