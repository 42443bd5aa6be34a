"""A network's time beside that of another one, measured in turns.

What other processes do to a core may slow it down by a third for minutes, but it slows two networks down
alike: their ratio hardly changes.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from posenas.devices import Compute
from posenas.latency.measure import choose_clock, measure_in_turns


@dataclass(frozen=True)
class Beside:
    """One pass.

    Attributes:
        ratios: of the network's time to the reference's, for each turn.
        reference_ms: the reference's time in its quietest turn.
    """

    ratios: list[float]
    reference_ms: float


def measure_beside(
    network: nn.Module,
    reference: nn.Module,
    *,
    shape: tuple[int, int, int, int],
    compute: Compute,
    threads: int,
) -> Beside:
    """
    Args:
        shape: of the images.
    """
    turns = measure_in_turns(
        [network, reference],
        shape=shape,
        compute=compute,
        threads=threads,
        time_call=choose_clock(compute.device, threads),
        repeats=3,
        seconds=0.01,
    )
    return Beside(
        ratios=[one.median_ms / other.median_ms for one, other in turns],
        reference_ms=min(other.median_ms for _, other in turns),
    )


@dataclass(frozen=True)
class QuietTime:
    """Milliseconds, as if the machine had been as quiet as in the reference's quietest turn."""

    median_ms: float
    first_quartile_ms: float
    third_quartile_ms: float


def quiet_time(passes: Sequence[Beside], reference_ms: float) -> QuietTime:
    """
    Args:
        reference_ms: the least of all passes, those of other networks too.
    """
    times = [ratio * reference_ms for one in passes for ratio in one.ratios]
    first, third = np.quantile(times, (0.25, 0.75))
    return QuietTime(statistics.median(times), float(first), float(third))
