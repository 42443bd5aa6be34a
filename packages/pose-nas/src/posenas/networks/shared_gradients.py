"""Gradients of copies, added into the slices of the shared tensors when a backward pass has ended.

They are added all at once: one by one as they arrive, a pass would launch an operation for each tensor, and
differentiating through a slice would fill a gradient of the full size with zeros for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from posenas.networks.tensor_lists import Pair, add_groups, copy_groups, in_groups, is_laid_out_alike

Slices: TypeAlias = tuple[slice, ...]
Place: TypeAlias = Slices | None
"""Where a sub-network's tensor lies in the shared one; None where it is all of it."""


def at(place: Place, shared: Tensor) -> Tensor:
    """Return what lies in a shared tensor at a place, as a view; of the whole one no view is made."""
    return shared if place is None else shared[place]


class _Arrival(NamedTuple):
    """A copy that has got a gradient, and the shared tensor that is to have it."""

    copy: Tensor
    shared: nn.Parameter
    place: Place


class SentGradients:
    """The way of one network's gradients to the shared parameters.

    It knows copies only between the arrival of their gradients and the end of a backward pass. So a network
    that nobody holds any more is freed at once.
    """

    def __init__(self) -> None:
        self._arrived: list[_Arrival] = []
        self._pass = -1

    def connect(self, copy: nn.Parameter, shared: nn.Parameter, place: Place) -> None:
        """Add the gradients that backward passes give a copy to the shared one from now on, at a place."""
        hook = partial(self._note, shared, place)
        copy.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]

    def _note(self, shared: nn.Parameter, place: Place, copy: Tensor) -> None:
        self._arrived.append(_Arrival(copy, shared, place))
        running = torch._C._current_graph_task_id()
        if running != self._pass:  # passes lie one within another where activations are computed again
            self._pass = running
            torch.autograd.Variable._execution_engine.queue_callback(self._send)

    def _send(self) -> None:
        arrived, self._arrived = self._arrived, []
        for part in _without_repetition(arrived):
            _add(part)


def _without_repetition(arrived: Sequence[_Arrival]) -> Iterator[Sequence[_Arrival]]:
    """Yield all arrivals in parts that name no shared tensor twice, in the order of each one's arrivals."""
    while arrived:
        first: dict[int, _Arrival] = {}
        for each in arrived:
            first.setdefault(id(each.shared), each)
        yield list(first.values())
        arrived = [each for each in arrived if first[id(each.shared)] is not each]


def _add(arrived: Sequence[_Arrival]) -> None:
    """Add gradients to the shared ones, and begin those that are not there yet."""
    added: list[Pair] = []
    begun: list[Pair] = []
    zeroed: list[Tensor] = []
    for copy, shared, place in arrived:
        gradient, copy.grad = copy.grad, None
        if gradient is None:  # it came twice within the pass and is sent already
            continue
        if shared.grad is not None:
            added.append((at(place, shared.grad), gradient))
        elif place is None and is_laid_out_alike(gradient, shared):
            shared.grad = gradient  # nobody else holds it
        else:
            shared.grad = torch.empty_like(shared)
            begun.append((at(place, shared.grad), gradient))
            if place is not None:
                zeroed.append(shared.grad)
    if zeroed:
        torch._foreach_zero_(zeroed)
    copy_groups(in_groups(begun))
    add_groups(in_groups(added))
