"""Networks without values: what a genotype's network looks like, before it is filled with shared weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_MAKING = frozenset(
    (torch.arange, torch.empty, torch.full, torch.ones, torch.rand, torch.randn, torch.tensor, torch.zeros)
)
_CONSTANT = frozenset((torch.ones, torch.zeros))
_FILLING = frozenset(
    (
        Tensor.fill_,
        Tensor.normal_,
        Tensor.uniform_,
        Tensor.zero_,
        nn.init.constant_,
        nn.init.kaiming_normal_,
        nn.init.kaiming_uniform_,
        nn.init.normal_,
        nn.init.uniform_,
    )
)


class Skeletons(TorchFunctionMode):
    """Networks made within have shapes and no values: `with torch.device("meta")`, in less of its time.

    Tensors are made on the meta device, and what would fill one of them is left out. A tensor made in some
    rarer way has values, which costs time but harms nothing.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in _FILLING:
            filled = args[0] if args else kwargs["tensor"]
            if filled.is_meta:
                return filled
        if function in _MAKING and kwargs.get("device") is None:
            kwargs["device"] = "meta"
            function = torch.empty if function in _CONSTANT else function
        return function(*args, **kwargs)
