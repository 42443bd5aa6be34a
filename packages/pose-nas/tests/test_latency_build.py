"""Builds with invented times: what is measured, what is fitted, and how a stopped build goes on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Genotype, sample_uniform
from posenas.networks.devices import choose_compute
from posenas.networks.latency.beside import Beside, quiet_reference, quiet_time
from posenas.networks.latency.build import Measures, Subject, build_table, measures_of
from posenas.networks.latency.measure import MeasuredLatency, measure_latency
from posenas.networks.latency.operators import Call, Operator, list_operators
from posenas.networks.latency.table import LatencyTable
from posenas.networks.pose_network import PoseNetwork
from torch import Tensor, nn

SIZE = (16, 16)
CPU = choose_compute("cpu", "32")


@dataclass(frozen=True)
class Widths:
    def dimensions(self) -> Mapping[str, Choice]:
        return {f"width{index}": Choice((4, 8, 12, 16)) for index in range(4)}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> nn.Module:
        widths = [3, *genotype.values()]
        pairs = pairwise(widths)
        return nn.Sequential(*(nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairs))


class Head(nn.Conv2d):
    def forward(self, features: Tensor, targets: Any | None = None) -> Tensor:  # noqa: ARG002
        return super().forward(features)


SPACE = Widths()
SUBJECT = Subject(
    space=SPACE,  # type: ignore[arg-type]
    build=lambda genotype: PoseNetwork(SPACE.build(genotype), Head(genotype["width3"], 5, 1), CPU),
    description={"space": {"name": "widths"}, "head": {"name": "toy"}, "keypoints": 5},
    compute=CPU,
    input_size=SIZE,
)


def invented(operator: Operator) -> float:
    return 0.01 + 1e-6 * float(operator.macs)


def whole(network: PoseNetwork) -> float:
    """3 ms, and a tenth more than the operators take."""
    meta = PoseNetwork(network.backbone, network.head).to("meta")
    return 3.0 + 1.1 * sum(invented(operator) for operator in list_operators(meta, SIZE))


class Bench:
    """Measures that invent, count, and stop after so many networks."""

    def __init__(
        self, *, stop_after: int | None = None, error: Callable[[int], float] = lambda _count: 0.0
    ) -> None:
        self.operators: list[str] = []
        self.networks = 0
        self._stop_after = stop_after
        self._error = error

    def measures(self) -> Measures:
        return Measures(self._measure_operators, self._measure_network)

    def _measure_operators(self, calls: Sequence[Call]) -> list[MeasuredLatency]:
        self.operators += [call.operator.key for call in calls]
        times = [invented(call.operator) for call in calls]
        return [MeasuredLatency(time, time, time, 1, "invented") for time in times]

    def _measure_network(self, network: PoseNetwork, reference: PoseNetwork) -> Beside:
        if self.networks == self._stop_after:
            raise KeyboardInterrupt
        self.networks += 1
        busy = 1.0 + 0.3 * (self.networks % 2)  # the machine slows both down alike
        error = 1.0 + self._error(self.networks)
        return Beside([error * whole(network) / whole(reference)], [busy * whole(reference)])


def build(path: Path, bench: Bench, *, networks: int = 12, subject: Subject = SUBJECT) -> LatencyTable:
    return build_table(
        path, subject, networks=networks, seed=0, measures=bench.measures(), advance=lambda *_: None
    )


def test_invented_times_are_found_again(tmp_path: Path) -> None:
    table = build(tmp_path / "table.json", Bench())
    assert len(table.networks) == 12
    assert len(table.held_out) == 4
    assert table.model.constant_ms == pytest.approx(3.0, rel=1e-6)
    assert table.model.scale == pytest.approx(1.1, rel=1e-6)
    assert table.percentile_90_error == pytest.approx(0.0, abs=1e-6)
    assert LatencyTable.load(tmp_path / "table.json").predict([]) == table.predict([])
    assert not (tmp_path / "table.json.building").exists()


def test_held_out_error_is_the_measured_one(tmp_path: Path) -> None:
    """Every network looks a tenth slower than it is in half of the passes: so do the held-out ones."""
    table = build(tmp_path / "table.json", Bench(error=lambda count: 0.1 if count > 24 else 0.0))
    assert table.median_error == pytest.approx(0.0, abs=1e-3)
    noisy = Random(1)
    table = build(tmp_path / "noisy.json", Bench(error=lambda _count: noisy.uniform(-0.3, 0.3)))
    by_hand = sorted(abs(one.measured_ms / one.predicted_ms - 1) for one in table.networks if one.held_out)
    assert table.median_error == pytest.approx((by_hand[1] + by_hand[2]) / 2)
    assert table.percentile_90_error == pytest.approx(by_hand[3])
    assert table.percentile_90_error > 0.01


def test_a_stopped_build_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    whole_bench, first, second = Bench(), Bench(stop_after=7), Bench()
    expected = build(tmp_path / "whole.json", whole_bench)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "table.json", first)
    assert not (tmp_path / "table.json").exists()
    resumed = build(tmp_path / "table.json", second)
    assert sorted(first.operators + second.operators) == sorted(whole_bench.operators)
    assert 0 < len(second.operators) < len(whole_bench.operators)
    assert first.networks + second.networks == whole_bench.networks
    assert resumed.entries == expected.entries
    assert [one.genotype for one in resumed.networks] == [one.genotype for one in expected.networks]
    assert resumed.model.scale == pytest.approx(expected.model.scale)


def test_another_build_does_not_go_on_with_these_notes(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    with pytest.raises(KeyboardInterrupt):
        build(path, Bench(stop_after=1))
    with pytest.raises(PosenasError, match="unfinished build with another networks; finish it"):
        build(path, Bench(), networks=15)
    with pytest.raises(PosenasError, match="another input_size"):
        build(path, Bench(), subject=replace(SUBJECT, input_size=(32, 16)))
    (tmp_path / "table.json.building").write_text("{")
    with pytest.raises(PosenasError, match="not a build's notes"):
        build(path, Bench())


def test_a_finished_table_is_not_overwritten(tmp_path: Path) -> None:
    build(tmp_path / "table.json", Bench())
    with pytest.raises(PosenasError, match="exists already"):
        build(tmp_path / "table.json", Bench())


def test_real_times_are_positive_and_named(tmp_path: Path) -> None:
    table = build_table(
        tmp_path / "table.json",
        SUBJECT,
        networks=6,
        seed=0,
        measures=measures_of(SUBJECT),
        advance=lambda *_: None,
    )
    assert all(0 < entry.first_quartile_ms <= entry.median_ms for entry in table.entries)
    assert all(0 < one.measured_ms < 1e3 for one in table.networks)
    assert table.conditions.device
    assert table.conditions.precision == "32"


def test_a_network_is_timed_by_the_given_clock_in_evaluation_mode() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    times = [float(milliseconds) for milliseconds in range(100_000, 0, -1)]
    taken: list[float] = []

    def clock(call: Callable[[], object]) -> float:
        assert not network.training
        assert torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == 1
        call()
        taken.append(times[len(taken)])
        return taken[-1]

    latency = measure_latency(network, input_size=SIZE, compute=CPU, time_call=clock)
    # A machine that gets quieter and quieter: the last quarter of the blocks of three calls counts.
    quiet = taken[-3 * math.ceil(len(taken) / 12) :]
    assert latency.repeats == len(quiet) > 3
    assert latency.median_ms == statistics.median(quiet)
    assert quiet[0] > latency.third_quartile_ms > latency.first_quartile_ms > quiet[-1]


def test_ratios_to_the_reference_become_quiet_times() -> None:
    passes = [Beside([1.0, 2.0], [10.0, 12.0]), Beside([2.0, 3.0], [13.0, 8.0])]
    assert quiet_reference(passes) == 8.0
    assert quiet_reference([*passes, Beside([1.0], [6.0])]) == 7.0
    time = quiet_time(passes, 8.0)
    assert (time.median_ms, time.first_quartile_ms, time.third_quartile_ms) == (16.0, 14.0, 18.0)
