"""What can be pruned of a fabric, and what does it cost? With penalties on undecided choices.

    python benchmarks/sparsity.py --runs FOLDER [--seeds 3] [--epochs 10] [--images 1000] [--json FILE]

On drawn people strategy `synchronous` learns weights and architecture with each penalty; what has a smaller
share of its choice than a threshold is then left out, without further training. The operations counted are
those that are built, in all cells; cells that nothing depends on any more go with theirs. Every training is a
run of its own in the folder, so the script can be stopped and started again.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import finish, opened, options, seeds_of
from nas_cnf.cell import Cell
from nas_cnf.space import CnfSpace
from posenas.composing.compose import compose
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Problem, Weights
from posenas.contract.trial import Trial
from posenas.runs.journal import read_records
from posenas.runs.recipe import ComponentChoice, Recipe
from torch import nn

METRIC = "oks.AP"
VAL_IMAGES = 300
SPACE: Mapping[str, Any] = {"parts": 3, "channels": 5}
ARCHITECTURE_RATE = 0.03  # so that so few steps can decide something
PENALTIES = (0.1, 0.3)
THRESHOLDS = (0.0, 0.001, 0.005, 0.02, 0.05, 0.1)


def recipe(penalty: float, seed: int, *, epochs: int, images: int) -> Recipe:
    strategy = {"epochs": epochs, "architecture_rate": ARCHITECTURE_RATE, "sparsity": penalty}
    return Recipe(
        space=ComponentChoice("cnf", SPACE),
        strategy=ComponentChoice("synchronous", strategy),
        head=ComponentChoice("vector"),
        dataset=ComponentChoice("synthetic", {"train_images": images, "val_images": VAL_IMAGES}),
        seed=seed,
    )


def one_run(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """The learnt network, and by each threshold the pruned one."""
    composition = compose(recipe)
    with opened(composition, folder) as problem:
        *_, whole = composition.strategy.search(problem)
        pruned = {
            str(threshold): left(problem, whole, threshold, journal=folder / "journal.jsonl")
            for threshold in THRESHOLDS
        }
    return {"genotype": dict(whole.genotype), **figures(whole), "pruned": pruned}


def left(problem: Problem, whole: Trial, threshold: float, *, journal: Path) -> dict[str, Any]:
    assert whole.weights is not None
    weights = Weights(whole.weights, shared=False)
    genotype = CnfSpace(**SPACE).prune(whole.genotype, threshold)
    weights = problem.leave_out(genotype, weights, whole=whole.genotype)
    change = next(
        record["result"]["change"]
        for record in read_records(journal)
        if record["effect"] == "leave out" and record["result"]["weights"] == weights.file
    )
    trial = problem.evaluate(genotype, weights, stage="pruned")
    return {**figures(trial), "change_of_output": change["relative"]}


def figures(trial: Trial) -> dict[str, float]:
    return {
        METRIC: trial.metrics[METRIC],
        "parameters": trial.costs["parameters"],
        "gmacs": trial.costs["gmacs"],
        "operations": operations(trial.genotype),
        "cells": len(cells(trial.genotype)),
    }


def operations(genotype: Genotype) -> int:
    """On all edges of all cells, but for `zero`, which is not built."""
    return sum(
        len(edge) for cell in cells(genotype) for edge in cell.edges if isinstance(edge, nn.ModuleDict)
    )


def cells(genotype: Genotype) -> list[Cell]:
    network = CnfSpace(**SPACE).build(genotype)
    return [module for module in network.modules() if isinstance(module, Cell)]


def summary(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """By penalty and threshold; the scores are of each seed."""
    return {
        penalty: {
            "learnt": [run[METRIC] for run in runs],
            "pruned": {threshold: cut_by(str(threshold), runs) for threshold in THRESHOLDS},
        }
        for penalty, runs in found.items()
    }


def cut_by(threshold: str, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over the runs; of the shares of operations and score that were lost, of all that were there."""
    pruned = [run["pruned"][threshold] for run in runs]
    total = operations(CnfSpace(**SPACE).ancestor())
    lost = [
        1 - after[METRIC] / before[METRIC]
        for before, after in zip(runs, pruned, strict=True)
        if before[METRIC]
    ]
    return {
        "lost_operations": statistics.fmean(1 - after["operations"] / total for after in pruned),
        "lost_score": statistics.fmean(lost) if lost else None,
        **{
            name: statistics.fmean(after[name] for after in pruned)
            for name in ("change_of_output", "gmacs", "parameters")
        },
        METRIC: [after[METRIC] for after in pruned],
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--penalties", type=float, nargs="+", default=PENALTIES)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=1000, help="to train on")
    arguments = parser.parse_args()
    scale = {"epochs": arguments.epochs, "images": arguments.images}
    found: dict[str, list[dict[str, Any]]] = {str(penalty): [] for penalty in arguments.penalties}
    for seed in seeds_of(arguments):
        for penalty, runs in found.items():
            folder = arguments.runs / f"sparsity-{penalty}-seed-{seed}"
            runs.append(one_run(folder, recipe(float(penalty), seed, **scale)))
    settings = {
        "space": SPACE,
        "strategy": "synchronous",
        "head": "vector",
        "architecture_rate": ARCHITECTURE_RATE,
        "val_images": VAL_IMAGES,
        **scale,
        "seeds": list(seeds_of(arguments)),
    }
    finish(arguments.json, settings, summary(found), found=found)


if __name__ == "__main__":
    main()
