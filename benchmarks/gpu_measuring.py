"""Times and memory on a device, measured in alternating rounds until a deadline."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from posenas.networks.devices import Compute

Item: TypeAlias = "Callable[[Bench], Mapping[str, Any]]"
"""Measures one thing, and returns its figures by name."""

WARM_UP = 3


@dataclass(frozen=True)
class Bench:
    """Where and how long something is measured.

    Attributes:
        compute: device and precision.
        small: tiny sizes, for a trial on any machine.
        peak: operations a second that the device can do in this precision; None if unknown.
        deadline: of `time.monotonic`, after which no further round begins.
        rounds: the most rounds.
    """

    compute: Compute
    small: bool
    peak: float | None
    deadline: float
    rounds: int

    @property
    def device(self) -> torch.device:
        return self.compute.device


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(bench: Bench, works: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return the seconds of each work in each round; every work runs some times before, unmeasured.

    The order turns from round to round. There is one round at least, even after the deadline.
    """
    for work in works.values():
        for _ in range(1 if bench.small else WARM_UP):
            work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(bench.rounds):
        order = list(works) if number % 2 == 0 else list(reversed(works))
        for name in order:
            synchronise(bench.device)
            start = time.perf_counter()
            works[name]()
            synchronise(bench.device)
            taken[name].append(time.perf_counter() - start)
        if time.monotonic() > bench.deadline:
            break
    return taken


def spread(values: list[float]) -> dict[str, float]:
    """Return the median and the quartiles."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if values[1:] else values * 3
    return {"median": median, "low": low, "high": high, "rounds": len(values)}


def begin_memory(device: torch.device) -> None:
    """Begin to follow the peak of the device's memory."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int | None:
    """Return the peak of the memory that tensors had, in bytes; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def share_of_peak(macs: float, seconds: float, peak: float | None) -> float | None:
    """Return which share of the device's peak a training step reached.

    Args:
        macs: multiply-adds of the forward passes of a step; training has three times as many, and each is
            two operations.
        seconds: of the step.
        peak: operations a second; None if unknown.
    """
    return None if peak is None else macs * 3 * 2 / seconds / peak
