"""Entries: the times of a device's operators, each measured alone. Others are estimated from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from posenas.networks.latency.estimate import make_estimator
from posenas.networks.latency.measure import MeasuredLatency
from posenas.networks.latency.operators import Operator

_ENDLESS = re.compile(r"\d{19}")
"""A pattern of whole numbers that need more than 64 bits."""


@dataclass(frozen=True)
class Entry:
    """The time of an operator, in milliseconds."""

    operator: Operator
    median_ms: float
    first_quartile_ms: float
    third_quartile_ms: float

    def as_list(self) -> list[Any]:
        """Return the entry as a row of a table's file; see `COLUMNS`."""
        operator = self.operator
        times = (self.median_ms, self.first_quartile_ms, self.third_quartile_ms)
        return [operator.key, *(round(time, 6) for time in times), operator.macs, operator.elements]


COLUMNS = ("operator", "median_ms", "first_quartile_ms", "third_quartile_ms", "macs", "elements")


def make_entry(operator: Operator, latency: MeasuredLatency) -> Entry:
    """Return the entry of an operator that was measured."""
    return Entry(operator, latency.median_ms, latency.first_quartile_ms, latency.third_quartile_ms)


def entry_from_list(row: Sequence[Any]) -> Entry:
    """Return the entry from a row that `Entry.as_list` made.

    Raises:
        TypeError: if the row is something else.
        ValueError: if the row is something else.
    """
    key, median, first, third, macs, elements = row
    if _ENDLESS.search(str(key)) or not all(0 <= int(count) < 2**63 for count in (macs, elements)):
        raise ValueError(f"{key!s:.40} has numbers that no operator has")
    return Entry(Operator(str(key), int(macs), int(elements)), float(median), float(first), float(third))


@dataclass(frozen=True)
class OperatorSum:
    """The sum of the times of a network's operators.

    Attributes:
        milliseconds: the sum.
        operators: how many operators the network runs.
        unmeasured: how many of them were estimated from others.
    """

    milliseconds: float
    operators: int
    unmeasured: int


class OperatorTimes:
    """The times of any network's operators: measured where an entry has them, else estimated."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._measured = {entry.operator.key: entry.median_ms for entry in entries}
        self._estimate = make_estimator([(entry.operator, entry.median_ms) for entry in entries])

    def add_up(self, operators: Sequence[Operator]) -> OperatorSum:
        """Return the sum of the operators' times."""
        unmeasured = [operator for operator in operators if operator.key not in self._measured]
        measured = sum(self._measured.get(operator.key, 0.0) for operator in operators)
        estimated = sum(self._estimate(operator) for operator in unmeasured)
        return OperatorSum(measured + estimated, len(operators), len(unmeasured))
