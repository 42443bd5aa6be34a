"""Operators measured one by one: each is called again and again on tensors like those in a network.

In a network an operator's weights come from memory far away, and its input was just written. So here many
different operators take turns, and before each call its first tensor is written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from posenas.networks.devices import Compute
from posenas.networks.latency.measure import (
    MeasuredLatency,
    TimeCall,
    device_name,
    exactly_threads,
    summarise,
)
from posenas.networks.latency.operators import Call

_WARM_UP_ROUNDS = 1


@dataclass(frozen=True)
class TensorForm:
    """A tensor's shape, strides and type, without its numbers."""

    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype

    def make(self, device: torch.device) -> Tensor:
        """Return a tensor of this form, of random numbers, or of zeros if its type is whole numbers."""
        tensor = torch.empty_strided(self.shape, self._dense_strides(), dtype=self.dtype, device=device)
        return tensor.uniform_() if self.dtype.is_floating_point else tensor.zero_()

    def _dense_strides(self) -> tuple[int, ...]:
        """Return the strides, or plain ones where elements share memory, as in an expanded tensor."""
        reach = 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if reach >= self.shape.numel():
            return self.strides
        return torch.empty(self.shape, device="meta").stride()


def without_numbers(call: Call) -> Call:
    """Return the call with forms in place of tensors, so that thousands of calls fit into memory."""

    def form(tensor: Tensor) -> TensorForm:
        return TensorForm(tensor.shape, tensor.stride(), tensor.dtype)

    args, kwargs = tree_map_only(Tensor, form, (call.args, dict(call.kwargs)))
    return replace(call, args=args, kwargs=kwargs)


def measure_alone(
    calls: Sequence[Call], *, compute: Compute, threads: int, time_call: TimeCall, rounds: int = 5
) -> list[MeasuredLatency]:
    """Return the time of each call, all of them taking turns.

    Args:
        calls: operators as they were called, without numbers.
        compute: the device, and the type that operators compute in where autocast was on.
        threads: threads of the CPU.
        time_call: makes a call and returns the milliseconds that it took.
        rounds: how often each operator is timed.
    """
    times: list[list[float]] = [[] for _ in calls]
    with torch.inference_mode(), exactly_threads(threads):
        turns = [_prepare(call, compute, time_call) for call in calls]
        for number in range(_WARM_UP_ROUNDS + rounds):
            for turn, taken in zip(turns, times, strict=True):
                milliseconds = turn()
                if number >= _WARM_UP_ROUNDS:
                    taken.append(milliseconds)
    name = device_name(compute.device)
    return [summarise(taken, device=name) for taken in times]


def _prepare(call: Call, compute: Compute, time_call: TimeCall) -> Callable[[], float]:
    def make(form: TensorForm) -> Tensor:
        return form.make(compute.device)

    args, kwargs = tree_map_only(TensorForm, make, (call.args, dict(call.kwargs)))
    tensors: list[Any] = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    pristine = [tensor.clone() for tensor in tensors[:1]]
    precision = replace(compute, autocast_dtype=compute.autocast_dtype if call.autocast else None)

    def turn() -> float:
        for tensor, original in zip(tensors, pristine, strict=False):
            tensor.copy_(original)
        with precision.autocast():
            return time_call(lambda: call.function(*args, **kwargs))

    return turn
