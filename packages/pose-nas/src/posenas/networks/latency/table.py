"""Latency tables: the times of a device's operators, and how they add up to the time of a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.records import check_record
from posenas.networks.latency.conditions import Conditions, conditions_from
from posenas.networks.latency.entries import COLUMNS, Entry, OperatorTimes, entry_from_list
from posenas.networks.latency.operators import Operator
from posenas.networks.latency.sums import SumModel
from posenas.runs.files import write_atomically
from posenas.runs.strict_json import parse_json

FORMAT = "posenas latency table 1"


@dataclass(frozen=True)
class MeasuredNetwork:
    """A network that was measured whole, and what the table says about it.

    Attributes:
        genotype: the network.
        held_out: whether the table knows nothing of it: neither its time nor its operators were used.
        measured_ms: median of the measured times.
        first_quartile_ms: first quartile of the measured times.
        third_quartile_ms: third quartile of the measured times.
        predicted_ms: what the table says.
    """

    genotype: Genotype
    held_out: bool
    measured_ms: float
    first_quartile_ms: float
    third_quartile_ms: float
    predicted_ms: float

    @property
    def error(self) -> float:
        """The error |measured / predicted - 1|, so that prediction x (1 + error) covers the measured time."""
        return abs(self.measured_ms / self.predicted_ms - 1.0)


@dataclass(frozen=True)
class Prediction:
    """The predicted latency of a network.

    Attributes:
        ms: milliseconds.
        upper_ms: an upper bound in milliseconds; at most one held-out network in ten was slower than its own.
        operators: how many operators the network runs.
        unmeasured: how many of them are in no entry, and were estimated from others.
    """

    ms: float
    upper_ms: float
    operators: int
    unmeasured: int


@dataclass(frozen=True)
class LatencyTable:
    """The latency table of one device, precision, batch size and input size, for one space and head.

    Attributes:
        conditions: the device, precision, batch size and input size that it holds for.
        subject: the space and the head with their options, and the number of keypoints.
        torch: version of torch.
        clock: how times were taken, in words.
        entries: the times of operators.
        model: the way from the operators' times to the network's.
        networks: the networks that the model was fitted on, and those that it is judged on.
    """

    conditions: Conditions
    subject: Mapping[str, Any]
    torch: str
    clock: str
    entries: Sequence[Entry]
    model: SumModel
    networks: Sequence[MeasuredNetwork]

    @staticmethod
    def load(path: Path) -> LatencyTable:
        """Read a table from a file.

        Raises:
            PosenasError: where the file is no whole latency table.
        """
        try:
            return _from_dict(parse_json(path.read_bytes()))
        except OSError as error:
            raise PosenasError(f"latency table {path}: cannot be read ({error.strerror})") from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise PosenasError(
                f"latency table {path}: not a table of this version ({type(error).__name__}: {error}); "
                "make one with `posenas latency build`"
            ) from error

    def save(self, path: Path) -> None:
        """Write the table to a file."""
        write_atomically(path, (json.dumps(_as_dict(self), indent=1) + "\n").encode())

    def predict(self, operators: Sequence[Operator]) -> Prediction:
        """Predict the latency of a network that runs these operators.

        See `posenas.networks.latency.operators.list_operators`.
        """
        total = self._times.add_up(operators)
        milliseconds = self.model.milliseconds(total)
        upper = milliseconds * (1.0 + self.percentile_90_error)
        return Prediction(milliseconds, upper, total.operators, total.unmeasured)

    @property
    def held_out(self) -> list[MeasuredNetwork]:
        """The networks that the table is judged on."""
        return [network for network in self.networks if network.held_out]

    @property
    def median_error(self) -> float:
        """The median error of the held-out networks."""
        return float(np.median([network.error for network in self.held_out]))

    @property
    def percentile_90_error(self) -> float:
        """The least of the held-out networks' errors that nine in ten of them do not exceed."""
        return float(np.quantile([network.error for network in self.held_out], 0.9, method="higher"))

    def judgement(self) -> dict[str, float]:
        """Return how far the table errs, as plain data."""
        return {
            "networks": len(self.held_out),
            "fitted_on": len(self.networks) - len(self.held_out),
            "median_error": self.median_error,
            "percentile_90_error": self.percentile_90_error,
        }

    @cached_property
    def _times(self) -> OperatorTimes:
        return OperatorTimes(self.entries)


def _as_dict(table: LatencyTable) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "unit": "ms",
        **table.conditions.as_dict(),
        "torch": table.torch,
        "clock": table.clock,
        "subject": dict(table.subject),
        "sum": asdict(table.model),
        "held_out": table.judgement(),
        "columns": list(COLUMNS),
        "entries": [entry.as_list() for entry in table.entries],
        "networks": [asdict(network) | {"genotype": dict(network.genotype)} for network in table.networks],
    }


def _from_dict(content: Mapping[str, Any]) -> LatencyTable:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r}, expected {FORMAT!r}")
    for kind, records in ((SumModel, [content["sum"]]), (MeasuredNetwork, content["networks"])):
        for record in records:
            check_record(kind, record)
    table = LatencyTable(
        conditions=conditions_from(content),
        subject=_subject(content["subject"]),
        torch=str(content["torch"]),
        clock=str(content["clock"]),
        entries=[entry_from_list(row) for row in content["entries"]],
        model=SumModel(**content["sum"]),
        networks=[MeasuredNetwork(**network) for network in content["networks"]],
    )
    if not table.entries or not table.held_out:
        raise ValueError("without entries or held-out networks")
    times = [entry.median_ms for entry in table.entries]
    errors = [network.error for network in table.networks]
    if not (np.isfinite(times).all() and min(times) > 0 and np.isfinite(errors).all()):
        raise ValueError("times that are no positive numbers")
    if min(table.model.constant_ms, table.model.scale) < 0:
        raise ValueError("a sum with a negative constant or scale")
    return table


def _subject(content: Any) -> Mapping[str, Any]:
    """Return the space and the head by name, with their options, after a check."""
    for kind in ("space", "head"):
        if not isinstance(content[kind]["name"], str):
            raise ValueError(f"subject.{kind}.name is no text")
        if not isinstance(content[kind], dict):
            raise ValueError(f"subject.{kind} is no table")
    return dict(content)
