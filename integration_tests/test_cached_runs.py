"""Runs that keep decoded images and crops in files end with the same bytes as runs that keep none."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from label_files import write_labels
from posenas.cli.run_commands import How
from posenas.composing.compose import compose
from posenas.data import crops
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import OWN_CACHE
from posenas.searching.splits import Splits
from running import Answer, refusal
from test_killed import contents, finish, start

Posenas = Callable[..., Answer]
TRAIN = (
    "train", "mobilenetv2-pose", "-o", "space.width=0.125", "--epochs", "1", "--dataset", "yolo",
    "-o", "dataset.root=data", "-o", "head.input_size=32,32", "-o", "training.batch_size=4",
    "-o", "training.workers=0", "-o", "training.cache=0",
)  # fmt: skip
"""With training.cache=0 no decoded image stays in memory, so that few are enough for a file."""
EVOLUTION = (
    "compose", "--strategy", "neuroevolution", "-o", "strategy.generations=1", "-o", "strategy.children=2",
    "-o", "strategy.ancestor_epochs=1", "-o", "strategy.child_epochs=2", "-o", "strategy.final_epochs=1",
    "-o", "training.parallel=2", *TRAIN[6:],
)  # fmt: skip


def write_data(folder: Path, *, train_images: int) -> None:
    (folder / "data").mkdir()
    write_labels(folder / "data", train_images=train_images)


def cached(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.images"))


def test_a_run_that_caches_ends_with_the_same_bytes(
    posenas: Posenas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops, "MOST_IN_MEMORY", 0)
    write_data(tmp_path, train_images=4)
    for chosen in (("--no-cache",), ("--cache", "kept")):
        answer = posenas(*TRAIN, f"--run={chosen[0]}", *chosen)
        assert answer.status == 0, answer.err
    assert contents(tmp_path / "--no-cache") == contents(tmp_path / "--cache")
    assert len(cached(tmp_path / "kept")) == 2  # decoded images of train, crops of val


@pytest.mark.parametrize("memory", [0, 1], ids=["no-memory", "enough-memory"])
def test_trainings_share_a_file_unless_all_images_fit_into_memory(tmp_path: Path, memory: int) -> None:
    write_data(tmp_path, train_images=4)
    recipe = recipe_from_tables(
        {
            "space": {"name": "fixed", "width": 0.125},
            "strategy": {"name": "random", "epochs": 1},
            "head": {"name": "heatmap", "input_size": [64, 64]},
            "dataset": {"name": "yolo", "root": str(tmp_path / "data")},
            "evaluator": {"name": "oks"},
            "training": {"workers": 0, "batch_size": 1, "cache": memory},
        }
    )
    told: list[str] = []
    splits = Splits(compose(recipe), warn=told.append, advance=lambda *_: None, folder=tmp_path / "kept")
    seen = []
    for split in ("fit", "train"):
        with splits.training(split, seed=0) as loader:
            seen.append(len(list(loader.epoch(0))))
    assert seen[0] < seen[1]
    assert len(cached(tmp_path / "kept")) == (memory == 0)
    assert told == []


def test_cache_options_exclude_each_other(posenas: Posenas) -> None:
    assert "exclude each other" in refusal(posenas(*TRAIN, "--cache", "kept", "--no-cache"))


def test_a_stopped_run_names_the_command_that_caches_alike() -> None:
    command = "posenas resume run"
    assert How(False, OWN_CACHE).continuing(command, devices=1) == "posenas resume run"
    assert How(False, None).continuing(command, devices=2) == "posenas resume run --no-cache --devices 2"
    assert How(False, Path("/a b")).continuing(command, devices=1) == "posenas resume run --cache '/a b'"


@pytest.mark.slow
def test_a_killed_run_leaves_its_cache_and_a_finished_one_takes_it_away(tmp_path: Path) -> None:
    write_data(tmp_path, train_images=8)
    search = (*TRAIN, "-o", "strategy.epochs=40", "-o", "training.workers=1")
    finish(start(tmp_path, *search, "--run", "undisturbed"))
    process = start(tmp_path, *search, "--run", "run")
    deadline = time.monotonic() + 120
    while not any((tmp_path / "run" / "checkpoints").glob("*.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    (left,) = cached(tmp_path / "run" / "cache")
    left.write_bytes(left.read_bytes()[:-1000])  # and is damaged
    finish(start(tmp_path, "resume", "run"))
    assert not (tmp_path / "run" / "cache").exists()
    assert contents(tmp_path / "run") == contents(tmp_path / "undisturbed")


@pytest.mark.slow
def test_candidates_in_processes_share_a_cache(tmp_path: Path) -> None:
    write_data(tmp_path, train_images=12)
    finish(start(tmp_path, *EVOLUTION, "--run", "none", "--no-cache"))
    finish(start(tmp_path, *EVOLUTION, "--run", "shared", "--cache", "kept"))
    assert contents(tmp_path / "none") == contents(tmp_path / "shared")
    assert len(cached(tmp_path / "kept")) == 1


@pytest.mark.slow
def test_processes_that_train_together_share_a_cache(tmp_path: Path) -> None:
    write_data(tmp_path, train_images=12)
    for name, chosen in {"none": ("--no-cache",), "shared": ("--cache", "kept")}.items():
        finish(start(tmp_path, *TRAIN, "--device", "cpu", "--devices", "2", "--run", name, *chosen))
    assert contents(tmp_path / "none") == contents(tmp_path / "shared")
    assert len(cached(tmp_path / "kept")) == 1
