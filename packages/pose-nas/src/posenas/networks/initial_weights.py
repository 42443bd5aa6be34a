"""Initial weights: tensors that trainings begin with, from a file of any run or any other program."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from posenas.contract.errors import PosenasError
from posenas.networks.transfer import transfer
from posenas.runs.checksums import read_result

_KEYS = ("state_dict", "model", "network")
_PREFIXES = ("module.", "shared.largest.")
"""The prefixes of tensors' names in a parallel wrapper, and in this project's super-networks."""

# What torch raises for bytes that are no torch file, or a damaged one.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    UnpicklingError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True)
class InitialWeights:
    """Tensors from a file that trainings begin with.

    Attributes:
        file: where they were read.
        digest: SHA-256 of the file's content, hexadecimal.
        tensors: the tensors by the names that a network has for them.
    """

    file: Path
    digest: str
    tensors: Mapping[str, Tensor]

    def fill(self, network: nn.Module) -> str:
        """Fill the network in place, and return a sentence that says how much was taken.

        Raises:
            PosenasError: where nothing fits.
        """
        took = transfer(network, self.tensors)
        if not took.share:
            ours, theirs = _first(list(network.state_dict())), _first(sorted(self.tensors))
            raise PosenasError(
                f"init {self.file}: nothing of it fits: it has {theirs}, and the network has {ours}; "
                "give weights of a network of this space"
            )
        fresh = f"; fresh are {_first(took.fresh)}" if took.fresh else ""
        return f"init {self.file}: {100 * took.share:.1f} % of the parameters taken from it{fresh}"


def read_initial_weights(path: Path) -> InitialWeights:
    """Read weights from safetensors, from a torch file that holds no code, or from a run's folder.

    A folder stands for its best network's weights. A torch file holds a state dict, or one under
    `state_dict`, `model` or `network`. What a wrapper or a super-network puts before the names is left out,
    so that either serves the other.

    Raises:
        PosenasError: where there are no weights.
    """
    file = path / "best" / "weights.safetensors" if path.is_dir() else path
    try:
        content = read_result(path, "best/weights.safetensors") if path.is_dir() else path.read_bytes()
    except FileNotFoundError as error:
        hint = (
            "this folder is no finished run" if path.is_dir() else "give a file of weights or a run's folder"
        )
        raise PosenasError(f"init {file}: there is no such file; {hint}") from error
    except OSError as error:
        raise PosenasError(f"init {file}: cannot be read: {error.strerror}") from error
    tensors = _without_prefixes(_tensors(content, file))
    if not tensors:
        raise PosenasError(f"init {file}: holds no tensors; give a network's state dict")
    faults = [(name, fault) for name, tensor in tensors.items() if (fault := _fault(name, tensor))]
    if faults:
        name, fault = faults[0]
        raise PosenasError(
            f"init {file}: {len(faults)} of its {len(tensors)} tensors are not weights: {name!r} {fault}; "
            "give weights of a training that did not diverge"
        )
    return InitialWeights(file, hashlib.sha256(content).hexdigest(), tensors)


def _tensors(content: bytes, file: Path) -> dict[str, Tensor]:
    try:
        return load(content)
    except SafetensorError:
        found = _torch_file(content, file)
    if not isinstance(found, Mapping):
        return {}
    state = next((found[key] for key in _KEYS if isinstance(found.get(key), Mapping)), found)
    return {name: value for name, value in state.items() if _is_plain(name, value)}


def _torch_file(content: bytes, file: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's guesses why a file that is none of its own fails
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        code = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, UnpicklingError) else None
        if code is not None:
            raise PosenasError(
                f"init {file}: needs code to be read ({code[1]}), and no file's code is run; "
                "save the network's state dict alone"
            ) from error
        raise PosenasError(
            f"init {file}: is neither a whole safetensors file nor a whole torch file of tensors"
        ) from error


def _is_plain(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_meta or value.is_quantized)
    )


def _fault(name: str, tensor: Tensor) -> str:
    """Return why a network cannot begin with the tensor; empty where it can."""
    if not tensor.numel():
        return f"is empty, of shape {list(tensor.shape)}"
    if tensor.is_complex():
        return "holds complex numbers"
    # As a network holds them: a float of 64 bits may become infinite there.
    wrong = int((~tensor.float().isfinite()).sum()) if tensor.is_floating_point() else 0
    if wrong:
        return f"holds {wrong} values that are NaN or infinite"
    if name.endswith("running_var") and bool((tensor < 0).any()):
        return "is a variance below 0"
    return ""


def _without_prefixes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the prefixes that all names have, one within another."""
    names = dict(tensors)
    while names:
        prefix = next((one for one in _PREFIXES if all(name.startswith(one) for name in names)), None)
        if prefix is None:
            break
        names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return names


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
