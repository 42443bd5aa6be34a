"""Do two processes that train together find as good a network as one? Final AP of searches on drawn people.

    OMP_NUM_THREADS=1 python benchmarks/two_processes.py --runs FOLDER [--seeds 3] [--json FILE]
        [--synchronised] [--default]

Batch norms of two processes see half of each batch (`training.batch_norm=process`). With `--synchronised`
two processes search once more, and batch norms see all of it. With `--default` each search is `posenas
compose` as it stands, four times as long.

What three seeds can tell: whole searches of this size differ by about 0.02 in AP from seed to seed
(`search_quality.json`), and a mean of three differences is told from chance where it exceeds 2.5 times their
standard deviation (a two-sided t test at 5 %). So a loss of 0.05 or more shows, and one of 0.01 does not.
What is called within the spread is a mean that is no further from that of one process than one standard
deviation of the scores of one process.

Each search is a run of its own in the folder, so the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import finish, options, seeds_of, spread

COMMAND = [sys.executable, "-c", "from posenas.cli import main; main()", "compose"]
METRIC = "oks.AP"
SETTINGS = {
    "dataset.train_images": 800,
    "dataset.val_images": 300,
    "strategy.epochs": 3,
    "strategy.candidates": 8,
    "strategy.final_epochs": 8,
}
ONE = "one process"
ARMS = {ONE: (1, "process"), "two processes": (2, "process"), "two, synchronised": (2, "synchronised")}
"""How many processes train together, and whose people their batch norms see."""


def score(run: Path, settings: Mapping[str, int], *, processes: int, batch_norm: str, seed: int) -> float:
    """The final score of a search, which is begun, continued or, where it is finished, told again."""
    words = ["--space", "ofa", "--strategy", "sandwich", "--dataset", "synthetic", "--seed", str(seed)]
    chosen = {**settings, "training.batch_norm": batch_norm}
    words += [word for name, value in chosen.items() for word in ("-o", f"{name}={value}")]
    words += ["--device", "cpu", "--devices", str(processes), "--run", str(run), "--json"]
    told = subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(json.loads(told.splitlines()[-1])["best"]["metrics"][METRIC])


def compared(scores: Sequence[float], of_one: Sequence[float]) -> dict[str, Any]:
    """The difference of an arm to one process, seed by seed."""
    difference = spread([mine - one for mine, one in zip(scores, of_one, strict=True)])
    return {
        "scores": spread(scores),
        "difference": difference,
        "told from chance": abs(difference["mean"]) > 2.5 * difference["standard_deviation"],
        "within the spread": abs(difference["mean"]) <= statistics.stdev(of_one),
    }


def measure(arguments: argparse.Namespace) -> None:
    """Search with each arm and seed, one after another."""
    settings = {} if arguments.default else SETTINGS
    scores: dict[str, list[float]] = {}
    for number, (arm, (processes, batch_norm)) in enumerate(ARMS.items()):
        if batch_norm == "synchronised" and not arguments.synchronised:
            continue
        scores[arm] = []
        for seed in seeds_of(arguments):
            run = arguments.runs / f"arm{number}-{seed}"
            found = score(run, settings, processes=processes, batch_norm=batch_norm, seed=seed)
            scores[arm].append(found)
            print(arm, scores[arm], flush=True)
    others = {arm: compared(found, scores[ONE]) for arm, found in scores.items() if arm != ONE}
    finish(arguments.json, {"options": settings}, {ONE: spread(scores[ONE]), **others})


if __name__ == "__main__":
    parser = options(__doc__ or "")
    parser.add_argument("--synchronised", action="store_true", help="a third arm")
    parser.add_argument("--default", action="store_true", help="the default search, not a small one")
    measure(parser.parse_args())
