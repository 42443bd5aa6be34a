"""What a small KAPAO network learns in minutes, and what fusion adds to it.

    python benchmarks/fusion.py --runs FOLDER [--seeds 3] [--epochs 18] [--images 3000]
        [--input-size 320 320] [--json FILE]

The published network at a quarter of its width is trained alone on drawn pictures of one to six people, and
its outputs for the validation pictures are decoded with and without fusion. Without mosaics, which make the
task harder than it is here, for so short a training. Each seed is a run of its own in
the folder, so the script can be stopped and started again; minutes are of trainings that were not.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from experiments import finish, options, searched, seeds_of, spread
from head_kapao.space import YoloSpace
from posenas.composing.compose import compose
from posenas.runs.recipe import ComponentChoice, Recipe

METRIC = "oks.AP"
MAX_PEOPLE = 6
VAL_IMAGES = 300
AUGMENTATION = {"mosaic": 0.0, "scale": 0.25}


def recipe(seed: int, *, epochs: int, images: int, input_size: list[int]) -> Recipe:
    genotype = dict(YoloSpace().ancestor())
    data = {"train_images": images, "val_images": VAL_IMAGES, "max_people": MAX_PEOPLE}
    return Recipe(
        space=ComponentChoice("yolo"),
        strategy=ComponentChoice("single", {"genotype": genotype, "epochs": epochs}),
        head=ComponentChoice("kapao", {"input_size": input_size}),
        dataset=ComponentChoice("synthetic", data),
        augmentation=AUGMENTATION,
        seed=seed,
    )


def one_seed(folder: Path, recipe: Recipe) -> dict[str, Any]:
    started = time.monotonic()
    trial = searched(compose(recipe), folder)
    fusion = trial.notes["ablations"]["fusion"]
    return {
        "minutes": (time.monotonic() - started) / 60,
        "parameters": trial.costs["parameters"],
        "gmacs": trial.costs["gmacs"],
        "fusion on": dict(trial.metrics),
        "fusion off": dict(fusion["metrics"]),
        "fusion rates": dict(fusion["rates"]),
    }


def summary(seeds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    on, off = ([seed[side][METRIC] for seed in seeds.values()] for side in ("fusion on", "fusion off"))
    return {
        "fusion on": spread(on),
        "fusion off": spread(off),
        "difference": spread([with_ - without for with_, without in zip(on, off, strict=True)]),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--images", type=int, default=3000, help="to train on")
    parser.add_argument("--input-size", type=int, nargs=2, default=[320, 320], metavar=("HEIGHT", "WIDTH"))
    arguments = parser.parse_args()
    scale = {
        "epochs": arguments.epochs,
        "images": arguments.images,
        "input_size": arguments.input_size,
    }
    seeds = {
        str(seed): one_seed(arguments.runs / f"seed-{seed}", recipe(seed, **scale))
        for seed in seeds_of(arguments)
    }
    settings = {
        "network": "tiny, as published but for the width",
        "max_people": MAX_PEOPLE,
        "val_images": VAL_IMAGES,
        "augmentation": AUGMENTATION,
        **scale,
        "seeds": list(seeds_of(arguments)),
    }
    finish(arguments.json, settings, summary(seeds), seeds=seeds)


if __name__ == "__main__":
    main()
