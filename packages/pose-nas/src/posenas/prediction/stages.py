"""Where the time goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")


class Stages:
    """Seconds spent in each stage, in the order in which stages first came. What a GPU was given to do counts
    to the stage that gave it."""

    def __init__(self, device: torch.device, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._device, self._clock = device, clock
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def seconds(self) -> Mapping[str, float]:
        return dict(self._seconds)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = self._clock()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._seconds[stage] += self._clock() - started

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items; the time it takes to get each counts to the stage."""
        iterator = iter(items)
        missing = object()
        while True:
            with self(stage):
                item = next(iterator, missing)
            if item is missing:
                return
            yield item  # type: ignore[misc]

    def divide(self, stage: str, parts: Mapping[str, float]) -> None:
        """Seconds of the stage's parts, which it then no longer holds; a part of its own name stays in it."""
        for part, seconds in parts.items():
            if part != stage:
                self._seconds[part] += seconds
                self._seconds[stage] -= seconds
