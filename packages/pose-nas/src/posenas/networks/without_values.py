"""Networks without values: the shapes of a genotype's network, before it is filled with shared weights.

A space's networks are made of the same few hundred layers again and again. Where a space's code asks `made`
for them, only the first of each is made within `WithoutValues`, and the others are copies of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

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

_PROTOTYPES = 1024
"""The most prototypes kept: 10 MB or less, at about 4 kB a layer and up to 6 layers each.

The largest one is an attention block.
"""

_CONTAINERS = frozenset((dict, list, set, OrderedDict))
_IMMUTABLE = (
    bool,
    bytes,
    complex,
    float,
    int,
    str,
    type,
    type(None),
    torch.device,
    torch.dtype,
    BuiltinFunctionType,
    FunctionType,
)

_depth = ContextVar("without values", default=0)
"""The number of `WithoutValues` that are open, which torch does not tell."""

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made", bound=nn.Module)


class WithoutValues(TorchFunctionMode):
    """A mode in which networks have shapes and no values: `with torch.device("meta")`, in less of its time.

    Tensors are made on the meta device, and functions that would fill them are left out. A tensor made in
    some rarer way has values, which costs time but harms nothing.
    """

    def __enter__(self) -> Self:
        _depth.set(_depth.get() + 1)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _depth.set(_depth.get() - 1)
        super().__exit__(kind, error, traceback)  # type: ignore[no-untyped-call]

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


def made(kind: Callable[Arguments, Made], *arguments: Arguments.args, **options: Arguments.kwargs) -> Made:
    """Return what `kind` makes of the arguments; within `WithoutValues` a copy of what it made before.

    A copy has modules, parameters, buffers and hooks of its own: nothing done to it is seen in another.

    Args:
        kind: makes a module that depends on the arguments alone.
        *arguments: hashable values, which count as the same if they are equal and of one type. A module is no
            such value.
        **options: values like the arguments, by name.

    Raises:
        TypeError: within the mode, where an argument is not hashable, or the module holds what cannot be
            copied safely: a hook, a tensor with values, or, in an attribute where torch does not know of it,
            a module, a tensor or any other object that may change.
    """
    if not _depth.get():
        return kind(*arguments, **options)
    prototype = _prototype(torch.get_default_dtype(), kind, *arguments, **options)  # type: ignore[arg-type]
    with torch._C.DisableTorchFunction():  # the mode need not look at what is on the meta device already
        return cast(Made, _copied(prototype, {}))


@lru_cache(maxsize=_PROTOTYPES, typed=True)
def _prototype(
    _default: torch.dtype, kind: Callable[..., nn.Module], *arguments: Any, **options: Any
) -> nn.Module:
    """Return the module that is copied; `_default` keeps networks of different types apart."""
    module = kind(*arguments, **options)
    for part in module.modules():
        for name, value in vars(part).items():
            if not _is_safe(name, value):
                raise TypeError(
                    f"made({kind!r}): {type(part).__name__}.{name} = {value!r} cannot be copied safely; "
                    f"register it, or call {kind!r} itself"
                )
    return module


def _is_safe(name: str, value: Any) -> bool:
    match name:
        case "_modules":
            return True
        case "_parameters" | "_buffers":
            return all(tensor is None or tensor.is_meta for tensor in value.values())
        case _ if "hooks" in name:
            return not value
        case _ if type(value) in _CONTAINERS:  # these are copied, what they hold is not
            return all(map(_is_immutable, value.values() if isinstance(value, dict) else value))
        case _:
            return _is_immutable(value)


def _is_immutable(value: object) -> bool:
    return all(map(_is_immutable, value)) if type(value) is tuple else isinstance(value, _IMMUTABLE)


def _copied(module: nn.Module, copies: dict[nn.Module, nn.Module]) -> nn.Module:
    """Return a copy of the module.

    Args:
        module: the prototype.
        copies: copies made before, by their originals: a module that is in two places stays one module.
    """
    if module in copies:
        return copies[module]
    copy = copies[module] = type(module).__new__(type(module))
    state = vars(copy)
    state |= {
        name: value.copy() if type(value) in _CONTAINERS else value for name, value in vars(module).items()
    }
    for name, parameter in module._parameters.items():
        if parameter is not None:
            state["_parameters"][name] = nn.Parameter(parameter.detach(), parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            state["_buffers"][name] = buffer.detach()
    for name, part in module._modules.items():
        if part is not None:
            state["_modules"][name] = _copied(part, copies)
    return copy
