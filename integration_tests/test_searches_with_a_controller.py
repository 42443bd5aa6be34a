"""`bilevel`, `gumbel` and `reinforce` on their own space and on other packages', as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from running import SMALL, Answer, refusal

Posenas = Callable[..., Answer]

QUICK = (*SMALL, "-o", "strategy.final_epochs=1", "-o", "strategy.epochs=1")
CONTROLLER = ("-o", "strategy.calibration_people=16", "-o", "strategy.updates=2")
SEARCHES = {
    "gumbel on cnf": (
        "--space", "cnf", "--head", "vector", "--strategy", "gumbel",
        "-o", "space.backbone=fabric-1", "-o", "space.width=0.0625", "-o", "space.channels=1",
    ),
    "reinforce on ofa": ("--space", "ofa", "--strategy", "reinforce", *CONTROLLER),
    "reinforce on evo": ("--space", "evo", "--strategy", "reinforce", *CONTROLLER),
    "gumbel on autopose": (
        "--space", "autopose", "--strategy", "gumbel", "-o", "space.channels=2", "-o", "space.scales=2",
    ),
    "reinforce on autopose": (
        "--space", "autopose", "--strategy", "reinforce", "-o", "space.channels=2", "-o", "space.scales=2",
        *CONTROLLER,
    ),
    "bilevel on autopose": (
        "--space", "autopose", "--strategy", "bilevel", "-o", "space.channels=2", "-o", "space.scales=2",
        "-o", "strategy.controller_from=1", "-o", "strategy.candidates=2", *CONTROLLER,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_ends_with_a_trained_network_and_shows_how_it_went(
    posenas: Posenas, tmp_path: Path, name: str
) -> None:
    answer = posenas("compose", *SEARCHES[name], *QUICK, "--run", "run")
    assert answer.status == 0, answer.err
    trials = json.loads((tmp_path / "run" / "trials.json").read_text())
    assert trials[-1]["stage"] == "final"
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "How the search went" in page
    assert "Not everything could be shown" not in page
    pictures = {path.name for path in (tmp_path / "run" / "report").glob("*.png")}
    assert "course.png" in pictures
    if "autopose" in name:
        assert {"branches.png", "individual-cell.png", "aggregation-cell.png"} <= pictures


@pytest.mark.slow
def test_a_comparison_with_random_genotypes_is_refused_where_cells_learnt_with_the_weights(
    posenas: Posenas, tmp_path: Path
) -> None:
    """Their cells have not learnt. Nothing is scored or trained before the refusal."""
    searched = posenas("compose", *SEARCHES["bilevel on autopose"], *QUICK, "--run", "run")
    assert searched.status == 0, searched.err
    before = (tmp_path / "run" / "journal.jsonl").read_bytes()
    line = refusal(posenas("compare", "run"))
    assert "weights that learnt together with real values" in line
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == before


def test_a_space_without_choices_is_refused_before_any_training(posenas: Posenas, tmp_path: Path) -> None:
    answer = posenas(
        "compose", "--space", "cnf", "--head", "vector", "--strategy", "reinforce", "--run", "run"
    )
    assert answer.status == 2
    (line,) = answer.err.splitlines()
    assert "a controller decides discrete dimensions, and the space has none that its draws vary" in line
    assert not (tmp_path / "run").exists()
