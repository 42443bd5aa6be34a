"""Levels: the whole contract between a space and a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posenas.contract.errors import PosenasError


@dataclass(frozen=True)
class Level:
    """One feature map of a backbone: (N, channels, H / stride, W / stride)."""

    name: str
    stride: int
    channels: int


def deepest_within(levels: Sequence[Level], stride: int) -> Level:
    """The last level of that stride or a finer one. Backbones list levels from the image to the output."""
    matching = [level for level in levels if level.stride <= stride]
    if not matching:
        offered = ", ".join(f"{level.name} (1/{level.stride})" for level in levels)
        raise PosenasError(f"no level at 1/{stride} of the image or finer; the backbone offers {offered}")
    return matching[-1]
