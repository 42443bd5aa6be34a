"""Prints what `Watched` tells of single operations: their waits, their launches, and what is refused.

A program of its own, since the pretended device changes torch for the whole process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from pretended_device import Watched, install
from torch import Tensor

OPERATIONS: Mapping[str, Callable[[Tensor], Any]] = {
    "item": lambda each: each[0].item(),
    "float": lambda each: float(each[0]),
    "truth": lambda each: bool(each[0] > 0),
    "tolist": lambda each: each.tolist(),
    "to the host": lambda each: each.cpu(),
    "into the host's": lambda each: torch.zeros(3).copy_(each),
    "comparison": lambda each: torch.equal(each, each),
    "nonzero": lambda each: each.nonzero(),
    "unique": lambda each: each.unique(),
    "masked select": lambda each: each.masked_select(each > 0),
    "boolean index": lambda each: each[each > 0],
    "boolean index filled": lambda each: each.index_put_((each > 0,), each.new_zeros(())),
    "list as index": lambda each: each[[0, 1]],
    "from the host": lambda each: each + torch.ones(3).to(each.device),
    "from the host without a wait": lambda each: each + torch.ones(3).to(each.device, non_blocking=True),
    "new tensor": lambda each: each.new_tensor([1.0]),
    "number of the host": lambda each: each + torch.tensor(1.0),
    "views": lambda each: each[1:].view(2, 1).detach().unsqueeze(0),
    "kernels": lambda each: each.exp().sum(),
    "meeting": lambda each: each + torch.ones(3),
}


def told(operation: Callable[[Tensor], Any], device: torch.device) -> Mapping[str, Any]:
    """Return what is told of one operation on three numbers."""
    with Watched() as watched:
        values = torch.arange(3.0).to(device)
        watched.waits.clear()
        before, refused = watched.launches, ""
        try:
            operation(values)
        except RuntimeError as error:
            refused = str(error)
        return {
            "waits": [
                what for what, line in watched.waits.elements() if line.startswith("waits_of_operations")
            ],
            "launches": watched.launches - before,
            "refused": refused,
        }


if __name__ == "__main__":
    pretended = install()
    print(json.dumps({name: told(operation, pretended) for name, operation in OPERATIONS.items()}))
