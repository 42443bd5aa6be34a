"""Does knowledge of the body help? One fabric for each of three body parts, against one fabric of as many
parameters for all keypoints, and against three random groups of keypoints.

    python benchmarks/body_parts.py --runs FOLDER [--seeds 3] [--epochs 10] [--images 1000] [--json FILE]

PoseNFS's tables III and VI in small, on drawn people: strategy `synchronous` and head `vector`, with the same
people, passes and seed on all sides; each seed draws other random groups, of the same sizes as the body's.
Every training is a run of its own in the folder, so the script can be stopped and started again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import finish, options, prepared, seeds_of, shown, spread
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.contract.problem import Weights
from posenas.contract.trial import Trial
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import Run
from posenas.searching.loading import load_network
from posenas.searching.resources import make_resources
from posenas.searching.scoring import validation_loss
from posenas.searching.search import search

METRIC = "oks.AP"
VAL_IMAGES = 300
SPACES: Mapping[str, Mapping[str, Any]] = {
    "body parts": {"parts": 3, "channels": 5},
    "one part": {"parts": 1, "channels": 9},
    "random groups": {"parts": 3, "channels": 5},
}
COMPARED = (("body parts", "one part"), ("body parts", "random groups"), ("one part", "random groups"))


def recipe(side: str, seed: int, *, epochs: int, images: int) -> Recipe:
    head = {"groups": "random", "groups_seed": seed} if side == "random groups" else {}
    return Recipe(
        space=ComponentChoice("cnf", SPACES[side]),
        strategy=ComponentChoice("synchronous", {"epochs": epochs}),
        head=ComponentChoice("vector", head),
        dataset=ComponentChoice("synthetic", {"train_images": images, "val_images": VAL_IMAGES}),
        seed=seed,
    )


def trained(folder: Path, recipe: Recipe) -> dict[str, Any]:
    composition = compose(recipe)
    run = prepared(composition, folder)
    trial = search(composition, run, events=shown()).best
    return {
        METRIC: trial.metrics[METRIC],
        "validation_loss": loss_of(composition, run, trial),
        "parameters": trial.costs["parameters"],
        "gmacs": trial.costs["gmacs"],
        "by_keypoint": dict(trial.by_keypoint),
        "genotype": dict(trial.genotype),
    }


def loss_of(composition: Composition, run: Run, trial: Trial) -> float:
    """The head's loss for the validation people; 1 is that of empty maps."""
    resources = make_resources(composition, run, warn=print, advance=lambda *_: None)
    assert trial.weights is not None
    network = load_network(resources, trial.genotype, Weights(trial.weights, shared=False))
    _, views = resources.splits.evaluated(trial.split)
    return validation_loss(composition, network.eval(), views)


def summary(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Figures by side, and differences by pair of sides, seed by seed."""
    return {
        name: {
            "sides": {side: spread([one[name] for one in seeds]) for side, seeds in found.items()},
            "differences": {
                f"{first} minus {second}": difference(found[first], found[second], name)
                for first, second in COMPARED
            },
        }
        for name in (METRIC, "validation_loss")
    } | {name: {side: seeds[0][name] for side, seeds in found.items()} for name in ("parameters", "gmacs")}


def difference(
    first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]], name: str
) -> dict[str, Any]:
    values = [one[name] - other[name] for one, other in zip(first, second, strict=True)]
    return {**spread(values), "seeds_above_0": sum(value > 0 for value in values)}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, default=1000, help="to train on")
    arguments = parser.parse_args()
    scale = {"epochs": arguments.epochs, "images": arguments.images}
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SPACES}
    for seed in seeds_of(arguments):
        for side, trials in found.items():
            folder = arguments.runs / f"{side.replace(' ', '-')}-seed-{seed}"
            trials.append(trained(folder, recipe(side, seed, **scale)))
            print(f"seed {seed}, {side}: {METRIC} {trials[-1][METRIC]:.3f}", flush=True)
    settings = {
        "space": SPACES,
        "strategy": "synchronous",
        "head": "vector",
        "val_images": VAL_IMAGES,
        **scale,
        "seeds": list(seeds_of(arguments)),
    }
    finish(arguments.json, settings, summary(found), found=found)


if __name__ == "__main__":
    main()
