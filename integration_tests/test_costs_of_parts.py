"""Costs of a network's parts: limits, objectives, the report, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from running import SMALL, SMALL_SEARCH, Answer, refusal

Posenas = Callable[..., Answer]

COUNTED = {"gmacs", "macs", "paper_gflops", "parameters", "parameters_with_statistics", "thesis_gflops"}
NAMED = (
    "--limit", "gmacs.backbone<=0.006", "--limit", "gmacs.head<=0.01",
    "--maximize", "oks.AP", "--minimize", "parameters.backbone",
)  # fmt: skip


def test_parts_limit_a_search_and_are_objectives(posenas: Posenas, tmp_path: Path) -> None:
    answer = posenas("compose", *SMALL_SEARCH, *NAMED, "--run", "run")
    assert answer.status == 0, answer.err
    trials = (tmp_path / "run" / "trials.json").read_bytes()
    for trial in json.loads(trials):
        costs = trial["costs"]
        assert costs.keys() == COUNTED | {"gmacs.backbone", "gmacs.head", "parameters.backbone"}
        assert costs["gmacs.backbone"] <= 0.006
        assert costs["gmacs.backbone"] + costs["gmacs.head"] == pytest.approx(costs["gmacs"], rel=1e-12)
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "GMACs of backbone" in page
    assert "parameters of backbone" in page
    (tmp_path / "run" / "trials.json").unlink()
    assert posenas("resume", "run").status == 0
    assert (tmp_path / "run" / "trials.json").read_bytes() == trials


@pytest.mark.parametrize(
    ("goal", "says"),
    [
        (("--limit", "gmacs.hed<=1"), "the networks have no such part; did you mean 'gmacs.head'?"),
        (("--minimize", "parameters.backbon"), "did you mean 'parameters.backbone'?"),
        (("--limit", "gmacs.head.convolutoin<=1"), "did you mean 'gmacs.head.convolution'?"),
        (("--limit", "latency_ms.head<=1"), "cost or metric 'latency_ms.head'; latency_ms has no parts"),
        (("--limit", "gmac.head<=1"), "unknown cost or metric 'gmac.head'; did you mean 'gmacs'?"),
        (("--limit", "gmacs.head<=1e-9"), "gmacs.head = "),
    ],
)  # fmt: skip
def test_an_unknown_part_is_one_line(posenas: Posenas, goal: tuple[str, str], says: str) -> None:
    metric = ("--maximize", "oks.AP") if goal[0] == "--minimize" else ()
    assert says in refusal(posenas("compose", *SMALL, *goal, *metric, "--dry-run"))


@pytest.mark.parametrize(
    "name", ["vipnas-hrnet-w32-smallest", "fabric-1", "evopose2d-xs", "mobilenetv2-pose"]
)
def test_described_parts_add_up(posenas: Posenas, name: str) -> None:
    described = posenas("describe", name, "--json").json
    parts = described["parts"]
    for cost in COUNTED:
        assert parts["backbone"][cost] + parts["head"][cost] == pytest.approx(described[cost], rel=1e-12)
        for half in ("backbone", "head"):
            inner = sum(costs[cost] for part, costs in parts.items() if part.startswith(f"{half}."))
            assert 0 <= inner <= parts[half][cost] * (1 + 1e-12)
    assert "backbone" in posenas("describe", name).out
