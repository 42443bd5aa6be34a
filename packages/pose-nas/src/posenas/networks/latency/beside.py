"""A network's time beside that of another one, measured in turns.

Other processes may slow a core down by a third for minutes, but they slow two networks down alike: the ratio
of their times hardly changes.
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
    """A pass of turns of a network and a reference.

    Attributes:
        ratios: the network's time divided by the reference's, for each turn.
        reference_ms: the reference's milliseconds, for each turn.
    """

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
    """Measure a network and a reference in turns.

    Args:
        network: the network to be measured.
        reference: the network to compare with.
        shape: shape of the images, (N, 3, H, W).
        compute: the device, and the type that networks compute in there.
        threads: threads of the CPU.
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
    """A network's milliseconds, as if the machine had been as quiet as in the reference's quietest turns."""

    median_ms: float
    first_quartile_ms: float
    third_quartile_ms: float


def quiet_reference(passes: Iterable[Beside]) -> float:
    """Return the milliseconds of the reference in quiet turns: the median of the quietest quarter of all."""
    times = sorted(milliseconds for one in passes for milliseconds in one.reference_ms)
    return statistics.median(times[: quarter(len(times))])


def quiet_time(passes: Iterable[Beside], reference_ms: float) -> QuietTime:
    """Return the time of a network in quiet turns.

    Args:
        passes: the network's passes.
        reference_ms: the reference's milliseconds in quiet turns.
    """
    times = [ratio * reference_ms for one in passes for ratio in one.ratios]
    first, third = np.quantile(times, (0.25, 0.75))
    return QuietTime(statistics.median(times), float(first), float(third))
