"""Tensors on disk as safetensors; never a pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from posenas.errors import PosenasError
from posenas.files import content_name, write_atomically

_OPTIMIZER = "optimizer."
_NETWORK = "network."
_BEST = "best."
_BEST_LOSS = "best_loss"


@dataclass(frozen=True)
class BestEpoch:
    """The epoch with the least validation loss so far, and the network after it, in main memory."""

    loss: float
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: nn.Module, loss: float, *, replaced: Self | None) -> Self:
        """A copy of the network's parameters and buffers, in the memory of the one that it replaces."""
        state = network.state_dict()
        if replaced is None:
            return cls(loss, {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()})
        for name, tensor in state.items():
            replaced.weights[name].copy_(tensor)
        return cls(loss, replaced.weights)


def save_weights(folder: Path, network: nn.Module) -> str:
    """Writes parameters and buffers; returns the file's name, which is a hash of its content."""
    content = save(_plain(network.state_dict()))
    name = content_name(content) + ".safetensors"
    if not (folder / name).exists():
        write_atomically(folder / name, content)
    return name


def read_weights(folder: Path, name: str) -> bytes:
    """What `save_weights` wrote. Raises PosenasError where it is missing or not that any more."""
    path = folder / name
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise PosenasError(f"{path}: this weights file is missing; resume the run") from error
    if content_name(content) != path.stem:
        raise PosenasError(f"{path}: this weights file is damaged; delete it and resume the run")
    return content


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Raises PosenasError, naming the file, where it is missing or damaged."""
    try:
        return load(path.read_bytes())
    except FileNotFoundError as error:
        raise PosenasError(f"{path}: this file is missing; resume the run") from error
    except SafetensorError as error:
        raise PosenasError(
            f"{path}: not a whole safetensors file ({error}); delete it and resume the run"
        ) from error


def save_checkpoint(
    path: Path,
    *,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    best: BestEpoch | None = None,
) -> None:
    """One file with all that training needs to go on after `epoch` finished epochs, replaced atomically."""
    tensors = {_NETWORK + name: tensor for name, tensor in network.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMIZER}{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    tensors["epoch"] = torch.tensor(epoch)
    if best is not None:
        tensors |= {_BEST + name: tensor for name, tensor in best.weights.items()}
        tensors[_BEST_LOSS] = torch.tensor(best.loss, dtype=torch.float64)  # reads back as the same float
    write_atomically(path, save(_plain(tensors)))


def load_checkpoint(
    path: Path, *, network: nn.Module, optimizer: torch.optim.Optimizer, validated: bool = False
) -> tuple[int, BestEpoch | None]:
    """Restores network and optimizer in place.

    Args:
        validated: whether the training looks for its best epoch.

    Returns:
        The number of finished epochs, 0 without a file, and the best one of a validated training.

    Raises:
        PosenasError: where the file is damaged, or another training's.
    """
    if not path.exists():
        return 0, None
    tensors = load_tensors(path)
    try:
        epoch = int(tensors.pop("epoch"))
        network.load_state_dict(_with_prefix(tensors, _NETWORK))
        best = BestEpoch(float(tensors[_BEST_LOSS]), _with_prefix(tensors, _BEST)) if validated else None
    except (KeyError, RuntimeError) as error:
        raise PosenasError(f"{path}: not this training's checkpoint; delete it and resume the run") from error
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _with_prefix(tensors, _OPTIMIZER).items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter in optimizer.state:  # as a step leaves them: one without a gradient would be passed over
        parameter.grad = torch.zeros_like(parameter)
    return epoch, best


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
