"""Multiplications counted while a network runs, without the calls that multiply nothing or are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_POINTWISE = (
    functional.batch_norm,
    functional.layer_norm,
    functional.relu,
    functional.hardtanh,  # ReLU6
    Tensor.clamp,
)


_REMEMBERED = frozenset(
    (
        functional.adaptive_avg_pool2d,
        functional.avg_pool2d,
        functional.conv2d,
        functional.conv_transpose2d,
        functional.hardsigmoid,
        functional.hardswish,
        functional.interpolate,
        functional.linear,
        functional.max_pool2d,
        functional.silu,
        functional.softmax,
        torch.conv2d,
        torch.conv_transpose2d,
        torch.matmul,
        torch.sigmoid,
        torch.softmax,
        Tensor.add,
        Tensor.div,
        Tensor.matmul,
        Tensor.mean,
        Tensor.mul,
        Tensor.sigmoid,
        Tensor.softmax,
    )
)
"""Of these the output's shape follows from the arguments' shapes, and nothing else changes its shape."""


@dataclass(frozen=True)
class KnownCall:
    """What a call of a function on the meta device came to.

    Attributes:
        output: a tensor on the meta device; only its shape and its type count.
        multiplications, elements: what it added to `Multiplications`.
    """

    output: Tensor
    multiplications: int
    elements: int


KnownCalls: TypeAlias = dict[Any, KnownCall]
"""By function and the arguments' shapes and types."""


class WithoutPointwise(TorchFunctionMode):
    """Passes over normalisation, ReLU and clamps: they multiply nothing, and are slow on the meta device.
    Calls that are known are not made again."""

    def __init__(self, counted: Multiplications, known: KnownCalls) -> None:
        super().__init__()
        self._counted = counted
        self._known = known

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        keywords = kwargs or {}
        if args and function in _POINTWISE:
            return args[0]
        if function not in _REMEMBERED or "out" in keywords:
            return function(*args, **keywords)
        key = (function, *map(_call_key, args), *((name, _call_key(keywords[name])) for name in keywords))
        if None in key:
            return function(*args, **keywords)
        call = self._known.get(key)
        if call is None:
            call = self._known[key] = self._made(function, args, keywords)
            return call.output.clone()
        self._counted.total += call.multiplications
        self._counted.elements += call.elements
        return call.output.clone()

    def _made(self, function: Callable[..., Any], args: Any, keywords: Mapping[str, Any]) -> KnownCall:
        counted = self._counted
        total, elements = counted.total, counted.elements
        output = function(*args, **keywords)
        return KnownCall(output, counted.total - total, counted.elements - elements)


def _call_key(argument: object) -> Any:
    """Return what an argument on the meta device means for a call's output; None where it decides more."""
    if isinstance(argument, Tensor):
        return (argument.shape, argument.dtype) if argument.is_meta else None
    if argument is None:
        return "none"
    if isinstance(argument, tuple | list):
        parts = tuple(map(_call_key, argument))
        return None if None in parts else parts
    return (type(argument), argument) if isinstance(argument, bool | int | float | str) else None


class Multiplications(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the multiply-adds of every operator that torch has a formula for; and the elements that
    TensorFlow's profiler counts one operation each for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0
        self.elements = 0

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        keywords = kwargs or {}
        output = function(*args, **keywords)
        operations = flop_registry.get(function._overloadpacket)
        if operations is not None:
            self.total += operations(*args, **keywords, out_val=output) // 2
        self.elements += _counted_elements(function._overloadpacket, args, output)
        return output


_ATEN = torch.ops.aten
_MULTIPLYING = {_ATEN.mul, _ATEN.mul_, _ATEN.silu, _ATEN.silu_, _ATEN.hardswish, _ATEN.hardswish_}
_AVERAGING = {_ATEN.mean, _ATEN._adaptive_avg_pool2d}


def _counted_elements(operator: Any, args: tuple[Any, ...], output: Any) -> int:
    """By the rule of `thesis_gflops`: additions, normalisation and ReLU count nothing.

    Source: McNally, thesis (2022), tables 3.4 and 3.5, which only this rule meets to every printed digit.
    """
    if operator in _MULTIPLYING:
        return int(output.numel())
    if operator in _AVERAGING:
        return int(args[0].numel())
    biased = operator is _ATEN.addmm or (operator is _ATEN.convolution and args[2] is not None)
    return int(output.numel()) if biased else 0
