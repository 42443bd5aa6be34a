"""How far a figure moves by chance, judged from the runs of several seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""The 97.5 % quantiles of Student's t with 1 to 10 degrees of freedom."""
_NORMAL = 1.960
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Range:
    """The values in which one more run's figure falls with 95 %, both ends included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Tell whether a value is in the range, but for rounding."""
        slack = _ROUNDING * max(abs(self.low), abs(self.high), abs(value))
        return self.low - slack <= value <= self.high + slack


def expected_range(values: Sequence[float]) -> Range:
    """Return the range in which one more run's figure is expected, from those of at least two runs.

    It is the 95 % prediction interval of a normal distribution: mean ± t s sqrt(1 + 1 / n). With 2 runs it is
    wide, 15.6 standard deviations to each side; with 3 runs 5.0, and with 5 runs 3.0.

    Raises:
        statistics.StatisticsError: if there are fewer than two values.
    """
    mean, deviation, number = statistics.mean(values), statistics.stdev(values), len(values)
    reach = _quantile(number - 1) * deviation * math.sqrt(1 + 1 / number)
    return Range(mean - reach, mean + reach)


def _quantile(freedom: int) -> float:
    """Return Student's 97.5 % quantile; beyond the table by the first terms of its expansion (0.1 % off)."""
    if freedom <= len(_QUANTILES):
        return _QUANTILES[freedom - 1]
    return _NORMAL + (_NORMAL**3 + _NORMAL) / (4 * freedom) + 2.82 / freedom**2
