"""Lists of tensors that a device is given at once.

A GPU takes a list of small tensors in one launch, if they are of one type and on one device, lie dense in
memory, and the lists' tensors are laid out alike. Slices of a larger tensor seldom are, and are taken one by
one. Lists that mix both would be taken one by one as a whole, so they are divided into groups first. The
results are those of one operation for each tensor, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import torch
from torch import Tensor

Pair: TypeAlias = tuple[Tensor, Tensor]
"""A tensor that is changed, and another of the same shape that it takes values from."""

Group: TypeAlias = tuple[list[Tensor], list[Tensor]]
"""The tensors of pairs that a device takes at once: those that are changed, and the others."""


def in_groups(pairs: Iterable[Pair]) -> list[Group]:
    """Return pairs in groups that go at once: by device, types, and whether they lie dense and alike."""
    groups: dict[object, Group] = {}
    for changed, other in pairs:
        alike = is_laid_out_alike(changed, other) and is_dense(changed)
        changing, others = groups.setdefault((changed.device, changed.dtype, other.dtype, alike), ([], []))
        changing.append(changed)
        others.append(other)
    return list(groups.values())


def copy_groups(groups: Iterable[Group]) -> None:
    """Copy the values of the others into the tensors that are changed."""
    for changed, others in groups:
        torch._foreach_copy_(changed, others)


def add_groups(groups: Iterable[Group]) -> None:
    """Add the others to the tensors that are changed."""
    for changed, others in groups:
        torch._foreach_add_(changed, others)


def is_laid_out_alike(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors of one shape have their entries in the same order in memory.

    The stride of an axis of one entry, as of a 1x1 kernel, can be anything.
    """
    return (one.is_contiguous() and other.is_contiguous()) or one.stride() == other.stride()


def is_dense(tensor: Tensor) -> bool:
    """Return whether a tensor's entries lie without gaps, in whatever order of the axes."""
    if tensor.is_contiguous():
        return True
    step = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True
