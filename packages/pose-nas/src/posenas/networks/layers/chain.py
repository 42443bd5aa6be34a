"""Chains: backbones whose parts run one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor, nn

from posenas.contract.levels import Level

Change: TypeAlias = Callable[[str, Tensor], Tensor]
"""From a part's name and its (N, C, H, W) output to what the next parts get in its place."""


class Chain(nn.Module):
    """A backbone of named parts that run one after the other: images to the outputs of the levels' parts.

    Args:
        parts: the modules by name, in their order.
        levels: the levels, each named after the part whose output it is.
    """

    def __init__(self, parts: Mapping[str, nn.Module], levels: Sequence[Level]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.levels = tuple(levels)

    def forward(self, images: Tensor, change: Change | None = None) -> dict[str, Tensor]:
        features, outputs = images, {}
        for name, part in self.named_children():
            features = part(features)
            if change is not None:
                features = change(name, features)
            outputs[name] = features
        return {level.name: outputs[level.name] for level in self.levels}
