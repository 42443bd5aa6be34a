"""Weights and checkpoints on disk, as safetensors; never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import canonical_json
from posenas.runs.files import content_name, write_atomically
from posenas.runs.one_copy import in_one_copy

_OPTIMIZER = "optimizer."
_NETWORK = "network."
_BEST = "best."
_BEST_LOSS = "best_loss"
_STATE = "state."
_NOTES = "notes"
_SEED = "seed"
_CHECKSUM = "checksum"


@dataclass(frozen=True)
class BestEpoch:
    """The epoch that is best so far, and the network after it, in main memory.

    Attributes:
        loss: the validation loss, or another figure that is to be small.
        weights: parameters and buffers by name.
    """

    loss: float
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: nn.Module, loss: float, *, replaced: Self | None) -> Self:
        """Return a copy of the network's parameters and buffers as the best epoch.

        Args:
            network: what is copied.
            loss: its validation loss, or another figure that is to be small.
            replaced: the best epoch before, whose memory is used again; None if this is the first.
        """
        state = _on_the_host(network.state_dict())
        if replaced is None:
            return cls(loss, {name: tensor.clone() for name, tensor in state.items()})
        for name, tensor in state.items():
            replaced.weights[name].copy_(tensor)
        return cls(loss, replaced.weights)


def save_weights(folder: Path, network: nn.Module) -> str:
    """Write parameters and buffers; return the file's name, which is a hash of its content."""
    content = save(_plain(network.state_dict()))
    name = content_name(content) + ".safetensors"
    if not (folder / name).exists():
        write_atomically(folder / name, content)
    return name


def read_weights(folder: Path, name: str) -> bytes:
    """Return the content that `save_weights` wrote; the name may be a link to weights in the file's place.

    Raises:
        PosenasError: if it is missing, or not that any more.
    """
    path = folder / name
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise PosenasError(f"{path}: this weights file is missing; resume the run") from error
    if content_name(content) != path.resolve().stem:
        raise PosenasError(f"{path}: this weights file is damaged; delete it and resume the run")
    return content


def tensors_of(content: bytes, path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file's content.

    Raises:
        PosenasError: if it is damaged; the message names the file.
    """
    try:
        return load(content)
    except SafetensorError as error:
        raise PosenasError(
            f"{path}: not a whole safetensors file ({error}); delete it and resume the run"
        ) from error


def save_checkpoint(
    path: Path,
    *,
    network: nn.Module,
    optimizers: Mapping[str, torch.optim.Optimizer],
    epoch: int,
    seed: int,
    best: BestEpoch | None = None,
    notes: Sequence[Any] = (),
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write one file with all that a training needs to go on, in place of an earlier one.

    Args:
        path: the file, which is replaced atomically.
        network: its parameters and buffers are written.
        optimizers: their states are written, with the parameters numbered through.
        epoch: how many epochs are finished.
        seed: the training's random numbers derive from it.
        best: the best epoch of a validated training; None if there is none.
        notes: plain data that was noted after each epoch, kept beside the tensors.
        state: tensors of the training's own, such as a moving average of the weights.
    """
    tensors = {_NETWORK + name: tensor for name, tensor in network.state_dict().items()}
    for number, slots in _slots(optimizers):
        tensors |= {f"{_OPTIMIZER}{number}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    tensors |= {_STATE + name: tensor for name, tensor in (state or {}).items()}
    tensors["epoch"] = torch.tensor(epoch)
    tensors[_SEED] = torch.tensor(seed)
    if best is not None:
        tensors |= {_BEST + name: tensor for name, tensor in best.weights.items()}
        tensors[_BEST_LOSS] = torch.tensor(best.loss, dtype=torch.float64)  # reads back as the same float
    if notes:
        tensors[_NOTES] = _as_tensor(canonical_json(list(notes)).encode())
    tensors = _plain(tensors)
    tensors[_CHECKSUM] = _as_tensor(_checksum(tensors))
    write_atomically(path, save(tensors))


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after its finished epochs.

    Attributes:
        epoch: how many epochs are finished; 0 without a file.
        best: the best one of a validated training.
        notes: what was noted after each epoch.
        state: tensors of the training's own.
    """

    epoch: int
    best: BestEpoch | None
    notes: list[Any]
    state: Mapping[str, Tensor]


def load_checkpoint(
    path: Path,
    *,
    network: nn.Module,
    optimizers: Mapping[str, torch.optim.Optimizer],
    validated: bool = False,
) -> Checkpoint:
    """Restore network and optimisers in place, and return what the training has done.

    Args:
        path: a file of `save_checkpoint`; where there is none, nothing is restored.
        network: the network whose training goes on.
        optimizers: those of the training, fresh.
        validated: whether the training looks for its best epoch.

    Raises:
        PosenasError: if the file is damaged, or another training's.
    """
    if not path.exists():
        return Checkpoint(0, None, [], {})
    tensors = _checked(path)
    try:
        epoch = int(tensors.pop("epoch"))
        network.load_state_dict(_with_prefix(tensors, _NETWORK))
        best = BestEpoch(float(tensors[_BEST_LOSS]), _with_prefix(tensors, _BEST)) if validated else None
    except (KeyError, RuntimeError) as error:
        raise PosenasError(f"{path}: not this training's checkpoint; delete it and resume the run") from error
    _restore(optimizers, tensors)
    notes = json.loads(_as_bytes(tensors[_NOTES])) if _NOTES in tensors else []
    return Checkpoint(epoch, best, notes, _with_prefix(tensors, _STATE))


def keep_checkpoint(path: Path, folder: Path) -> str:
    """Copy a checkpoint among the weights of a run, and return the file's name, the hash of its content.

    Args:
        path: the checkpoint.
        folder: where the run's weights lie.
    """
    content = path.read_bytes()
    name = content_name(content) + ".safetensors"
    if not (folder / name).exists():
        write_atomically(folder / name, content)
    return name


def seed_of(path: Path) -> int:
    """Return the seed of the training whose checkpoint this is.

    Raises:
        PosenasError: where the file is damaged.
    """
    return int(_checked(path)[_SEED])


def _checked(path: Path) -> dict[str, Tensor]:
    tensors = tensors_of(path.read_bytes(), path)
    written = tensors.pop(_CHECKSUM, None)
    if written is None or _as_bytes(written) != _checksum(tensors):
        raise PosenasError(
            f"{path}: this checkpoint is damaged; delete it and resume the run: "
            "this training begins anew and ends the same"
        )
    return tensors


def _slots(optimizers: Mapping[str, torch.optim.Optimizer]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the number of every parameter among all of them, and its state, empty before its first step."""
    number = 0
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield number, optimizer.state.get(parameter, {})
                number += 1


def _restore(optimizers: Mapping[str, torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _with_prefix(tensors, _OPTIMIZER).items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    first = 0
    for optimizer in optimizers.values():
        state = optimizer.state_dict()
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        count = len(parameters)
        own = {
            number - first: _laid_out_as(parameters[number - first], slots[number])
            for number in range(first, first + count)
            if number in slots
        }
        optimizer.load_state_dict({"state": own, "param_groups": state["param_groups"]})
        first += count


def _laid_out_as(parameter: Tensor, slots: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a parameter's state with the parameter's order in memory, which optimisers expect."""
    return {
        slot: torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
        if value.shape == parameter.shape
        else value
        for slot, value in slots.items()
    }


def _checksum(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the SHA-256 of the tensors with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()


def _as_tensor(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _as_bytes(tensor: Tensor) -> bytes:
    return tensor.numpy().tobytes()


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in _on_the_host(tensors).items()}


def _on_the_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors in main memory; those of a device come in one copy."""
    away = [name for name, tensor in tensors.items() if tensor.device.type != "cpu"]
    copies = dict(zip(away, in_one_copy([tensors[name] for name in away], torch.device("cpu")), strict=True))
    return {name: copies.get(name, tensor.detach()) for name, tensor in tensors.items()}
