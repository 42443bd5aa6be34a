"""Latency tables as a user makes, reads and searches with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from posenas.cli import posenas as root_command
from running import SMALL, SMALL_SEARCH, Answer

Posenas = Callable[..., Answer]

INPUT = ("-o", "head.input_size=64,64")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of few networks and so not exact; its error says so."""
    path = tmp_path_factory.mktemp("latency") / "table.json"
    command = ["latency", "build", str(path), *INPUT, "--networks", "6", "--json"]
    result = CliRunner().invoke(root_command, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["held_out"]["networks"] == 2
    return path


def test_a_table_is_built_shown_and_searched_with(posenas: Posenas, table: Path) -> None:
    network = ("vipnas-res50-smallest", *INPUT, "-o", "space.backbone=resnet50", "--measure")
    shown = posenas("latency", "show", table, *network, "--json").json
    assert shown["input_size"] == [64, 64]
    assert shown["held_out"]["fitted_on"] == 4
    assert not shown["network"]["of_the_tables_networks"]
    assert shown["network"]["predicted"]["unmeasured"] > 0
    assert shown["network"]["measured"]["median_ms"] > 0
    assert "held-out error: median" in posenas("latency", "show", table).out

    with_table = ("-o", f"latency.table={table}")
    refused = posenas("compose", *SMALL, *with_table, "--limit", "latency_ms<=0.001", "--dry-run")
    assert refused.status == 2
    assert "the cheapest is" in refused.err
    assert "latency_ms = " in refused.err

    # The mean of the fitted networks: some are above and some below.
    networks = json.loads(table.read_text())["networks"]
    upper = 1 + shown["held_out"]["percentile_90_error"]
    most = upper * sum(network["predicted_ms"] for network in networks) / len(networks)
    run = posenas("compose", *SMALL_SEARCH, *with_table, "--limit", f"latency_ms<={most:.3f}", "--run", "run")
    assert run.status == 0, run.err
    trials = json.loads(Path("run/trials.json").read_text())
    assert all(trial["costs"]["latency_upper_ms"] <= most for trial in trials)
    assert all(trial["costs"]["latency_ms"] < trial["costs"]["latency_upper_ms"] for trial in trials)
    found = posenas("latency", "show", table, "run/best/genotype.json", "--json").json["network"]
    assert found["of_the_tables_networks"]
    assert found["predicted"]["ms"] == pytest.approx(trials[-1]["costs"]["latency_ms"])


def test_a_table_of_other_conditions_is_refused_in_one_line(posenas: Posenas, table: Path) -> None:
    with_table = ("-o", f"latency.table={table}", "--dry-run")
    for changed, reason in {
        ("--precision", "bf16" if json.loads(table.read_text())["precision"] == "32" else "32"): "precision",
        ("-o", "latency.batch_size=4"): "batch size 1 and not 4",
        ("-o", "latency.threads=2"): "threads 1 and not 2",
        ("-o", "head.input_size=96,64"): "another head",
        ("-o", "dataset.points=133"): "another keypoints",
    }.items():
        answer = posenas("compose", *SMALL, *with_table, *changed)
        assert answer.status == 2, changed
        assert reason in answer.err
        assert answer.err.count("\n") == 1


def test_without_a_table_networks_are_measured_once(posenas: Posenas) -> None:
    answer = posenas("compose", *SMALL_SEARCH, "--limit", "latency_ms<=1000", "--run", "run", "--json")
    assert answer.status == 0, answer.err
    costs = answer.last_json["best"]["costs"]
    assert 0 < costs["latency_lower_ms"] <= costs["latency_ms"] <= costs["latency_upper_ms"] < 1000
    journal = Path("run/journal.jsonl").read_text().splitlines()
    timed = [record for record in map(json.loads, journal) if record["effect"] == "latency"]
    assert len({record["key"] for record in timed}) == len(timed) >= 3
    before = Path("run/trials.json").read_bytes()
    assert posenas("resume", "run").status == 0
    assert Path("run/trials.json").read_bytes() == before


def test_latency_is_not_looked_at_where_nobody_asks(posenas: Posenas) -> None:
    answer = posenas("train", "vipnas-res50-smallest", *SMALL, "--epochs", "1", "--run", "run", "--json")
    assert answer.status == 0, answer.err
    assert not any(name.startswith("latency") for name in answer.last_json["best"]["costs"])
