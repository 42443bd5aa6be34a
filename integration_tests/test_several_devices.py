"""A run of two processes of which one is killed: the others end, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from posenas.networks.processes import Processes
from running import SMALL, Answer, refusal

COMMAND = [sys.executable, "-c", "from posenas.cli import main; main()"]
RECIPE = [
    "--space",
    "ofa",
    "--strategy",
    "sandwich",
    "--dataset",
    "synthetic",
    "--device",
    "cpu",
    "-o",
    "strategy.epochs=2",
    "-o",
    "strategy.final_epochs=1",
    "-o",
    "strategy.candidates=2",
    "-o",
    "strategy.calibration_people=8",
    "-o",
    "training.workers=0",
    "-o",
    "dataset.train_images=40",
    "-o",
    "dataset.val_images=10",
    "-o",
    "head.input_size=[64,64]",
]


def finished(*arguments: str) -> None:
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)


def test_more_processes_than_people_are_refused_before_there_is_a_run(
    posenas: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posenas.cli.run_commands.present", lambda: Processes(0, 9))
    train = "train", "vipnas-mbv3-smallest"
    for command in ("compose",), ("compose", "--seeds", "2"), train, ("compose", "--dry-run"):
        told = refusal(posenas(*command, *SMALL, "--device", "cpu", "--run", tmp_path / "run"))
        assert "9 processes cannot share a batch of 8 (training.batch_size is 8" in told
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_all_and_loses_nothing(tmp_path: Path, killed: int) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    finished("compose", *RECIPE, "--devices", "2", "--run", str(whole))
    begun = [*COMMAND, "compose", *RECIPE, "--devices", "2", "--run", str(cut)]
    with subprocess.Popen(begun, stderr=subprocess.PIPE, text=True) as launcher:
        while not [*(cut / "checkpoints").glob("*.safetensors")]:
            time.sleep(0.05)
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        os.kill(int(children[killed]), signal.SIGKILL)
        _, told = launcher.communicate(timeout=20)
    assert launcher.returncode == 2
    assert told.splitlines()[-1].startswith(f"posenas: process {killed} of 2 was killed by SIGKILL")
    finished("resume", str(cut), "--devices", "2")
    weights = Path("best") / "weights.safetensors"
    assert (cut / weights).read_bytes() == (whole / weights).read_bytes()
