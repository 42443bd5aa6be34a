"""From the times of operators, each measured alone, to the time of the network that runs them in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posenas.networks.latency.entries import OperatorSum


@dataclass(frozen=True)
class SumModel:
    """constant + scale x sum: what modules and an unlike state of the caches add. Neither is negative."""

    constant_ms: float
    scale: float

    def milliseconds(self, total: OperatorSum) -> float:
        return self.constant_ms + self.scale * total.milliseconds


def fit_sum(totals: Sequence[OperatorSum], measured_ms: Sequence[float]) -> SumModel:
    """Least squares of the relative errors over these networks."""
    columns = np.array([(1.0, total.milliseconds) for total in totals])
    relative = columns / np.array(measured_ms)[:, None]
    ones = np.ones(len(totals))
    constant, scale = np.linalg.lstsq(relative, ones, rcond=None)[0]
    if constant < 0:
        constant, scale = 0.0, np.linalg.lstsq(relative[:, 1:], ones, rcond=None)[0][0]
    elif scale < 0:
        constant, scale = np.linalg.lstsq(relative[:, :1], ones, rcond=None)[0][0], 0.0
    return SumModel(float(constant), float(scale))
