"""The mean losses of an epoch, which stay on their device while the host goes ahead of it.

Reading a number waits until the device has computed it, and the device then waits for its next work. So the
numbers of 50 steps are read together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from posenas.contract.errors import PosenasError
from posenas.learning.updates import DivergedError

STEPS = 50
"""How many steps are read together."""


class MeanLosses:
    """The mean of each loss over the steps of one epoch.

    It is a context. Where that ends, the rest is read, also after an error: a loss that is no number explains
    what went wrong after it.
    """

    def __init__(self, epoch: int, *, steps: int) -> None:
        """Begin an epoch.

        Args:
            epoch: its number from 1, for errors.
            steps: how many the epoch has.
        """
        self._epoch, self._steps, self._read = epoch, steps, 0
        self._unread: list[Mapping[str, Tensor | float]] = []
        self.means: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self.read()

    def add(self, losses: Mapping[str, Tensor | float]) -> None:
        """Take the losses of the next step.

        Raises:
            PosenasError: where one of them is neither a number nor a tensor without an axis.
            DivergedError: where a loss is not finite, of this step or of one before it.
        """
        for name, value in losses.items():
            if isinstance(value, Tensor) and value.dim():
                raise PosenasError(
                    f"a step gives the loss {name!r} as a tensor of shape {tuple(value.shape)}, expected one "
                    "without an axis or a float; tell the strategy's authors"
                )
        self._unread.append({name: _detached(value) for name, value in losses.items()})
        if len(self._unread) == STEPS:
            self.read()

    def read(self) -> None:
        """Add what was not read yet to the means, in the order of the steps.

        Raises:
            DivergedError: where a loss is not finite; it names the first step.
        """
        unread, self._unread = self._unread, []
        numbers = iter(_numbers([value for losses in unread for value in losses.values()]))
        for losses in unread:
            self._read += 1
            for name in losses:
                value = next(numbers)
                check_finite(name, value, place=f"epoch {self._epoch}, step {self._read}")
                self.means[name] = self.means.get(name, 0.0) + value / self._steps


def check_finite(name: str, value: float, *, place: str) -> None:
    """Refuse a loss that is not finite.

    Args:
        name: what the loss is called.
        value: the loss.
        place: names epoch and step, for the error.

    Raises:
        DivergedError: where the loss is not finite.
    """
    if not math.isfinite(value):
        raise DivergedError(
            f"training diverged: {name} is {value} in {place}; "
            "start a new run with a lower training.learning_rate, or with training.clip_norm=1"
        )


def _detached(value: Tensor | float) -> Tensor | float:
    return value.detach() if isinstance(value, Tensor) else value


def _numbers(values: Sequence[Tensor | float]) -> list[float]:
    """Return all values as numbers; tensors of one device and type are read together."""
    numbers = [math.nan if isinstance(value, Tensor) else float(value) for value in values]
    places: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    tensors = {place: value for place, value in enumerate(values) if isinstance(value, Tensor)}
    for place, tensor in tensors.items():
        places.setdefault((tensor.device, tensor.dtype), []).append(place)
    for alike in places.values():
        for place, number in zip(alike, torch.stack([tensors[each] for each in alike]).tolist(), strict=True):
            numbers[place] = number
    return numbers
