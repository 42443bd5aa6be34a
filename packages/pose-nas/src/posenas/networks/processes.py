"""Processes that train one network together, through torch.distributed; by itself a process needs none of it.

All of them run the same code with the same random numbers, and each computes its share of every batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from posenas.contract.errors import PosenasError
from posenas.runs.stopping import OthersEndedError

_LOST = ("closed by peer", "reset by peer", "broken pipe", "connection")
"""Words of torch's errors where another process is gone."""


@dataclass(frozen=True)
class Processes:
    """The processes that train together, and which of them this one is.

    Where there are several, torch.distributed is initialised, and each function here must be called by all.

    Attributes:
        rank: the number of this process, from 0. Process 0 alone writes files and tells the user.
        count: how many processes there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def alone(self) -> bool:
        """Whether there is one process."""
        return self.count == 1

    @property
    def first(self) -> bool:
        """Whether this is process 0."""
        return self.rank == 0

    def share(self, positions: Sequence[int]) -> Sequence[int]:
        """Return the part of a batch's positions that is this process's; parts differ by one at most."""
        return positions[self.rank :: self.count]

    def check_batch(self, views: int, *, batch_size: int) -> None:
        """Refuse batches with fewer views than there are processes.

        Args:
            views: how many there are to train on.
            batch_size: the most in a batch.

        Raises:
            PosenasError: where a process would have nothing of a batch.
        """
        smallest = min(views, batch_size)
        if smallest < self.count:
            raise PosenasError(
                f"{self.count} processes cannot share a batch of {smallest} (training.batch_size is "
                f"{batch_size}, and there are {views} to train on); take fewer --devices or larger batches"
            )

    def broadcast(self, value: Any) -> Any:
        """Return process 0's value, which can be pickled."""
        if self.alone:
            return value
        values = [value]
        with _others_watched():
            distributed.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def gathered(self, value: Any) -> list[Any]:
        """Return every process's value, in the order of the ranks, once all have come here."""
        if self.alone:
            return [value]
        values: list[Any] = []
        with _others_watched():
            for rank in range(self.count):
                one = [value]
                distributed.broadcast_object_list(one, src=rank, device=torch.device("cpu"))
                values.append(one[0])
            distributed.all_reduce(torch.zeros(1))
        return values

    @torch.no_grad()
    def average_gradients(self, parameters: Sequence[nn.Parameter], *, people: int) -> None:
        """Replace gradients by their mean over the people of all processes.

        A parameter without a gradient in any process keeps none.

        Args:
            parameters: the same ones in every process; their gradients are means over this process's people.
            people: how many this process had.
        """
        if self.alone:
            return
        has = torch.tensor([people, *(each.grad is not None for each in parameters)], dtype=torch.float64)
        with _others_watched():
            distributed.all_reduce(has)
        total, *holders = has.tolist()
        used = [each for each, number in zip(parameters, holders, strict=True) if number]
        for same in _alike(used):
            flat = torch.cat([_gradient(each).reshape(-1) for each in same]).mul_(people)
            with _others_watched():
                distributed.all_reduce(flat)
            for each, part in zip(
                same, torch.split(flat.div_(total), [each.numel() for each in same]), strict=True
            ):
                each.grad = part.reshape(each.shape).clone(memory_format=torch.preserve_format)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of all processes' values; gradients do not pass."""
        summed = values.detach().clone()
        if not self.alone:
            with _others_watched():
                distributed.all_reduce(summed)
        return summed

    @torch.no_grad()
    def take_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by process 0's."""
        for tensor in () if self.alone else tensors:
            whole = tensor.contiguous()
            with _others_watched():
                distributed.broadcast(whole, src=0)
            tensor.copy_(whole)

    def means(self, values: dict[str, float], *, people: int) -> dict[str, float]:
        """Return means over the people of all processes, from this process's means."""
        if self.alone:
            return values
        weighed = torch.tensor([*values.values(), 1.0], dtype=torch.float64) * people
        with _others_watched():
            distributed.all_reduce(weighed)
        *sums, total = weighed.tolist()
        return {name: each / total for name, each in zip(values, sums, strict=True)}


ALONE = Processes()
"""This process by itself."""


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _alike(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Return the parameters in groups of one type each."""
    types = dict.fromkeys(each.dtype for each in parameters)
    return [[each for each in parameters if each.dtype == one] for one in types]


@contextmanager
def _others_watched() -> Iterator[None]:
    """Tell torch's error that another process is gone from all others."""
    try:
        yield
    except RuntimeError as error:
        if not any(word in str(error).lower() for word in _LOST):
            raise
        raise OthersEndedError("another process of this run ended; `posenas resume` continues it") from error
