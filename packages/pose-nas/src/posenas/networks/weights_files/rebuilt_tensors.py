"""Tensors as pickles of torch describe them: storages, and views of them, checked before they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from posenas.networks.weights_files.inert_pickle import Inert, Name, PickleError

_DTYPES: Mapping[str, torch.dtype] = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
    "UntypedStorage": torch.uint8,
}
"""The types of storages. Files with others, such as complex numbers, are read, but their tensors are not."""
_MOST_AXES = 8
_MOST_COPIES = 8
"""How often a file's bytes may be seen in its tensors: weights that are tied are seen twice."""


@dataclass(frozen=True)
class Storage:
    """A run of values of a file, by the key under which it lies there.

    Attributes:
        count: of values.
    """

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True, eq=False)
class View:
    """A tensor that is to be made: part of a storage.

    Attributes:
        dtype: its own, where it is not the storage's.
    """

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class Rebuilder:
    """What knows the names that tensors are pickled by; all others become `Inert`.

    Attributes:
        most_bytes: of all tensors together.
        seen: bytes of the views so far, in one number.
    """

    most_bytes: int
    seen: list[int] = field(default_factory=lambda: [0])

    def storage(self, persistent: Any) -> Any:
        """Return a storage by its persistent id; an `Inert` for one of a type that is not known.

        The form before torch 1.6 refers so to modules' classes too, beside their source; the name is kept.

        Raises:
            PickleError: where the id is of no form that torch writes.
        """
        parts = persistent if isinstance(persistent, tuple) else ()
        if len(parts) == 4 and parts[0] == "module" and isinstance(parts[1], Name):
            return parts[1]
        if len(parts) not in (5, 6) or parts[0] != "storage" or not isinstance(parts[1], Name):
            raise PickleError("refers to something outside of itself that is no storage")
        kind, key, count = parts[1], parts[2], parts[4]
        if not isinstance(key, str) or type(count) is not int or count < 0 or parts[5:] not in ((), (None,)):
            raise PickleError("has a storage of no known form")
        if kind.module not in ("torch", "torch.storage", "torch.cuda") or kind.name not in _DTYPES:
            return Inert(kind)
        return Storage(key, _DTYPES[kind.name], count)

    def rebuild(self, name: Name, arguments: tuple[Any, ...]) -> Any:
        """Return what a known name makes of its arguments, an `Inert` for every other name."""
        known = _KNOWN.get(name)
        return Inert(name, arguments) if known is None else known(self, arguments)

    def view(self, storage: Any, offset: Any, size: Any, stride: Any) -> Any:
        """Return a view of a storage, checked against it; what is none stays inert.

        Raises:
            PickleError: where it says more than its storage has.
        """
        if not isinstance(storage, Storage):
            return Inert(None)
        numbers = (offset, *_whole(size), *_whole(stride))
        if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) != len(stride):
            raise PickleError("has a tensor whose sizes and strides do not agree")
        if len(size) > _MOST_AXES or any(type(each) is not int or each < 0 for each in numbers):
            raise PickleError("has a tensor of no possible size")
        count = math.prod(size)
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if count > storage.count or (count and last >= storage.count):
            raise PickleError(f"has a tensor of {count} values in a storage of {storage.count}")
        self.seen[0] += count * storage.dtype.itemsize
        if self.seen[0] > self.most_bytes:
            raise PickleError("has tensors of many times its own size")
        return View(storage, offset, size, stride)


def rebuilder_for(size: int) -> Rebuilder:
    """Return a rebuilder for a file of so many bytes."""
    return Rebuilder(_MOST_COPIES * size)


def made_tensor(view: View, values: Tensor) -> Tensor:
    """Return the tensor of a view.

    Args:
        view: what it looks at.
        values: those of its storage, one after the other.
    """
    return torch.as_strided(values, view.size, view.stride, view.offset)


def _whole(numbers: Any) -> tuple[Any, ...]:
    return numbers if isinstance(numbers, tuple) else (None,)


def _tensor(rebuilder: Rebuilder, arguments: tuple[Any, ...]) -> Any:
    if len(arguments) < 4:
        raise PickleError("has a tensor without a size")
    return rebuilder.view(*arguments[:4])


def _parameter(_: Rebuilder, arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments and isinstance(arguments[0], View) else Inert(None)


def _of_type(rebuilder: Rebuilder, arguments: tuple[Any, ...]) -> Any:
    """Return the tensor that a subclass of tensors wraps."""
    if len(arguments) < 3 or not isinstance(arguments[0], Name) or not isinstance(arguments[2], tuple):
        return Inert(None, arguments)
    known = arguments[0] if arguments[0] in _PLAIN else None
    return Inert(None) if known is None else _PLAIN[known](rebuilder, arguments[2])


def _mapping(_: Rebuilder, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Return a mapping, empty or of pairs: Python 2 pickled an ordered one as a list of pairs."""
    pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
    return {pair[0]: pair[1] for pair in pairs if isinstance(pair, (list, tuple)) and _begins_with_text(pair)}


def _begins_with_text(pair: Any) -> bool:
    return len(pair) == 2 and type(pair[0]) is str


def _size(_: Rebuilder, arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments and isinstance(arguments[0], tuple) else ()


_Known = Callable[[Rebuilder, tuple[Any, ...]], Any]

_PLAIN: Mapping[Name, _Known] = {
    Name("torch._utils", "_rebuild_tensor"): _tensor,
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
    Name("torch._utils", "_rebuild_parameter_with_state"): _parameter,
}
_KNOWN: Mapping[Name, _Known] = {
    **_PLAIN,
    Name("torch._tensor", "_rebuild_from_type_v2"): _of_type,
    Name("torch", "Size"): _size,
    Name("collections", "OrderedDict"): _mapping,
}
