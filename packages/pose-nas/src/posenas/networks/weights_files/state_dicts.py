"""The one state dict in what a torch file holds: out of trainings' records, pickled modules and wrappers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from posenas.networks.weights_files.inert_pickle import Inert, PickleError

AVERAGES = ("ema", "state_dict_ema", "model_ema")
"""The weights averaged over a training, which are the ones that its authors score."""
_KEYS = (*AVERAGES, "best_state_dict", "state_dict", "model", "network")
_PREFIXES = ("module.", "shared.largest.")
"""The prefixes of tensors' names in a parallel wrapper, and in this project's super-networks."""
_PARTS = ("backbone.", "head.", "keypoint_head.")
_PREPROCESSING = "data_preprocessor."
_MOST_MODULES = 20_000


def find_state_dict(found: Any) -> tuple[dict[str, Tensor], str]:
    """Return the tensors by name of what a torch file holds, and the key that they lay under, or nothing.

    A pickled module's are those of its parameters and buffers. Everything else than plain tensors is left
    out.

    Raises:
        PickleError: where modules contain each other.
    """
    for key in _KEYS if isinstance(found, dict) else ():
        tensors = _tensors(found[key]) if key in found else {}
        if tensors:
            return tensors, key
    return _tensors(found), ""


def without_prefixes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the prefixes that all names have, one within another."""
    names = dict(tensors)
    while names:
        prefix = next((one for one in _PREFIXES if all(name.startswith(one) for name in names)), None)
        if prefix is None:
            break
        names = {name.removeprefix(prefix): tensor for name, tensor in names.items()}
    return names


def without_mmpose(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the parts' names that mmpose puts before all of them, in both versions."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(_PREPROCESSING)}
    if not all(name.startswith(_PARTS) for name in kept):
        return dict(tensors)
    return {name.partition(".")[2]: tensor for name, tensor in kept.items()}


def _tensors(found: Any) -> dict[str, Tensor]:
    if isinstance(found, Inert):
        return dict(_of_module(found))
    entries = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in entries if _is_plain(value)}


def _is_plain(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided


def _of_module(module: Inert) -> Iterator[tuple[str, Tensor]]:
    """Yield a pickled module's tensors by the names that its state dict would have."""
    todo = [("", module)]
    for _ in range(_MOST_MODULES):
        if not todo:
            return
        prefix, each = todo.pop()
        for name, value in (*_part(each, "_parameters"), *_part(each, "_buffers")):
            if _is_plain(value):
                yield prefix + name, value
        inner = [(f"{prefix}{name}.", value) for name, value in _part(each, "_modules")]
        if any(len(path) > 1000 for path, _ in inner):
            break
        todo += [(path, value) for path, value in reversed(inner) if isinstance(value, Inert)]
    raise PickleError("is of modules without end")


def _part(module: Inert, name: str) -> list[tuple[str, Any]]:
    state = module.state if isinstance(module.state, dict) else {}
    part = state.get(name)
    return list(part.items()) if isinstance(part, dict) else []
