"""Levels: the feature maps that a backbone offers, which is all that a head knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posenas.contract.errors import PosenasError


@dataclass(frozen=True)
class Level:
    """A feature map of a backbone: (N, channels, H / stride, W / stride)."""

    name: str
    stride: int
    channels: int


def deepest_within(levels: Sequence[Level], stride: int) -> Level:
    """Return the last level of that stride or a finer one; backbones list levels from image to output.

    Raises:
        PosenasError: if every level is coarser.
    """
    matching = [level for level in levels if level.stride <= stride]
    if not matching:
        offered = ", ".join(f"{level.name} (1/{level.stride})" for level in levels)
        raise PosenasError(f"no level at 1/{stride} of the image or finer; the backbone offers {offered}")
    return matching[-1]
