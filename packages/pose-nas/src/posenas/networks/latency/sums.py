"""Sums: from the times of operators, each measured alone, to the time of the network that runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posenas.networks.latency.entries import OperatorSum


@dataclass(frozen=True)
class SumModel:
    """The model constant + scale x sum, which covers what modules and another state of the caches add.

    Neither the constant nor the scale is negative.
    """

    constant_ms: float
    scale: float

    def milliseconds(self, total: OperatorSum) -> float:
        """Return the predicted time of the network whose operators take this sum."""
        return self.constant_ms + self.scale * total.milliseconds


def fit_sum(totals: Sequence[OperatorSum], measured_ms: Sequence[float]) -> SumModel:
    """Fit the sums to the networks' measured times by least squares of the relative errors."""
    columns = np.array([(1.0, total.milliseconds) for total in totals])
    relative = columns / np.array(measured_ms)[:, None]
    ones = np.ones(len(totals))
    constant, scale = np.linalg.lstsq(relative, ones, rcond=None)[0]
    if constant < 0:
        constant, scale = 0.0, np.linalg.lstsq(relative[:, 1:], ones, rcond=None)[0][0]
    elif scale < 0:
        constant, scale = np.linalg.lstsq(relative[:, :1], ones, rcond=None)[0][0], 0.0
    return SumModel(float(constant), float(scale))
