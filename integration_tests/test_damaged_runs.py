"""Whatever file of a run is damaged: that is told, or repaired, or changes nothing."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from damages import Case, cases, contents, outcome
from posenas.composing.compose import compose
from posenas.composing.named_networks import find_network
from posenas.contract.errors import PosenasError
from posenas.reporting.report import write_report
from posenas.reporting.rescoring import load_best
from posenas.reporting.results import read_results
from posenas.runs.checkpoint import save_checkpoint
from posenas.runs.events import Events
from posenas.runs.journal import Journal
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import create_run, open_run
from posenas.searching.search import search

TABLES: Mapping[str, Any] = {
    "dataset": {"name": "synthetic", "train_images": 12, "val_images": 4},
    "head": {"name": "heatmap", "input_size": [64, 64]},
    "training": {"batch_size": 8, "workers": 0, "parallel": 1},
    "precision": "32",
}
RANDOM = {
    "strategy": {
        "name": "random",
        "candidates": 2,
        "epochs": 1,
        "final_epochs": 2,
        "calibration_people": 8,
    },
    "maximize": ["oks.AP"],
    "minimize": ["gmacs"],
}
EVOLUTION = {
    "space": {"name": "fixed", "width": 0.125},
    "strategy": {
        "name": "neuroevolution",
        "generations": 1,
        "children": 2,
        "ancestor_epochs": 1,
        "child_epochs": 2,
        "final_epochs": 1,
    },
}
RELAXED = {
    "space": {"name": "cnf"},
    "head": {"name": "vector", "input_size": [64, 64]},
    "strategy": {"name": "synchronous", "epochs": 3},
}


class StoppedError(BaseException):
    """As Ctrl-C would, at a known instant."""


def begun(folder: Path, tables: Mapping[str, Any]) -> Path:
    composition = compose(recipe_from_tables({**TABLES, **tables}))
    return create_run(folder, composition.recipe).path


def resumed(path: Path) -> dict[str, bytes]:
    """All files of the run when it is complete."""
    run, recipe = open_run(path)
    search(compose(recipe), run, events=Events({}, complain=print))
    return contents(path)


def used(path: Path) -> dict[str, bytes]:
    """What people take from a finished run."""
    run, recipe = open_run(path)
    network = find_network(str(path))
    built = compose(recipe).build(network.genotype)
    load_best(built, run)
    weights = b"".join(tensor.numpy().tobytes() for tensor in built.state_dict().values())
    found = (network.genotype, network.keypoints, read_results(run, recipe).trials)
    return {"weights": weights, "rest": repr(found).encode()}


def reported(path: Path) -> dict[str, bytes]:
    """With the report. Raises PosenasError where it says that a file cannot be read."""
    page = write_report(path).read_bytes()
    if b"cannot be read" in page:
        raise PosenasError(f"{path}: its report tells")
    return used(path) | {"page": page}


def resumed_results(path: Path) -> dict[str, bytes]:
    """But for weights, which are checked when they are read, and the report, which nobody writes here."""
    return {
        name: content
        for name, content in resumed(path).items()
        if not name.startswith(("weights/", "report/"))
    }


def stopped(path: Path, *, when: Callable[[Path, int], bool], effect: str = "none") -> Path:
    """The run, stopped after an epoch, told the checkpoint and the number; or before an effect is noted."""
    append = Journal.append

    def save_and_stop(checkpoint: Path, *, epoch: int, **arguments: Any) -> None:
        save_checkpoint(checkpoint, epoch=epoch, **arguments)
        if when(path, epoch):
            raise StoppedError

    def append_or_stop(journal: Journal, name: str, key: str, **content: Any) -> None:
        if name == effect and len(journal.records) > 2:
            raise StoppedError
        append(journal, name, key, **content)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("posenas.learning.training.save_checkpoint", save_and_stop)
        patched.setattr(Journal, "append", append_or_stop)
        with pytest.raises(StoppedError):
            resumed(path)
    return path


@pytest.fixture(scope="module")
def search_in_its_last_training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = begun(tmp_path_factory.mktemp("random") / "run", RANDOM)
    return stopped(run, when=lambda path, _: (path / "trials.jsonl").stat().st_size > 0)


def outcomes(
    chosen: Sequence[Case], run: Path, folder: Path, *, use: Callable[[Path], dict[str, bytes]]
) -> Counter[str]:
    """How often each outcome of these damages comes; none may be another one than the good ones."""
    expected = use(Path(shutil.copytree(run, folder / "undamaged")))
    found = {}
    for case in chosen:
        copy = Path(shutil.copytree(run, folder / "damaged"))
        found[case] = outcome(case, copy, seed=0, use=use, expected=expected)
        shutil.rmtree(copy)
    counts = Counter(found.values())
    assert set(counts) <= {"refused", "equal", "no damage", "unread"}, found
    return counts


def some(run: Path, number: int) -> list[Case]:
    return Random(0).sample(list(cases(run)), number)


def test_a_stopped_run(search_in_its_last_training: Path, tmp_path: Path) -> None:
    run = search_in_its_last_training
    counts = outcomes(some(run, 10), run, tmp_path, use=resumed)
    assert counts["refused"] > 3


def test_a_finished_run(search_in_its_last_training: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(search_in_its_last_training, tmp_path / "run"))
    resumed(run)
    counts = outcomes(some(run, 24), run, tmp_path, use=used)
    assert counts["refused"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("use", [resumed_results, reported])
def test_every_damage_to_a_finished_run(
    search_in_its_last_training: Path, tmp_path: Path, use: Callable[[Path], dict[str, bytes]]
) -> None:
    run = Path(shutil.copytree(search_in_its_last_training, tmp_path / "run"))
    resumed(run)
    write_report(run)
    print(use.__name__, outcomes(list(cases(run)), run, tmp_path, use=use))


@pytest.mark.slow
def test_every_damage_to_a_stopped_search(search_in_its_last_training: Path, tmp_path: Path) -> None:
    run = search_in_its_last_training
    print(outcomes(list(cases(run)), run, tmp_path, use=resumed))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tables", "effect", "epochs"),
    [(EVOLUTION, "train and evaluate", 9), (EVOLUTION, "none", 2), (RELAXED, "none", 2)],
    ids=["a result that waits", "a child in training", "an architecture in training"],
)
def test_every_damage_to_a_stopped_training(
    tmp_path: Path, tables: Mapping[str, Any], effect: str, epochs: int
) -> None:
    run = begun(tmp_path / "run", tables)
    stopped(run, when=lambda _, epoch: epoch == epochs, effect=effect)
    print(outcomes(list(cases(run)), run, tmp_path, use=resumed))
