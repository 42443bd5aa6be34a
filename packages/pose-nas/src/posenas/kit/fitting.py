"""Outputs that a head's loss asks for: found by descent on the outputs themselves, without any network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

_STEPS = 150
_LEARNING_RATE = 0.3


def fitted(outputs: Any, loss: Callable[[Any], Tensor]) -> Any:
    """Return outputs whose loss is least, as far as some steps of Adam find them.

    Args:
        outputs: those to begin with: a tensor, or tensors in lists, tuples, mappings and frozen dataclasses.
        loss: of outputs of the same form.
    """
    free = _each_tensor(outputs, lambda tensor: tensor.detach().clone().requires_grad_())
    optimizer = torch.optim.Adam(list(_tensors(free)), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        loss(free).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return _each_tensor(free, Tensor.detach)


def _each_tensor(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the same form with each tensor of real numbers changed."""
    if isinstance(value, Tensor):
        return change(value) if value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: _each_tensor(each, change) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_each_tensor(each, change) for each in value))
    if isinstance(value, list | tuple):
        return type(value)(_each_tensor(each, change) for each in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        return dataclasses.replace(value, **_each_tensor(fields, change))
    return value


def _tensors(value: Any) -> Iterator[Tensor]:
    found: list[Tensor] = []
    _each_tensor(value, lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
    yield from found
