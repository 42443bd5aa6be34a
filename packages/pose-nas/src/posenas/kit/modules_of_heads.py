"""A head's module for the checks: on toy levels, for the first keypoint set that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from posenas.composing.joined import is_searched
from posenas.contract.batches import Batch, View
from posenas.contract.components import Head, SearchableHead
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.data.batch_parts import part
from posenas.kit.networks_of_spaces import seeded
from posenas.kit.people import people

_CHANNELS = 8
_OFFERED = ((4, 4, 4, 8, 16, 32), (4, 8, 16, 32, 64), (2, 4, 8, 16, 32))
"""Strides of levels that backbones may offer; the first ones that the head takes are used."""


@dataclass(frozen=True)
class Built:
    """A head's module with all that it is tried on.

    Attributes:
        module: with fresh weights, the same each time.
        levels: those that the head selected.
        features: maps of these levels for the batch, by name; each channel is a filter of the pictures.
        batch: views of the built-in people.
    """

    module: Any
    view: View
    keypoints: KeypointSet
    offered: tuple[Level, ...]
    levels: tuple[Level, ...]
    features: Mapping[str, Tensor]
    batch: Batch


def build(head: Head, *, views: int = 8) -> Built:
    """Return the head's module, or that of its smallest choice, on toy levels.

    Args:
        head: makes the module.
        views: how many of the built-in people's views are in the batch.

    Raises:
        PosenasError: where the head takes neither levels at 1/4 to 1/64 of the view, nor COCO's keypoints.
    """
    chosen = (
        cast(SearchableHead, head).chosen(cast(SearchableHead, head).smallest())
        if is_searched(head)
        else head
    )
    offered, levels = _selected(chosen)
    module, keypoints = _module(chosen, levels)
    batch = part(people(chosen.view(), keypoints), 0, views)
    features = {level.name: _filtered(batch.images, level) for level in levels}
    return Built(module, chosen.view(), keypoints, offered, levels, features, batch)


def _selected(head: Head) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    errors = []
    for strides in _OFFERED:
        offered = tuple(Level(f"level{number}", stride, _CHANNELS) for number, stride in enumerate(strides))
        try:
            return offered, tuple(head.select(offered))
        except PosenasError as error:
            errors.append(error)
    raise errors[0]


def _module(head: Head, levels: tuple[Level, ...]) -> tuple[nn.Module, KeypointSet]:
    errors = []
    for keypoints in (COCO_17, COCO_WHOLEBODY_133):
        try:
            with seeded():
                return cast(nn.Module, head.build(levels, keypoints)), keypoints
        except PosenasError as error:
            errors.append(error)
    raise errors[0]


def _filtered(images: Tensor, level: Level) -> Tensor:
    """Return (N, C, H / stride, W / stride) maps of random filters, of about unit size."""
    generator = torch.Generator().manual_seed(level.stride)
    filters = torch.randn(level.channels, 3, level.stride, level.stride, generator=generator)
    maps = nn.functional.conv2d(images, filters, stride=level.stride)
    return maps / maps.std()
