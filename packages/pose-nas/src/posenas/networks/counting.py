"""What a network costs: parameters and multiply-adds, counted without computing anything.

MACs are multiply-adds. The papers print them as "FLOPs". Most of them also count by the rule of HRNet's
model summary and divide by 2^30: `paper_gflops` follows that. McNally's thesis (EvoPose2D) halves what
TensorFlow's profiler counts: `thesis_gflops` follows that. Both are there for comparison with published
figures only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class Costs:
    """The costs of a network for one image.

    Attributes:
        parameters: trainable or not, without batch-norm statistics.
        parameters_with_statistics: with the running means and variances, as some papers count.
        macs: multiply-adds of convolutions, linear layers and matrix products.
        paper_gflops: weight numbers x output pixels of convolutions and linear layers, in units of 2^30.
            Counts a transposed convolution stride^2 times too high, and matrix products not at all.
        thesis_gflops: multiply-adds, and a half for each element that is multiplied by another (as swish and
            an attention gate do), averaged, or given a bias, in units of 10^9.
    """

    parameters: int
    parameters_with_statistics: int
    macs: int
    paper_gflops: float
    thesis_gflops: float

    @property
    def gmacs(self) -> float:
        """MACs in units of 10^9."""
        return self.macs / 1e9

    def as_dict(self) -> dict[str, int | float]:
        return asdict(self) | {"gmacs": self.gmacs}


def measure(network: nn.Module, input_size: tuple[int, int], *, known: KnownCalls | None = None) -> Costs:
    """Count a network's costs for one (3, height, width) image.

    Build it with `with torch.device("meta")`, so that nothing is allocated or computed: a
    network on any other device is counted alike, by really running it.

    Args:
        known: remembers layers for the next networks, which are counted several times as fast.
    """
    device = next((parameter.device for parameter in network.parameters()), torch.device("meta"))
    image = torch.zeros(1, 3, *input_size, device=device)
    multiplications = Multiplications()
    with (
        torch.no_grad(),
        _evaluation_mode(network),
        _summary(network) as weights_times_pixels,
        WithoutPointwise(multiplications, {} if known is None else known),
        multiplications,
    ):
        network(image)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Costs(
        parameters=parameters,
        parameters_with_statistics=parameters + _statistics(network),
        macs=multiplications.total,
        paper_gflops=sum(weights_times_pixels) / 2**30,
        thesis_gflops=(multiplications.total + multiplications.elements / 2) / 1e9,
    )


def _statistics(network: nn.Module) -> int:
    normalisations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    buffers = [buffer for module in normalisations for buffer in (module.running_mean, module.running_var)]
    return sum(buffer.numel() for buffer in buffers if buffer is not None)


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Batch norm cannot train on a single value, such as one image's 1 x 1 map."""
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@contextmanager
def _summary(network: nn.Module) -> Iterator[list[int]]:
    """HRNet's `get_model_summary`: one product a layer and call."""
    products: list[int] = []

    def convolution(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        products.append(module.weight.numel() * output.shape[-2:].numel())

    def linear(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        assert isinstance(module, nn.Linear)
        products.append(module.in_features * output.numel())

    hooks = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            hooks.append(module.register_forward_hook(convolution))
        if isinstance(module, nn.Linear):
            hooks.append(module.register_forward_hook(linear))
    try:
        yield products
    finally:
        for hook in hooks:
            hook.remove()


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
class Call:
    """What a call of a function on the meta device came to.

    Attributes:
        output: a tensor on the meta device; only its shape and its type count.
        multiplications, elements: what it added to `Multiplications`.
    """

    output: Tensor
    multiplications: int
    elements: int


KnownCalls: TypeAlias = dict[Any, Call]
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

    def _made(self, function: Callable[..., Any], args: Any, keywords: Mapping[str, Any]) -> Call:
        counted = self._counted
        total, elements = counted.total, counted.elements
        output = function(*args, **keywords)
        return Call(output, counted.total - total, counted.elements - elements)


def _call_key(argument: Any) -> Any:
    """What an argument on the meta device means for a call's output; None for one that decides more."""
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
