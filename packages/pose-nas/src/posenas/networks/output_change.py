"""The distance between two networks' outputs for the same images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class OutputChange:
    """The distance between two networks' outputs.

    Attributes:
        relative: root mean square of the differences, divided by that of the first network's outputs.
        largest: the largest absolute difference between two numbers in the outputs.
    """

    relative: float
    largest: float


@torch.no_grad()
def measure_change(first: nn.Module, second: nn.Module, batches: Iterable[Tensor]) -> OutputChange:
    """Return how far the second network's outputs are from the first's, over all images.

    Args:
        first: a network in evaluation mode.
        second: another one, in evaluation mode too, whose outputs have the same form.
        batches: the images, (N, 3, H, W) each, on the networks' device.
    """
    difference = magnitude = largest = 0.0
    for images in batches:
        for before, after in zip(tensors_in(first(images)), tensors_in(second(images)), strict=True):
            change = (after - before).double()
            difference += float(change.square().sum())
            magnitude += float(before.double().square().sum())
            largest = max(largest, float(change.abs().max()))
    relative = (difference / magnitude) ** 0.5 if magnitude else float(difference > 0)
    return OutputChange(relative, largest)


def tensors_in(outputs: object) -> Iterator[Tensor]:
    """Yield all tensors of a head's outputs, in order: also those in sequences, mappings and dataclasses."""
    if isinstance(outputs, Tensor):
        yield outputs
        return
    if is_dataclass(outputs):
        outputs = vars(outputs)
    if not isinstance(outputs, Mapping | Sequence):
        raise TypeError(f"outputs of type {type(outputs).__name__} cannot be compared")
    for each in outputs.values() if isinstance(outputs, Mapping) else outputs:
        yield from tensors_in(each)
