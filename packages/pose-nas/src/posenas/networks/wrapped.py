"""Weights of a backbone for a network that has this backbone within its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from torch import Tensor

BACKBONE = "backbone."


def within(tensors: Mapping[str, Tensor], own: Iterable[str]) -> dict[str, Tensor]:
    """Return weights by the names under which most of their backbone lies in a network's backbone.

    A network that wraps another one has its tensors under `backbone.`, the names of some modules, and the
    rest. Where most of the backbone lies right under `backbone.`, the names stay.

    Args:
        tensors: by name.
        own: the network's names.
    """
    rests = {name.removeprefix(BACKBONE) for name in tensors if name.startswith(BACKBONE)}
    places = Counter(prefix for name in own for prefix in _prefixes(name) if name[len(prefix) :] in rests)
    best = max(places, key=lambda prefix: (places[prefix], -len(prefix)), default=BACKBONE)
    if best == BACKBONE:
        return dict(tensors)
    return {
        best + name.removeprefix(BACKBONE) if name.startswith(BACKBONE) else name: tensor
        for name, tensor in tensors.items()
    }


def _prefixes(name: str) -> Iterable[str]:
    """Yield what may stand before a backbone's own name: `backbone.`, and the same with modules after it."""
    parts = name.split(".")
    if parts[0] == BACKBONE.rstrip("."):
        for count in range(1, len(parts)):
            yield ".".join(parts[:count]) + "."
