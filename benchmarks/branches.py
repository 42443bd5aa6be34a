"""AutoPose's ablation in small (its Table 4): searched branches against one branch a stage, no aggregation
cells, and all branches on, at equal training, on drawn people, for several seeds.

    python benchmarks/branches.py --runs FOLDER [--seeds 3] [--first-seed 0] [--json FILE]

Every arm searches its cells by gradient for as long, and its answer is trained anew for as long. The
controller decides branches except where all are on. Arms differ in GMACs, as in the paper. Each training is a
run of its own in the folder, so the script can be stopped and started again. Seeds are paired. With three, a
mean difference of 2.5 times the standard deviation of the three differences can be told from chance
(Student's t, two-sided, 5 %); a true difference of 3.3 times it is found with a power of 0.8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import finish, options, searched, seeds_of, spread
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.runs.recipe import ComponentChoice, Recipe

METRIC = "oks.AP"
NETWORK = {"stages": 2, "scales": 3}
ARMS: Mapping[str, Mapping[str, Any]] = {
    "searched": {},
    "one branch": {"branches": "one"},
    "no aggregation": {"aggregation": False},
    "all on": {"branches": "all"},
}
PAPER = {"searched": 73.6, "one branch": 63.9, "no aggregation": 70.8, "all on": 71.8}
"""AP on COCO's validation people."""
CELLS = {"epochs": 6, "final_epochs": 8}
CONTROLLER = {"controller_from": 2, "updates": 5, "controller_rate": 3.5e-3}


def composed(arm: str, seed: int) -> Composition:
    strategy = (
        ComponentChoice("gumbel", CELLS)
        if arm == "all on"
        else ComponentChoice("bilevel", {**CELLS, **CONTROLLER})
    )
    return compose(
        Recipe(
            space=ComponentChoice("autopose", {**NETWORK, **ARMS[arm]}),
            strategy=strategy,
            head=ComponentChoice("heatmap"),
            dataset=ComponentChoice("synthetic", {"train_images": 1000, "seed": seed}),
            evaluator=ComponentChoice("oks"),
            training={"batch_size": 8, "learning_rate": 0.01, "parallel": 1},
            seed=seed,
        )
    )


def one(folder: Path, arm: str, seed: int) -> dict[str, Any]:
    trial = searched(composed(arm, seed), folder)
    notes = [
        {"epoch": line["inputs"]["epoch"], **line["result"]["values"]}
        for line in map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
        if line["effect"] == "note"
    ]
    return {
        METRIC: trial.metrics[METRIC],
        "gmacs": trial.costs["gmacs"],
        "parameters": trial.costs["parameters"],
        "genotype": dict(trial.genotype),
        "notes": notes,
    }


def main() -> None:
    arguments = options(__doc__).parse_args()
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for seed in seeds_of(arguments):
        for arm, trials in found.items():
            folder = arguments.runs / f"{arm.replace(' ', '-')}-seed-{seed}"
            trials.append(one(folder, arm, seed))
            print(f"seed {seed}, {arm}: {METRIC} {trials[-1][METRIC]:.3f}", flush=True)
    figures = {arm: [trial[METRIC] for trial in trials] for arm, trials in found.items()}
    summary = {
        "arms": {
            arm: {
                METRIC: spread(figures[arm]),
                "gmacs": spread([trial["gmacs"] for trial in found[arm]]),
                "paper": PAPER[arm],
            }
            for arm in ARMS
        },
        "searched_minus": {
            arm: spread([one - other for one, other in zip(figures["searched"], figures[arm], strict=True)])
            for arm in ARMS
            if arm != "searched"
        },
    }
    settings = {"network": NETWORK, "cells": CELLS, "controller": CONTROLLER, "arms": ARMS}
    finish(arguments.json, settings, summary, found=found)


if __name__ == "__main__":
    main()
