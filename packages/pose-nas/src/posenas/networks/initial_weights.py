"""Initial weights: tensors that trainings begin with, from a file of any run or any other program."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from posenas.contract.errors import PosenasError
from posenas.networks.transfer import transfer
from posenas.networks.weights_files.content import read_tensors
from posenas.runs.checksums import read_result

_MOST_BYTES = 4 * 2**30
"""The largest pose network with its optimizer's state has a quarter of that."""


@dataclass(frozen=True)
class InitialWeights:
    """Tensors from a file that trainings begin with.

    Attributes:
        file: where they were read.
        digest: SHA-256 of the file's content, hexadecimal.
        tensors: the tensors by the names that a network has for them.
        key: what they lay under in the file, where that is one of several things there.
    """

    file: Path
    digest: str
    tensors: Mapping[str, Tensor]
    key: str = ""

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
    """Read weights from safetensors, a torch file, an HDF5 file of Keras, or a run's folder.

    A folder stands for its best network's weights. A torch file holds a state dict or a module, or one of
    them under `state_dict`, `model` or the like; averaged weights come first. What a wrapper or a
    super-network puts before the names is left out, so that either serves the other. No file's code is run.

    Raises:
        PosenasError: where there are no weights.
    """
    file, content = _content(path)
    try:
        tensors, key = read_tensors(content)
    except PosenasError as error:
        raise PosenasError(f"init {file}: {error}") from error
    if not tensors:
        raise PosenasError(f"init {file}: holds no tensors; give a network's state dict")
    faults = [(name, fault) for name, tensor in tensors.items() if (fault := _fault(name, tensor))]
    if faults:
        name, fault = faults[0]
        raise PosenasError(
            f"init {file}: {len(faults)} of its {len(tensors)} tensors are not weights: {name!r} {fault}; "
            "give weights of a training that did not diverge"
        )
    return InitialWeights(file, hashlib.sha256(content).hexdigest(), tensors, key)


def _content(path: Path) -> tuple[Path, bytes]:
    """Return the file of the weights, which is the path or lies in its folder, and its content."""
    file = path / "best" / "weights.safetensors" if path.is_dir() else path
    try:
        if path.is_dir():
            return file, read_result(path, "best/weights.safetensors")
        problem = _unreadable(path)
        if problem:
            raise PosenasError(f"init {file}: {problem}; give a file of weights or a run's folder")
        return file, path.read_bytes()
    except FileNotFoundError as error:
        hint = (
            "this folder is no finished run" if path.is_dir() else "give a file of weights or a run's folder"
        )
        raise PosenasError(f"init {file}: there is no such file; {hint}") from error
    except OSError as error:
        raise PosenasError(f"init {file}: cannot be read: {error.strerror}") from error


def _unreadable(path: Path) -> str:
    """Return why a path is no file of weights, before a byte of it is read; empty where it may be one."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    if status.st_size > _MOST_BYTES:
        return f"has {status.st_size / 2**30:.1f} GiB, and at most 4 are read"
    return ""


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


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
