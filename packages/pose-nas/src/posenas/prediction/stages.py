"""Time spent in the stages of a prediction."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")


class Stages:
    """The seconds spent in each stage, in the order in which stages first came.

    What a GPU was given to do counts to the stage that gave it.
    """

    def __init__(self, device: torch.device, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._device, self._clock = device, clock
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def seconds(self) -> Mapping[str, float]:
        """The seconds by the name of the stage."""
        return dict(self._seconds)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the time within a context to the stage."""
        started = self._clock()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._seconds[stage] += self._clock() - started

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items; the time it takes to get each counts to the stage."""
        iterator = iter(items)
        missing = object()
        while True:
            with self(stage):
                item = next(iterator, missing)
            if item is missing:
                return
            yield item  # type: ignore[misc]

    def divide(self, stage: str, parts: Mapping[str, float]) -> None:
        """Move seconds from a stage to its parts; a part of the stage's own name stays in it.

        Args:
            stage: the stage that the parts were counted to.
            parts: seconds by the name of the part.
        """
        for part, seconds in parts.items():
            if part != stage:
                self._seconds[part] += seconds
                self._seconds[stage] -= seconds
