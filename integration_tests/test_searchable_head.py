"""A searchable head of a stranger's package, searched together with a space by every strategy of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import SMALL, Answer

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
        ("fixed", "random", ("-o", "space.width=0.1")),
        ("fixed", "evolution", ("-o", "space.width=0.1", "-o", "strategy.population=2")),
        ("fixed", "predictor", ("-o", "space.width=0.1", "-o", "strategy.first=2")),
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
