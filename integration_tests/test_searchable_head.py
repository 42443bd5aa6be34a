"""A searchable head of a stranger's package, searched together with a space by every strategy of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import SMALL, Answer, refusal

Posenas = Callable[..., Answer]

SOURCE = Path(__file__).parents[1] / "packages" / "pose-nas" / "tests" / "toy_heads.py"
PLAIN = (*SMALL, "-o", "strategy.epochs=1", "-o", "strategy.candidates=3", "-o", "strategy.final_epochs=1")
LIMIT = 1.5e-7
"""GMACs of the head: it leaves out the widest of its choices."""


@pytest.fixture
def toy(install: Callable[..., None]) -> None:
    install(
        "toy-head",
        SOURCE.read_text(),
        entry_points={"posenas.head": {"toy": "toy_head:ToySearchableHead"}},
    )


def trials_of(run: Path) -> list[dict[str, Any]]:
    found = json.loads((run / "trials.json").read_text())
    assert isinstance(found, list)
    return found


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("space", "strategy", "options"),
    [
        pytest.param("fixed", "random", ("-o", "space.width=0.1"), marks=pytest.mark.slow),
        pytest.param(
            "fixed",
            "evolution",
            ("-o", "space.width=0.1", "-o", "strategy.population=2"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "fixed", "predictor", ("-o", "space.width=0.1", "-o", "strategy.first=2"), marks=pytest.mark.slow
        ),
        ("ofa", "sandwich", ("-o", "strategy.calibration_people=8", "--limit", f"gmacs.head<={LIMIT}")),
    ],
)
def test_every_strategy_searches_the_head_too(
    posenas: Posenas, tmp_path: Path, space: str, strategy: str, options: tuple[str, ...]
) -> None:
    chosen = ("--space", space, "--head", "toy", "--strategy", strategy)
    answer = posenas("compose", *chosen, *PLAIN, *options, "--run", "run")
    assert answer.status == 0, answer.err
    assert "warning" not in answer.err.lower()
    trials = trials_of(tmp_path / "run")
    for trial in trials:
        assert {"head.hidden", "head.last"} < trial["genotype"].keys()
        assert trial["failure"] is None
        assert "sandwich" not in chosen or trial["costs"]["gmacs.head"] <= LIMIT
    assert "hidden" in (tmp_path / "run" / "report" / "report.html").read_text()
    described = posenas("describe", "run", "--json")
    assert described.status == 0, described.err
    assert described.json["genotype"] == trials[-1]["genotype"]
    assert posenas("evaluate", "run", "--json").status == 0


@pytest.mark.usefixtures("toy")
def test_the_report_shows_how_the_budget_was_divided(posenas: Posenas, tmp_path: Path) -> None:
    sharing = (
        "--strategy",
        "sandwich",
        "-o",
        "strategy.calibration_people=8",
        "--limit",
        f"gmacs.head<={LIMIT}",
    )
    assert posenas("compose", "--head", "toy", *PLAIN, *sharing, "--run", "run").status == 0
    run = tmp_path / "run"
    for trial in trials_of(run):
        costs = trial["costs"]
        parts = [costs[f"gmacs.{part}"] for part in ("backbone", "head.entry", "head.last")]
        assert sum(parts) == pytest.approx(costs["gmacs"], rel=1e-12)
        assert "gmacs.head.entry" not in {name for name in costs if name.startswith("parameters")}
    entries = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    (largest,) = [entry for entry in entries if entry["effect"] == "largest network"]
    assert largest["inputs"]["genotype"]["head.hidden"] == 8
    assert largest["result"]["gmacs.head"] > LIMIT
    page = (run / "report" / "report.html").read_text()
    assert "How the budget was divided" in page
    assert "equal proportion" in page
    assert "Cost of a part" in page
    kept = {
        name: (run / name).read_bytes()
        for name in ("trials.json", "report/division.png", "report/report.html")
    }
    (run / "trials.json").unlink()
    assert posenas("resume", "run").status == 0
    assert kept == {name: (run / name).read_bytes() for name in kept}
    assert len((run / "journal.jsonl").read_text().splitlines()) == len(entries)


@pytest.mark.usefixtures("toy")
def test_an_unknown_part_of_a_searched_head_is_told_with_those_that_there_are(posenas: Posenas) -> None:
    line = refusal(posenas("compose", "--head", "toy", *SMALL, "--limit", "gmacs.head.zzzz<=1", "--dry-run"))
    assert line.endswith("the networks have no such part; there are gmacs.head.entry, gmacs.head.last")
