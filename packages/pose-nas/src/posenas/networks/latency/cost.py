"""Latency as a cost of genotypes: looked up in a table, or measured on the run's device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge

from posenas.contract.costs import CostFigure, Networks
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.networks.devices import Compute
from posenas.networks.latency.conditions import Conditions, conditions_of
from posenas.networks.latency.measure import measure_latency
from posenas.networks.latency.operators import list_operators
from posenas.networks.latency.table import LatencyTable
from posenas.runs.files import content_name

_MEDIAN, _UPPER, _LOWER = "latency_ms", "latency_upper_ms", "latency_lower_ms"


@dataclass(frozen=True)
class Latency:
    """The time of a forward pass. Its options are the `[latency]` table of a recipe."""

    table: Annotated[
        str, "a file that `posenas latency build` made; empty measures every network on the run's device"
    ] = ""
    batch_size: Annotated[int, "people in the forward pass that is timed", Ge(1)] = 1
    threads: Annotated[int, "CPU threads for the forward pass that is timed", Ge(1)] = 1

    @property
    def dear(self) -> bool:
        """Dear: a network is run for about a second, or its operators are looked up one by one."""
        return True

    def figures(self) -> Sequence[CostFigure]:
        """Return the one figure to name: limits are compared with the upper end of its range."""
        meaning = "of one forward pass, as the recipe's latency table says"
        return (CostFigure(_MEDIAN, "milliseconds", meaning, limited=_UPPER),)

    def bind(self, networks: Networks) -> LatencyMeter:
        """Return what measures these networks, or looks them up where there is a table.

        Raises:
            PosenasError: where the table is not for this device, precision, batch size, input size or
                networks.
        """
        conditions = conditions_of(
            Compute(networks.device, networks.autocast_dtype),
            threads=self.threads,
            batch_size=self.batch_size,
            input_size=networks.input_size,
        )
        if not self.table:
            return LatencyMeter(networks, conditions)
        path = Path(self.table)
        table = LatencyTable.load(path)
        differences = table.conditions.differences(conditions)
        if table.subject != networks.description:
            changed = ", ".join(
                name for name in networks.description if table.subject.get(name) != networks.description[name]
            )
            differences = ", ".join(filter(None, (differences, f"another {changed}")))
        if differences:
            raise PosenasError(
                f"latency table {path}: is for {differences}; build one for these with `posenas latency "
                "build`, or leave latency.table empty to measure"
            )
        return LatencyMeter(networks, conditions, table, path, content_name(path.read_bytes()))

    def caveat(self) -> str:
        """Return a sentence on where the milliseconds are from."""
        origin = (
            "are from a table of this device's operator times; `posenas latency show` tells its error"
            if self.table
            else "were measured on this run's device, by itself"
        )
        return f"Milliseconds {origin}; another device, or this one under other work, takes another time."


@dataclass(frozen=True)
class LatencyMeter:
    """The latency of one composition's networks.

    Attributes:
        table: what the figures are looked up in; None measures instead.
        path: the table's file.
        digest: names the content of the file; empty without one.
    """

    networks: Networks
    conditions: Conditions
    table: LatencyTable | None = None
    path: Path = Path()
    digest: str = ""

    def identity(self) -> dict[str, Any]:
        """Return the conditions of measuring, and the digest of the table."""
        return self.conditions.as_dict() | {"table": self.digest}

    def files(self) -> Mapping[str, Path]:
        """Return the table's file, where there is one."""
        return {} if self.table is None else {"table": self.path}

    def measure(self, genotype: Genotype) -> dict[str, float]:
        """Return the milliseconds of one forward pass.

        `latency_ms` is the median, or its prediction. `latency_upper_ms` is the third quartile, or what nine
        in ten networks do not exceed. `latency_lower_ms` is the first quartile where it was measured.
        """
        return self._measured(genotype) if self.table is None else self._predicted(genotype, self.table)

    def _measured(self, genotype: Genotype) -> dict[str, float]:
        with torch.random.fork_rng(devices=[]):  # fresh weights must not change what a run draws next
            network = self.networks.build(genotype)
        conditions = self.conditions
        latency = measure_latency(
            network,
            input_size=conditions.input_size,
            compute=Compute(self.networks.device, self.networks.autocast_dtype),
            batch_size=conditions.batch_size,
            threads=conditions.threads,
        )
        return {
            _MEDIAN: latency.median_ms,
            _LOWER: latency.first_quartile_ms,
            _UPPER: latency.third_quartile_ms,
        }

    def _predicted(self, genotype: Genotype, table: LatencyTable) -> dict[str, float]:
        with torch.device("meta"):
            network = self.networks.build(genotype)
        conditions = self.conditions
        operators = list_operators(network, conditions.input_size, batch_size=conditions.batch_size)
        prediction = table.predict(operators)
        return {_MEDIAN: prediction.ms, _UPPER: prediction.upper_ms}
