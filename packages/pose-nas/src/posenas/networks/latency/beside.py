"""A network's time beside that of another one, measured in turns.

What other processes do to a core may slow it down by a third for minutes, but it slows two networks down
alike: their ratio hardly changes.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from torch import nn

from posenas.networks.devices import Compute
from posenas.networks.latency.measure import choose_clock, measure_in_turns, quarter


@dataclass(frozen=True)
class Beside:
    """One pass: for each turn the ratio of the network's time to the reference's, and the latter."""

    ratios: list[float]
    reference_ms: list[float]


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
        seconds=0.1,
    )
    medians = [[statistics.median(block) for block in blocks] for blocks in turns]
    return Beside(
        ratios=[one / other for one, other in medians], reference_ms=[other for _, other in medians]
    )


@dataclass(frozen=True)
class QuietTime:
    """Milliseconds, as if the machine had been as quiet as in the reference's quietest turns."""

    median_ms: float
    first_quartile_ms: float
    third_quartile_ms: float


def quiet_reference(passes: Iterable[Beside]) -> float:
    """Milliseconds: the median of the reference's quietest quarter of all turns."""
    times = sorted(milliseconds for one in passes for milliseconds in one.reference_ms)
    return statistics.median(times[: quarter(len(times))])


def quiet_time(passes: Iterable[Beside], reference_ms: float) -> QuietTime:
    """
    Args:
        passes: of one network.
        reference_ms: in quiet turns.
    """
    times = [ratio * reference_ms for one in passes for ratio in one.ratios]
    first, third = np.quantile(times, (0.25, 0.75))
    return QuietTime(statistics.median(times), float(first), float(third))
