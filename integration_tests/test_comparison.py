"""`posenas compare` and `--seeds`, as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from running import SMALL, Answer

Posenas = Callable[..., Answer]
SEARCH = (
    *SMALL, "--strategy", "random", "-o", "strategy.candidates=5", "-o", "strategy.epochs=2",
    "-o", "strategy.final_epochs=1", "-o", "strategy.calibration_people=16",
)  # fmt: skip
COMPARE = ("--random", "3", "--trained", "1", "--alone", "4", "--alone-epochs", "1", "--tolerance", "0.2")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_is_compared_once_and_again_for_nothing(posenas: Posenas, tmp_path: Path) -> None:
    assert posenas("compose", *SEARCH, "--limit", "gmacs<=0.005", "--run", "run").status == 0
    answer = posenas("compare", "run", *COMPARE, "--json")
    assert answer.status == 0, answer.err
    said = answer.last_json
    assert (said["run"], said["objective"], said["cost"], said["tolerance"]) == (
        "run",
        "oks.AP",
        "gmacs",
        0.2,
    )
    assert said["candidates"]["number"] == 3
    assert said["trained"]["number"] == 1
    comparison = json.loads((tmp_path / "run" / "comparison.json").read_text())
    best = json.loads((tmp_path / "run" / "best" / "trial.json").read_text())
    for trial in (*comparison["random"], *comparison["trained"]):
        assert abs(trial["costs"]["gmacs"] / best["costs"]["gmacs"] - 1) <= 0.2
        assert trial["genotype"] != best["genotype"]
    assert {trial["split"] for trial in comparison["trained"]} == {"val"}
    assert len(comparison["alone"]) == 4
    assert len({trial["weights"] for trial in comparison["alone"]}) == 4
    assert "of equal cost" in (tmp_path / "run" / "report" / "report.html").read_text()
    before = files(tmp_path / "run")
    assert posenas("compare", "run", *COMPARE).status == 0
    assert files(tmp_path / "run") == before


def test_what_cannot_be_compared_is_refused(posenas: Posenas) -> None:
    one = ("compose", *SMALL, "--strategy", "single", "-o", "strategy.epochs=1")
    genotype = '{"stem.width"=16,"stage1.depth"=1,"stage1.width"=24,"stage1.kernel"=3,"stage1.groups"=4,' \
        '"stage1.attention"=false,"stage2.depth"=1,"stage2.width"=40,"stage2.kernel"=3,"stage2.groups"=4,' \
        '"stage2.attention"=false}'  # fmt: skip
    assert posenas(*one, "-o", f"strategy.genotype={genotype}", "--run", "one").status == 0
    answer = posenas("compare", "one")
    assert answer.status == 2
    assert "there is no search to compare" in answer.err
    assert posenas("compare", "nowhere").status == 2


def test_seeds_are_repeated_summed_up_and_resumed(posenas: Posenas, tmp_path: Path) -> None:
    short = ("-o", "strategy.candidates=2", "-o", "strategy.epochs=1")
    answer = posenas("compose", *SEARCH, *short, "--seed", "3", "--seeds", "2", "--run", "runs", "--json")
    assert answer.status == 0, answer.err
    said = answer.last_json
    assert said["seeds"] == [3, 4]
    assert sorted(said["answers"]) == ["3", "4"]
    page = (tmp_path / "runs" / "seed-3" / "report" / "report.html").read_text()
    assert "mean and standard deviation of 2 seeds" in page
    before = files(tmp_path / "runs")
    assert posenas("resume", "runs").status == 0
    assert files(tmp_path / "runs") == before
    assert "is a run of one seed" in posenas("compose", *SEARCH, "--seeds", "2", "--run", "runs/seed-3").err


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param("random", marks=pytest.mark.slow),
        "evolution",
        pytest.param("predictor", marks=pytest.mark.slow),
    ],
)
def test_each_strategy_searches_with_shared_weights_and_from_scratch(
    posenas: Posenas, tmp_path: Path, strategy: str
) -> None:
    more = {
        "evolution": ("-o", "strategy.population=2"),
        "predictor": ("-o", "strategy.first=2", "-o", "strategy.proposals=8"),
    }
    for weights in ("auto", "scratch"):
        answer = posenas(
            "compose", *SEARCH, "--strategy", strategy, "-o", "strategy.candidates=3", "-o",
            "strategy.epochs=1", "-o", f"strategy.weights={weights}", *more.get(strategy, ()), "--maximize",
            "oks.AR", "--minimize", "parameters", "--run", weights, "--json",
        )  # fmt: skip
        assert answer.status == 0, answer.err
        trials = json.loads((tmp_path / weights / "trials.json").read_text())
        assert [trial["stage"] for trial in trials] == ["candidate"] * 3 + ["final"]
        assert len({trial["weights"] for trial in trials[:3]}) == (1 if weights == "auto" else 3)
        front = json.loads((tmp_path / weights / "front.json").read_text())
        assert trials[-1]["genotype"] in [trial["genotype"] for trial in front]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--maximize", "gmacs"), "--maximize gmacs: lower is better; write --minimize gmacs"),
        (("--minimize", "gmacs"), "gmacs: can be computed without training"),
        (("--maximize", "oks.AB"), "did you mean 'oks.A"),
        (("--maximize", "oks.AP", "--maximize", "oks.AP"), "each may be named once"),
        (("--space", "fixed", "--strategy", "random", "-o", "strategy.weights=shared"), "WeightSharing"),
    ],
)
def test_objectives_that_cannot_be(posenas: Posenas, words: tuple[str, ...], problem: str) -> None:
    answer = posenas("compose", *words, "--dry-run")
    assert (answer.status, answer.err.count("\n")) == (2, 1)
    assert problem in answer.err
