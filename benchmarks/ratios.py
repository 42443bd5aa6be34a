"""Two ways of doing one thing, timed side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How long the first takes for each unit of time that the second takes.

    Attributes:
        median: of the ratios of the pairs.
        low: their first quartile.
        high: their third quartile.
        pairs: how many there were.
    """

    median: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def alternate(
    first: Callable[[], object],
    second: Callable[[], object],
    *,
    pairs: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> Ratio:
    """Runs each once unmeasured, then `pairs` (at least 2) times in turn, the order changing every time.

    Time is that of the process's CPU unless another clock is given, so that other work on the machine matters
    little; set OMP_NUM_THREADS=1, or several threads count several times.
    """
    first(), second()
    ratios = []
    for index in range(pairs):
        if index % 2:
            denominator, numerator = _seconds(second, clock), _seconds(first, clock)
        else:
            numerator, denominator = _seconds(first, clock), _seconds(second, clock)
        ratios.append(numerator / denominator)
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high, pairs)


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start
