"""Latency as a cost of genotypes: looked up in a table, or measured on the run's device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge

from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.networks.devices import Compute
from posenas.networks.latency.conditions import Conditions, conditions_of
from posenas.networks.latency.measure import measure_latency
from posenas.networks.latency.operators import list_operators
from posenas.networks.latency.table import LatencyTable
from posenas.networks.pose_network import BuildNetwork
from posenas.runs.files import content_name

LATENCY = "latency_ms"
UPPER_LATENCY = "latency_upper_ms"


@dataclass(frozen=True)
class LatencySettings:
    """The `[latency]` table of a recipe."""

    table: Annotated[
        str, "a file that `posenas latency build` made; empty measures every network on the run's device"
    ] = ""
    batch_size: Annotated[int, "people in the forward pass that is timed", Ge(1)] = 1
    threads: Annotated[int, "of the CPU, for the forward pass that is timed", Ge(1)] = 1


@dataclass(frozen=True)
class LatencyCost:
    """Of the networks of one composition.

    Attributes:
        build: a genotype's pose network, on torch's default device.
        table: None measures instead.
        table_digest: names the table's content; empty without one.
    """

    build: BuildNetwork
    compute: Compute
    conditions: Conditions
    table: LatencyTable | None
    table_digest: str

    def identity(self) -> dict[str, Any]:
        """All that a genotype's figures depend on, as plain data."""
        return self.conditions.as_dict() | {"table": self.table_digest}

    def figures(self, genotype: Genotype) -> dict[str, float]:
        """In milliseconds: `latency_ms` is the median, or its prediction; `latency_upper_ms` is what limits
        are compared with, the third quartile or what nine in ten networks do not exceed; and
        `latency_lower_ms` is the first quartile where it was measured."""
        return self._measured(genotype) if self.table is None else self._predicted(genotype, self.table)

    def _measured(self, genotype: Genotype) -> dict[str, float]:
        with torch.random.fork_rng(devices=[]):  # fresh weights must not change what a run draws next
            network = self.build(genotype)
        conditions = self.conditions
        latency = measure_latency(
            network,
            input_size=conditions.input_size,
            compute=self.compute,
            batch_size=conditions.batch_size,
            threads=conditions.threads,
        )
        return {
            LATENCY: latency.median_ms,
            "latency_lower_ms": latency.first_quartile_ms,
            UPPER_LATENCY: latency.third_quartile_ms,
        }

    def _predicted(self, genotype: Genotype, table: LatencyTable) -> dict[str, float]:
        with torch.device("meta"):
            network = self.build(genotype)
        conditions = self.conditions
        operators = list_operators(network, conditions.input_size, batch_size=conditions.batch_size)
        prediction = table.predict(operators)
        return {LATENCY: prediction.ms, UPPER_LATENCY: prediction.upper_ms}


def make_latency_cost(
    settings: LatencySettings,
    *,
    build: BuildNetwork,
    compute: Compute,
    input_size: tuple[int, int],
    subject: Mapping[str, Any],
) -> LatencyCost:
    """
    Args:
        subject: the space and the head with their options, and the number of keypoints.

    Raises:
        PosenasError: where the table is not for this device, precision, batch size, input size or networks.
    """
    conditions = conditions_of(
        compute, threads=settings.threads, batch_size=settings.batch_size, input_size=input_size
    )
    if not settings.table:
        return LatencyCost(build, compute, conditions, None, "")
    path = Path(settings.table)
    table = LatencyTable.load(path)
    differences = table.conditions.differences(conditions)
    if table.subject != subject:
        changed = ", ".join(name for name in subject if table.subject.get(name) != subject[name])
        differences = ", ".join(filter(None, (differences, f"another {changed}")))
    if differences:
        raise PosenasError(
            f"latency table {path}: is for {differences}; build one for these with `posenas latency build`, "
            "or leave latency.table empty to measure"
        )
    return LatencyCost(build, compute, conditions, table, content_name(path.read_bytes()))
