"""Trials of a run in progress: one line each, the same after any kill, and no more bytes than they take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.computed_on import provenance_of
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Problem
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.results import front_against, read_results
from posenas.runs.checkpoint import save_weights
from posenas.runs.events import Events
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import Run, create_run, open_journal
from posenas.runs.trial_log import TrialLog
from posenas.searching.search import search


def trial(number: int, stage: str = "candidate") -> Trial:
    costs = {"gmacs": 1.0 + number, "parameters": 2.0}
    return Trial({"number": number}, stage, "ranking", {"oks.AP": number / 1e6}, costs)


def log(path: Path, number: int) -> bytes:
    with TrialLog(path) as written:
        for index in range(number):
            written.add(trial(index))
    return path.read_bytes()


@pytest.mark.parametrize("kept", [0, 1, 100, 2.5, 3])
def test_what_is_there_is_kept_and_what_does_not_fit_is_written_anew(tmp_path: Path, kept: float) -> None:
    whole = log(tmp_path / "whole", 5)
    lines = whole.splitlines(keepends=True)
    begun = b"".join(lines)[: int(kept)] if kept == 100 else b"".join(lines[: int(kept)])
    (tmp_path / "begun").write_bytes(begun + (lines[-1][:20] if kept % 1 else b""))
    assert log(tmp_path / "begun", 5) == whole
    (tmp_path / "damaged").write_bytes(whole.replace(b'"number":3', b'"number":4'))
    assert log(tmp_path / "damaged", 5) == whole


@dataclass(frozen=True)
class Stub:
    """A strategy that computes nothing; its answer has some weights and predictions in a run's folders."""

    trials: int
    run: Run

    def requires(self) -> Sequence[type]:
        return ()

    def search(self, problem: Problem) -> Iterator[Trial]:  # noqa: ARG002
        for number in range(self.trials):
            yield trial(number)
        torch.manual_seed(0)
        weights = save_weights(self.run.weights, torch.nn.Linear(1, 1))
        self.run.predictions.mkdir(exist_ok=True)
        (self.run.predictions / "none.json").write_text("[]")
        yield replace(trial(0, "final"), split="val", weights=weights, predictions="none.json")


@pytest.fixture(scope="module")
def composition() -> Composition:
    recipe = Recipe(
        space=ComponentChoice("fixed", {"width": 0.125}),
        strategy=ComponentChoice("random"),
        dataset=ComponentChoice("synthetic", {"train_images": 4, "val_images": 2}),
    )
    return compose(recipe)


def searched(composition: Composition, folder: Path, trials: int) -> tuple[Run, int]:
    """The run, and how many bytes this process wrote for it."""

    def written() -> int:
        counts = Path("/proc/self/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in counts if line.startswith("wchar"))

    run = create_run(folder, composition.recipe)
    before = written()
    search(replace(composition, strategy=Stub(trials, run)), run, events=Events({}, complain=print))
    return run, written() - before


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="only Linux counts what a process writes")
def test_bytes_grow_as_the_trials_do(tmp_path: Path, composition: Composition) -> None:
    few = searched(composition, tmp_path / "few", 300)[1]
    many = searched(composition, tmp_path / "many", 1200)[1]
    assert 3.5 * few < many < 4.2 * few
    assert searched(composition, tmp_path / "many", 1200)[1] < many


def results(run: Run, composition: Composition) -> Results:
    return read_results(run, composition.recipe)


def test_a_run_in_progress_shows_its_trials_and_a_finished_one_all(
    tmp_path: Path, composition: Composition
) -> None:
    run = create_run(tmp_path / "run", composition.recipe)
    open_journal(run, composition.recipe, provenance_of(composition), warn=print)
    log(run.path / "trials.jsonl", 3)
    assert results(run, composition).trials == tuple(map(trial, range(3)))
    searched(composition, run.path, 5)
    assert [found.stage for found in results(run, composition).trials] == ["candidate"] * 5 + ["final"]
    assert not (run.path / "trials.jsonl").exists()


def test_damaged_trials_of_either_kind_are_refused(tmp_path: Path, composition: Composition) -> None:
    run = create_run(tmp_path / "run", composition.recipe)
    open_journal(run, composition.recipe, provenance_of(composition), warn=print)
    content = log(run.path / "trials.jsonl", 3)
    (run.path / "trials.jsonl").write_bytes(content.replace(b"1e-06", b"2e-06"))
    with pytest.raises(PosenasError, match=r"trials\.jsonl, line 2: is damaged.*resume.*anew"):
        results(run, composition)
    searched(composition, run.path, 3)
    file = run.path / "trials.json"
    file.write_bytes(file.read_bytes().replace(b"1e-06", b"2e-06"))
    with pytest.raises(PosenasError, match=r"trials\.json: is damaged.*resume.*anew"):
        results(run, composition)
    file.unlink()
    with pytest.raises(PosenasError, match=r"trials\.json: is missing"):
        results(run, composition)


def test_objectives_are_made_once_for_all_trials(
    tmp_path: Path, composition: Composition, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posenas.composing.goals.objectives import choose_objectives

    calls = []
    monkeypatch.setattr(
        "posenas.reporting.results.choose_objectives",
        lambda *arguments, **options: calls.append(1) or choose_objectives(*arguments, **options),
    )
    found = results(searched(composition, tmp_path / "run", 50)[0], composition)
    assert len(front_against(found, "gmacs")) == 50
    assert found.shown is found.answer
    assert len(found.failed) == 0
    assert calls == [1]
