"""Tables of invented times: what they predict, and what is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from posenas.contract.errors import PosenasError
from posenas.networks.latency.conditions import Conditions
from posenas.networks.latency.entries import Entry, OperatorSum, OperatorTimes
from posenas.networks.latency.operators import Operator
from posenas.networks.latency.sums import SumModel, fit_sum
from posenas.networks.latency.table import LatencyTable, MeasuredNetwork


def convolution(inputs: int, outputs: int) -> Operator:
    key = f"conv2d 8x8 {inputs}->{outputs} k3x3 s1x1 g1"
    return Operator(key, 64 * 9 * inputs * outputs, 64 * (inputs + outputs) + 9 * inputs * outputs)


RELU = Operator("relu 1x8x8x8", 0, 1024)


def entry(operator: Operator, milliseconds: float) -> Entry:
    return Entry(operator, milliseconds, 0.9 * milliseconds, 1.1 * milliseconds)


def network(measured: float, predicted: float, *, held_out: bool = True) -> MeasuredNetwork:
    return MeasuredNetwork({"width": measured}, held_out, measured, measured, measured, predicted)


TABLE = LatencyTable(
    conditions=Conditions("a device", 1, "bf16", 1, (64, 48)),
    subject={"space": {"name": "toy"}, "head": {"name": "heatmap"}, "keypoints": 17},
    torch="2.13.0",
    clock="a clock",
    entries=[entry(convolution(8, 8), 2.0), entry(convolution(8, 16), 4.0), entry(RELU, 0.5)],
    model=SumModel(constant_ms=1.0, scale=2.0),
    networks=[network(3.0, 2.0, held_out=False)]
    + [network(10.0 * (1 + error), 10.0) for error in (0.01, -0.02, 0.03, 0.04, 0.05)],
)


def test_measured_operators_add_up() -> None:
    prediction = TABLE.predict([convolution(8, 8), RELU, RELU])
    assert prediction.ms == pytest.approx(1.0 + 2.0 * (2.0 + 0.5 + 0.5))
    assert prediction.upper_ms == pytest.approx(prediction.ms * 1.05)
    assert (prediction.operators, prediction.unmeasured) == (3, 0)


def test_the_error_is_that_of_the_held_out_networks_alone() -> None:
    assert TABLE.median_error == pytest.approx(0.03)
    assert TABLE.percentile_90_error == pytest.approx(0.05)
    assert TABLE.judgement()["fitted_on"] == 1


def test_an_operator_without_an_entry_is_estimated_from_its_kind() -> None:
    """Times that are a power of the sizes are met between and beyond the measured ones."""

    def milliseconds(operator: Operator) -> float:
        return 1e-4 * float(operator.macs) ** 0.8

    known = [convolution(inputs, outputs) for inputs in (8, 16, 32, 64) for outputs in (8, 24, 64)]
    times = OperatorTimes([entry(operator, milliseconds(operator)) for operator in known])
    for unknown in (convolution(24, 16), convolution(48, 48), convolution(96, 64)):
        added = times.add_up([unknown])
        assert added.unmeasured == 1
        assert added.milliseconds == pytest.approx(milliseconds(unknown), rel=0.1)
    stranger = times.add_up([Operator("fft 3x3", 0, 5000)])
    assert 0 < stranger.milliseconds < float("inf")


def test_the_sum_is_the_line_through_the_networks() -> None:
    totals = [OperatorSum(milliseconds, 5, 0) for milliseconds in (1.0, 2.0, 5.0)]
    model = fit_sum(totals, [0.5 + 1.5 * total.milliseconds for total in totals])
    assert (model.constant_ms, model.scale) == pytest.approx((0.5, 1.5))


@pytest.mark.parametrize("measured", [(1.0, 4.0, 25.0), (5.0, 3.0, 1.0)])
def test_no_part_of_the_sum_is_negative(measured: tuple[float, ...]) -> None:
    totals = [OperatorSum(milliseconds, 5, 0) for milliseconds in (1.0, 2.0, 5.0)]
    model = fit_sum(totals, measured)
    assert min(model.constant_ms, model.scale) == 0.0
    assert max(model.constant_ms, model.scale) > 0.0


def test_a_saved_table_predicts_the_same(tmp_path: Path) -> None:
    TABLE.save(tmp_path / "table.json")
    loaded = LatencyTable.load(tmp_path / "table.json")
    assert loaded == TABLE
    assert loaded.predict([convolution(8, 12)]) == TABLE.predict([convolution(8, 12)])
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["unit"] == "ms"
    assert content["held_out"] == TABLE.judgement()
    assert {"device", "threads", "precision", "batch_size", "torch", "clock"} <= set(content)


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": "posenas latency table 1"}', '{"format": "else"}'])
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "table.json"
    file.write_text(damage)
    with pytest.raises(PosenasError, match=r"latency table .*table\.json: not a table of this version"):
        LatencyTable.load(file)
    with pytest.raises(PosenasError, match="cannot be read"):
        LatencyTable.load(tmp_path / "absent.json")


def test_differences_of_conditions_are_named() -> None:
    conditions = TABLE.conditions
    assert conditions.differences(conditions) == ""
    other = replace(conditions, precision="32", batch_size=8)
    assert conditions.differences(other) == "precision bf16 and not 32, batch size 1 and not 8"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("sum", "scale"), float("nan")),
        (("sum", "constant_ms"), -1.0),
        (("sum", "scale"), "2"),
        (("sum",), []),
        (("threads",), 0),
        (("batch_size",), 10**400),
        (("subject",), None),
        (("subject", "head"), {"name": 3}),
        (("entries", 0, 1), float("inf")),
        (("entries", 0, 4), 10**30),
        (("entries", 0, 0), "conv2d " + "9" * 400),
        (("entries", 0), 7),
        (("networks", 1, "measured_ms"), "3"),
        (("networks", 1, "genotype"), None),
        (("networks", 1, "predicted_ms"), 0.0),
        (("networks",), {"a": 1}),
    ],
)
def test_a_table_with_anything_else_is_refused_in_one_line(
    tmp_path: Path, place: tuple[Any, ...], value: Any
) -> None:
    TABLE.save(tmp_path / "table.json")
    content = json.loads((tmp_path / "table.json").read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "table.json").write_text(json.dumps(content))
    with pytest.raises(PosenasError, match="not a table of this version"):
        LatencyTable.load(tmp_path / "table.json")
