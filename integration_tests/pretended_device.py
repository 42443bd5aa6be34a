"""A pretended device: tensors that say they are on `sim:0`, and are computed on the CPU.

It shows on any machine what a GPU would make of a program: `Watched` refuses a tensor of the CPU among those
of the device, and counts where the host would wait and how many kernels would be launched. All values are
those of the CPU, to the bit.

`install` changes torch for the whole process, so programs that use it are run apart from the tests. It takes
private parts of torch and is known to work with torch 2.13.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "sim"
_OPS = torch.ops.aten
_READING: Mapping[Any, str] = {
    _OPS._local_scalar_dense.default: "a number read",
    _OPS.equal.default: "a comparison read",
    **dict.fromkeys(
        (
            _OPS.nonzero.default,
            _OPS.masked_select.default,
            _OPS._unique2.default,
            _OPS.unique_dim.default,
            _OPS.unique_consecutive.default,
            _OPS.bincount.default,
            _OPS.repeat_interleave.Tensor,
        ),
        "a shape that depends on values",
    ),
}
"""Operations whose result the host must know, by what it waits for."""
_COPIES = (_OPS._to_copy.default, _OPS.copy_.default)
_INDEXED = (_OPS.index.Tensor, _OPS.index_put.default, _OPS.index_put_.default, _OPS._index_put_impl_.default)
_WITHOUT_KERNEL = (
    _OPS.empty.memory_format,
    _OPS.empty_strided.default,
    _OPS.empty_like.default,
    _OPS.new_empty.default,
    _OPS.new_empty_strided.default,
    _OPS.lift_fresh.default,
    _OPS._unsafe_view.default,
    _OPS.set_.source_Tensor,
)
"""Operations that are no views and compute nothing."""


class Pretended(Tensor):
    """A tensor of the device.

    Attributes:
        held: its values, on the CPU.
    """

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Pretended:
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )
        made.held = held
        return made  # type: ignore[no-any-return]

    @classmethod
    def __torch_dispatch__(cls, operation: Any, *_: Any) -> Any:
        raise RuntimeError(f"{operation} on {NAME} while nothing is watched, at {_caller()}")

    def __repr__(self, **_: Any) -> str:
        return f"Pretended({self.held!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            made: Tensor = Pretended(self.held.clone())
            is_parameter = isinstance(self, torch.nn.Parameter)
            memo[id(self)] = torch.nn.Parameter(made, self.requires_grad) if is_parameter else made
        return memo[id(self)]

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def tolist(self) -> Any:
        return self.cpu().tolist()


def install() -> torch.device:
    """Make the device known to torch, and return it."""
    backend_registration._setup_privateuseone_for_python_backend(NAME)
    answers: dict[str, Any] = {
        "current_device": lambda: 0,
        "device_count": lambda: 1,
        "is_available": lambda: True,
        "get_amp_supported_dtype": lambda: [torch.bfloat16],
        "manual_seed_all": lambda _seed: None,
        "_is_in_bad_fork": lambda: False,
    }
    # Of a device without a kernel of its own, torch makes this of others, which round otherwise.
    library = torch.library.Library("aten", "IMPL")
    library.impl("silu_backward", Pretended.__torch_dispatch__, "PrivateUse1")
    answers["library"] = library  # lives as long as the process
    for name, answer in answers.items():
        setattr(getattr(torch, NAME), name, answer)
    # A module that is moved gets new parameters: old ones cannot take values of another kind of tensor.
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    return torch.device(NAME, 0)


class Watched(TorchDispatchMode):
    """A context in which the device can be used, and is watched.

    Attributes:
        waits: how often the host would have waited, by what for and the calling file and line.
        operations: how many operations were called on the device.
        launches: how many of them compute something: all but views, allocations and copies between devices.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[tuple[str, str]] = Counter()
        self.operations = self.launches = 0

    def __enter__(self) -> Self:
        # Else `torch.tensor(..., device=NAME)` would be made without being told here.
        self._lifting = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(self._lifting)

    def __torch_dispatch__(self, operation: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        wanted = _device_of(kwargs)
        if wanted != NAME and not any(isinstance(each, Pretended) for each in tensors):
            return operation(*args, **kwargs)
        self.operations += 1
        self._note(operation, args, kwargs)
        held = {id(each.held): each for each in tensors if isinstance(each, Pretended)}
        there = {"device": torch.device("cpu")} if wanted else {}
        made = operation(*tree_map(_held, args), **{**tree_map(_held, kwargs), **there})
        if operation is _OPS.copy_.default:
            return args[0]
        if operation is _OPS._to_copy.default and wanted == "cpu":
            return made.clone()
        return tree_map(lambda leaf: _outside(leaf, held), made)

    def _note(self, operation: Any, args: Any, kwargs: Mapping[str, Any]) -> None:
        """Count an operation, or refuse it."""
        if operation in _COPIES:
            self._note_copy(operation, args, kwargs)
            return
        if not operation.is_view and operation not in _WITHOUT_KERNEL:
            self.launches += 1
        if operation in _READING:
            self._wait(_READING[operation])
        if operation in _INDEXED:
            self._note_index(operation, args)
            return
        strange = [each for each in tree_leaves((args, kwargs)) if _is_strange(each)]
        if strange:
            shape = tuple(strange[0].shape)
            raise RuntimeError(
                f"{operation} at {_caller()}: a tensor {shape} of the CPU among those of {NAME}"
            )

    def _note_copy(self, operation: Any, args: Any, kwargs: Mapping[str, Any]) -> None:
        if operation is _OPS.copy_.default:
            target, source, waiting = args[0], args[1], not (len(args) > 2 and args[2])
        else:
            target, source = _device_of(kwargs) or args[0], args[0]
            waiting = not kwargs.get("non_blocking", False)
        there = target == NAME or isinstance(target, Pretended)
        if there == isinstance(source, Pretended):
            self.launches += 1
        elif not there:
            self._wait("a copy to the host")
        elif waiting:
            self._wait("a copy from the host")

    def _note_index(self, operation: Any, args: Any) -> None:
        if not isinstance(args[0], Pretended):
            raise RuntimeError(f"{operation} at {_caller()}: a tensor of the CPU indexed by one of {NAME}")
        indices = [each for each in args[1] if each is not None]
        filled = operation is not _OPS.index.Tensor and len(indices) == 1 and args[2].numel() == 1
        if any(each.dtype == torch.bool for each in indices) and not filled:
            self._wait("a boolean index")
        if any(not isinstance(each, Pretended) for each in indices):
            self._wait("an index of the host")

    def _wait(self, what: str) -> None:
        self.waits[what, _caller()] += 1


def _device_of(kwargs: Mapping[str, Any]) -> str:
    """Return the kind of device that an operation is asked for; nothing if it is not."""
    device = kwargs.get("device")
    return "" if device is None else torch.device(device).type


def _is_strange(leaf: object) -> bool:
    """Tell whether a GPU would refuse an operand: a number without an axis may be the CPU's."""
    return isinstance(leaf, Tensor) and not isinstance(leaf, Pretended) and leaf.dim() > 0


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, Pretended) else leaf


def _outside(leaf: Any, held: Mapping[int, Pretended]) -> Any:
    """Return a result as a tensor of the device; what was changed in place is the same one as before."""
    if not isinstance(leaf, Tensor):
        return leaf
    return held[id(leaf)] if id(leaf) in held else Pretended(leaf)


def _caller() -> str:
    """Return file and line of the nearest frame that is neither torch's nor of this file."""
    for frame in _frames():
        file = frame.f_code.co_filename
        if file != __file__ and "/torch/" not in file and "<" not in file:
            return f"{Path(file).name}:{frame.f_lineno}"
    return "?"


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
