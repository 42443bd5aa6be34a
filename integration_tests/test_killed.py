"""A run that is killed at any instant continues to the same result as one that never was."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from running import SMALL, SMALL_SEARCH

# A shell that starts tests in the background leaves them deaf to Ctrl-C.
POSENAS = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from posenas.cli import main; main()",
]
SEARCH = [
    *SMALL_SEARCH,
    "-o",
    "strategy.epochs=6",
    "-o",
    "strategy.final_epochs=4",
    "-o",
    "training.workers=1",
]

EVOLUTION = [
    *SMALL,
    *("--strategy", "neuroevolution"),
    *("-o", "strategy.generations=2"),
    *("-o", "strategy.children=2"),
    *("-o", "strategy.ancestor_epochs=3"),
    *("-o", "strategy.child_epochs=4"),
    *("-o", "strategy.final_epochs=2"),
    *("-o", "training.parallel=2"),
]

WHOLE_BODIES = [
    *SMALL_SEARCH,
    *("--head", "zoom"),
    *("-o", "dataset.points=133"),
    *("-o", "strategy.epochs=3"),
]

GRIDS = [
    *SMALL_SEARCH,
    *("--space", "yolo"),
    *("--head", "kapao"),
    *("-o", "head.searched=grids,anchors"),
    *("-o", "dataset.max_people=2"),
    *("-o", "strategy.epochs=3"),
]

CONTROLLER = [
    *SMALL,
    *("--space", "autopose"),
    *("--strategy", "bilevel"),
    *("-o", "space.channels=2"),
    *("-o", "space.scales=2"),
    *("-o", "space.stages=2"),
    *("-o", "strategy.epochs=2"),
    *("-o", "strategy.controller_from=1"),
    *("-o", "strategy.updates=3"),
    *("-o", "strategy.candidates=2"),
    *("-o", "strategy.calibration_people=16"),
    *("-o", "strategy.final_epochs=1"),
]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*POSENAS, *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err


def contents(run: Path) -> dict[str, bytes]:
    """Every file of a run by its name; the lock is empty and checkpoints are gone when a run is complete."""
    return {
        str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()
    }


def killed_often(
    folder: Path, search: Sequence[str], *, kills: int, rng: random.Random, longest: float
) -> int:
    """Starts, kills and resumes one search until it is complete; returns how often it was killed."""
    run = folder / "run"
    process = start(folder, "compose", *search, "--run", "run")
    done = 0
    while done < kills and not complete(run):
        time.sleep(rng.uniform(0.5, longest))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            done += 1
        process.communicate(timeout=120)  # ends once every process of the run has
        begun = (run / "recipe.toml").exists()
        process = start(folder, *(("resume", "run") if begun else ("compose", *search, "--run", "run")))
    finish(process)
    return done


def complete(run: Path) -> bool:
    return (run / "report" / "report.html").exists()


def compare(tmp_path: Path, search: Sequence[str] = SEARCH, *, kills: int, seed: int) -> None:
    """As many searches as it takes for so many kills; each ends like the undisturbed one."""
    began = time.monotonic()
    finish(start(tmp_path, "compose", *search, "--run", "undisturbed"))
    length = time.monotonic() - began
    expected = contents(tmp_path / "undisturbed")
    rng = random.Random(seed)
    done = 0
    for attempt in itertools.count():  # a search may end before it is killed
        if done >= kills:
            break
        folder = tmp_path / f"attempt-{attempt}"
        folder.mkdir()
        longest = min(0.8 * length, 2 * length / kills + 3)
        done += killed_often(folder, search, kills=kills - done, rng=rng, longest=longest)
        assert contents(folder / "run") == expected


def test_killed_three_times(tmp_path: Path) -> None:
    compare(tmp_path, kills=3, seed=0)


@pytest.mark.slow
def test_an_evolution_in_two_processes_killed_twice(tmp_path: Path) -> None:
    compare(tmp_path, EVOLUTION, kills=2, seed=0)
    lines = (tmp_path / "undisturbed" / "journal.jsonl").read_text().splitlines()
    assert sum('"effect":"train and evaluate"' in line for line in lines) == 1 + 2 * 2


@pytest.mark.slow
@pytest.mark.parametrize("search", [pytest.param(WHOLE_BODIES, id="zoom"), pytest.param(GRIDS, id="kapao")])
def test_a_search_of_the_head_too_killed_twice(tmp_path: Path, search: Sequence[str]) -> None:
    compare(tmp_path, search, kills=2, seed=0)


@pytest.mark.slow
def test_a_controller_killed_between_its_updates(tmp_path: Path) -> None:
    """After three of its draws were scored: one update is done and another one is not."""
    finish(start(tmp_path, "compose", *CONTROLLER, "--run", "undisturbed"))
    process = start(tmp_path, "compose", *CONTROLLER, "--run", "run")
    journal = tmp_path / "run" / "journal.jsonl"
    deadline = time.monotonic() + 300
    while not journal.exists() or journal.read_text().count('"effect":"evaluate"') < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    assert '"effect":"note"' not in journal.read_text()
    finish(start(tmp_path, "resume", "run"))
    assert contents(tmp_path / "run") == contents(tmp_path / "undisturbed")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_an_evolution_killed_ten_times(tmp_path: Path, seed: int) -> None:
    compare(tmp_path, EVOLUTION, kills=10, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_ten_times(tmp_path: Path, seed: int) -> None:
    compare(tmp_path, kills=10, seed=seed)


@pytest.mark.slow  # kills are compared with an undisturbed run of the same seed in every session
def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        finish(start(tmp_path, "compose", *SMALL_SEARCH, "--run", name))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 2),
        (signal.SIGTERM, 128 + 15),
        pytest.param(signal.SIGHUP, 128 + 1, marks=pytest.mark.slow),
    ],
)
def test_a_stop_says_how_to_resume_and_loses_nothing(tmp_path: Path, number: int, status: int) -> None:
    process = start(tmp_path, "compose", *SEARCH, "-o", "strategy.epochs=200", "--run", "run")
    checkpoints = tmp_path / "run" / "checkpoints"
    deadline = time.monotonic() + 120
    while not any(checkpoints.glob("*.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)  # ends once every process of the run has
    assert process.returncode == status, err
    assert err.strip().splitlines()[-1] == "posenas: stopped; nothing is lost: `posenas resume run` continues"
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_stop_of_the_whole_group_of_processes_is_a_stop(tmp_path: Path) -> None:
    """As a cluster does it: the processes that read images and those that train candidates get it too."""
    process = start(tmp_path, "compose", *EVOLUTION, "-o", "strategy.child_epochs=200", "--run", "run")
    checkpoints = tmp_path / "run" / "checkpoints"
    deadline = time.monotonic() + 120
    while len(list(checkpoints.glob("*.safetensors"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + 15, err
    assert err.strip().splitlines()[-1] == "posenas: stopped; nothing is lost: `posenas resume run` continues"
    assert "Traceback" not in err


@pytest.mark.slow
def test_ctrl_c_ends_the_processes_of_an_evolution_without_another_word(tmp_path: Path) -> None:
    process = start(tmp_path, "compose", *EVOLUTION, "-o", "strategy.child_epochs=200", "--run", "run")
    checkpoints = tmp_path / "run" / "checkpoints"
    deadline = time.monotonic() + 120
    while len(list(checkpoints.glob("*.safetensors"))) < 2:  # both children are at work
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)  # ends once every process of the run has
    assert process.returncode == 2, err
    assert err.strip().splitlines()[-1] == "posenas: stopped; nothing is lost: `posenas resume run` continues"


def test_two_processes_cannot_run_the_same_run(tmp_path: Path) -> None:
    first = start(tmp_path, "compose", *SEARCH, "-o", "strategy.epochs=200", "--run", "run")
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "journal.jsonl").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        second = start(tmp_path, "resume", "run")
        _, err = second.communicate(timeout=120)
        assert second.returncode == 2
        assert "another process is running it" in err
    finally:
        first.kill()
        first.communicate()
