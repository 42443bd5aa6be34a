"""The operators that a network runs for one batch, each with its shapes, as canonical text.

    conv2d 64x48 32->64 k3x3 s1x1 g1

An operator is a call of one of torch's functions, seen while the network runs on torch's `meta` device, where
nothing is computed. The text names everything that the operator's time depends on, so networks share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from posenas.networks.latency.measure import check_single
from posenas.networks.multiplications import Multiplications

_CONVOLUTIONS = (functional.conv2d, functional.conv_transpose2d)
_NORMALISATIONS = (functional.batch_norm, functional.layer_norm)
_SHAPE_KEEPING = (*_NORMALISATIONS, functional.relu)


@dataclass(frozen=True)
class Operator:
    """A call of a torch function, known by its text.

    Attributes:
        key: the canonical text; its first word is the kind.
        macs: multiply-adds.
        elements: numbers that it reads and writes, weights included.
    """

    key: str
    macs: int
    elements: int

    @property
    def kind(self) -> str:
        """The kind of the operator, such as `conv2d`."""
        return self.key.partition(" ")[0]


@dataclass(frozen=True)
class Call:
    """An operator with the function and the arguments of its call.

    Attributes:
        operator: the operator.
        function: torch's function.
        args: positional arguments.
        kwargs: named arguments.
        autocast: whether torch was choosing the precision.
    """

    operator: Operator
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    autocast: bool


def list_operators(network: nn.Module, input_size: tuple[int, int], *, batch_size: int = 1) -> list[Operator]:
    """Return the operators of a network on the meta device, in their order, for one batch.

    Args:
        network: a network on the meta device, from images to outputs.
        input_size: (height, width) in pixels.
        batch_size: images in the batch.
    """
    check_single(network)
    images = torch.zeros(batch_size, 3, *input_size, device="meta")
    return [call.operator for call in record_calls(network, images)]


def record_calls(network: nn.Module, images: Tensor) -> list[Call]:
    """Run the network in evaluation mode, on the images' device, and return the calls that it made."""
    recorder = _Recorder(images.device.type)
    network.eval()
    with torch.no_grad(), recorder.multiplications, recorder:
        network(images)
    return recorder.calls


class _Recorder(TorchFunctionMode):
    """A mode that sees the calls of torch functions, but not those that they make in turn."""

    def __init__(self, device_type: str) -> None:
        super().__init__()
        self._device_type = device_type
        self.calls: list[Call] = []
        self.multiplications = Multiplications()

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        before = self.multiplications.total
        output = _run(function, args, kwargs)
        written = [value for value in tree_leaves(output) if isinstance(value, Tensor)]
        if written and not _is_property(function):
            operator = Operator(
                key=_key(function, args, kwargs),
                macs=self.multiplications.total - before,
                elements=sum(tensor.numel() for tensor in (*_tensors(args, kwargs), *written)),
            )
            autocast = self._device_type != "meta" and torch.is_autocast_enabled(self._device_type)
            self.calls.append(Call(operator, function, args, kwargs, autocast))
        return output


def _run(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the call's output; on the meta device, slow normalisation and ReLU are passed over."""
    if function in _SHAPE_KEEPING and args[0].is_meta:
        return args[0]
    return function(*args, **kwargs)


def _is_property(function: Callable[..., Any]) -> bool:
    return getattr(function, "__name__", "") == "__get__"


def _tensors(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Tensor]:
    return [value for value in tree_leaves((args, dict(kwargs))) if isinstance(value, Tensor)]


def _key(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    name = function.__name__
    if function in _CONVOLUTIONS:
        return " ".join((name, *_convolution_words(function, args, kwargs)))
    if function in _NORMALISATIONS:
        return f"{name} {_size(args[0].shape)}"
    return " ".join((name, *_words((args, dict(kwargs)))))


def _convolution_words(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[str]:
    transposed = function is functional.conv_transpose2d
    tail = ("output_padding", "groups", "dilation") if transposed else ("dilation", "groups")
    names = ("input", "weight", "bias", "stride", "padding", *tail)
    given: dict[str, Any] = {"bias": None, "stride": 1, "groups": 1, "dilation": 1}
    given.update(zip(names, args, strict=False))
    given.update(kwargs)
    weight, groups = given["weight"], given["groups"]
    inputs, outputs = (0, 1) if transposed else (1, 0)
    grouped = {inputs: 1 if transposed else groups, outputs: groups if transposed else 1}
    yield _size(given["input"].shape[-2:])
    yield f"{weight.shape[inputs] * grouped[inputs]}->{weight.shape[outputs] * grouped[outputs]}"
    yield f"k{_size(weight.shape[2:])}"
    yield f"s{_size(_pair(given['stride']))}"
    yield f"g{groups}"
    if _pair(given["dilation"]) != (1, 1):
        yield f"d{_size(_pair(given['dilation']))}"
    if given["bias"] is not None:
        yield "bias"


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _size(shape: tuple[int, ...] | torch.Size) -> str:
    return "x".join(str(side) for side in shape)


def _words(arguments: object) -> Iterator[str]:
    """Yield shapes of tensors, and all other values, in the order of the call."""
    if isinstance(arguments, Tensor):
        yield _size(arguments.shape) or "scalar"
    elif isinstance(arguments, Mapping):
        for name in sorted(arguments):
            for word in _words(arguments[name]):
                yield f"{name}={word}"
    elif isinstance(arguments, list | tuple):
        for argument in arguments:
            yield from _words(argument)
    elif arguments is not None and arguments is not False:
        yield str(arguments)
