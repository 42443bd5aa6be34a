"""Weight transfer: a network begins with what fits of another network's weights.

Tensors are matched by name. If sizes differ, the kernel's centre and the first channels are copied, whichever
of the two networks has more (Eq. 3.1). What the other network lacks keeps the network's own, fresh values;
vectors such as biases go on with the mean instead. A child that differs a little from a trained parent thus
computes nearly the same, and trains in few epochs.

Source: McNally, thesis (2022), sections 3.2 and 3.3.3 (EvoPose2D). Eq. 3.1 speaks of kernels; vectors are
filled as in the authors' code. That code takes nothing where only a kernel's size changes, and begins a new
block as the network's last one; here both follow the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

Lists: TypeAlias = dict[str, dict[int, dict[str, Tensor]]]
"""Module lists by name: their entries by number, and the entries' tensors by the rest of the name."""

_NUMBER = re.compile(r"(?:(?<=\.)|^)\d+(?=\.|$)")


@dataclass(frozen=True)
class Transfer:
    """The result of a weight transfer: what a network took over.

    Attributes:
        share: share of the network's parameters, counted one by one, whose values are the other network's.
            Buffers do not count, nor what vectors are filled up with.
        fresh: names of the parameters that took nothing.
    """

    share: float
    fresh: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    """A tensor of the network, to be filled in place."""

    tensor: Tensor
    is_parameter: bool
    is_normalisation: bool

    def take(self, source: Tensor) -> int:
        """Return how many elements were taken over; 0 where the two tensors cannot be matched."""
        own = self.tensor
        if own.is_floating_point() != source.is_floating_point():
            return 0
        if own.shape == source.shape:
            own.copy_(source)
            return own.numel()
        is_constant = not (self.is_parameter or self.is_normalisation)  # which a part of another would spoil
        if own.ndim != source.ndim or is_constant or not own.is_floating_point():
            return 0
        common = [min(sizes) for sizes in zip(own.shape, source.shape, strict=True)]
        part = own[_part(own.shape, common)]
        part.copy_(source[_part(source.shape, common)])
        if own.ndim == 1 and source.numel():
            own[source.numel() :] = source.to(own.dtype).mean()
        return part.numel()


@torch.no_grad()
def transfer(network: nn.Module, tensors: Mapping[str, Tensor]) -> Transfer:
    """Fill a network in place from another network's state dict.

    - Kernels and other weights: the leading entries of the first two axes, the centre of all further axes.
      Where the network's own are larger, what it takes lies in its own leading entries and centre, and the
      rest stays fresh.
    - Vectors, which are biases and all of batch norm: the leading entries; what the other network lacks is
      filled with the mean of the other's.
    - Integers, and buffers that are not batch norm's: only where the shapes are equal.
    - An entry of a module list that the other network lacks takes from the other list's last entry, if both
      have the same names with the same numbers of axes: a new block begins as its stage's last one.
    - Everything else stays fresh. Between equal networks everything is copied.
    """
    places = dict(_places(network))
    sources = _sources({name: place.tensor for name, place in places.items()}, tensors)
    taken = {name: places[name].take(source) for name, source in sources.items()}
    sizes = {name: place.tensor.numel() for name, place in places.items() if place.is_parameter}
    total = sum(taken.get(name, 0) for name in sizes)
    return Transfer(
        share=total / max(1, sum(sizes.values())),
        fresh=tuple(name for name in sizes if not taken.get(name)),
    )


def _places(network: nn.Module) -> Iterator[tuple[str, _Place]]:
    """Yield the tensors that the state dict holds: parameters, and buffers that are saved."""
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        normalises = isinstance(module, nn.modules.batchnorm._BatchNorm)
        for name, parameter in module._parameters.items():
            if parameter is not None:
                yield prefix + name, _Place(parameter, True, normalises)
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield prefix + name, _Place(buffer, False, normalises)


def _sources(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the other network's tensor for each of the network's own that has one."""
    sources = {name: other[name] for name in own if name in other}
    if len(sources) < len(own):
        lists = _lists(other)
        for name, entries in _lists(own).items():
            for number in entries.keys() - lists.get(name, entries).keys():
                last = lists[name][max(lists[name])]
                if _axes(last) == _axes(entries[number]):
                    sources |= {f"{name}{number}{rest}": tensor for rest, tensor in last.items()}
    return sources


def _lists(tensors: Mapping[str, Tensor]) -> Lists:
    lists: Lists = {}
    for name, tensor in tensors.items():
        for number in _NUMBER.finditer(name):
            entries = lists.setdefault(name[: number.start()], {})
            entries.setdefault(int(number[0]), {})[name[number.end() :]] = tensor
    return lists


def _axes(entry: Mapping[str, Tensor]) -> dict[str, int]:
    return {rest: tensor.ndim for rest, tensor in entry.items()}


def _part(whole: Sequence[int], common: Sequence[int]) -> tuple[slice, ...]:
    """Return where the common part lies: leading in the first two axes, in the middle of the others."""
    starts = [0 if axis < 2 else (whole[axis] - common[axis]) // 2 for axis in range(len(whole))]
    return tuple(slice(start, start + size) for start, size in zip(starts, common, strict=True))
