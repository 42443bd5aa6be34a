"""A searched network against MobileNetV2 scaled to equal GMACs and trained as long, on Leeds Sports Pose
Extended, for several seeds.

    python benchmarks/lspet_baseline.py --root FOLDER --runs FOLDER [--seeds 3] [--first-seed 0] [--json FILE]

Each training is a run of its own in the folder, so the script can be stopped and started again. Equal
training: the baseline and, beside the search's own answer, the found network trained from scratch both pass
over the people as often as the super-network and the winner together did.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments import finish, options, searched, seeds_of, spread
from posenas.composing.compose import compose
from posenas.contract.trial import Trial
from posenas.runs.recipe import ComponentChoice, Recipe

METRIC = "pck.PCK@0.2"
LIMIT = "gmacs<=0.03"
SUPER_NETWORK_EPOCHS = 12
FINAL_EPOCHS = 20
ALONE_EPOCHS = SUPER_NETWORK_EPOCHS + FINAL_EPOCHS


def recipe(root: Path, space: ComponentChoice, strategy: ComponentChoice, **more: Any) -> Recipe:
    return Recipe(
        space=space,
        strategy=strategy,
        head=ComponentChoice("heatmap", {"input_size": [128, 128]}),
        dataset=ComponentChoice("coco", {"root": str(root)}),
        evaluator=ComponentChoice("pck"),
        augmentation={"rotation": 40.0, "scale": 0.3, "half_body": 0.2},
        **more,
    )


def alone(root: Path, space: ComponentChoice, genotype: Any, *, seed: int, folder: Path) -> Trial:
    strategy = ComponentChoice("single", {"genotype": dict(genotype), "epochs": ALONE_EPOCHS})
    return searched(compose(recipe(root, space, strategy, seed=seed)), folder)


def equal_width(root: Path, gmacs: float) -> float:
    """The width of MobileNetV2 that costs most like it, in steps of 0.01."""
    single = ComponentChoice("single", {"genotype": {"name": "mobilenetv2"}})

    def cost(width: float) -> float:
        space = ComponentChoice("fixed", {"width": width})
        return compose(recipe(root, space, single)).costs.counted({"name": "mobilenetv2"})["gmacs"]

    low, high = 5, 100
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle / 100) <= gmacs else (low, middle)
    return min(low / 100, high / 100, key=lambda width: abs(cost(width) - gmacs))


def one_seed(root: Path, folder: Path, seed: int) -> dict[str, Any]:
    space = ComponentChoice("ofa")
    strategy = ComponentChoice("sandwich", {"epochs": SUPER_NETWORK_EPOCHS, "final_epochs": FINAL_EPOCHS})
    searching = compose(recipe(root, space, strategy, seed=seed, limits=(LIMIT,)))
    found = searched(searching, folder / f"search-{seed}")
    width = equal_width(root, found.costs["gmacs"])
    scaled = ComponentChoice("fixed", {"width": width})
    trials = {
        "searched": found,
        "searched, from scratch": alone(
            root, space, found.genotype, seed=seed, folder=folder / f"scratch-{seed}"
        ),
        "mobilenetv2": alone(
            root, scaled, {"name": "mobilenetv2"}, seed=seed, folder=folder / f"mobilenetv2-{seed}"
        ),
    }
    figures = {
        name: {
            METRIC: trial.metrics[METRIC],
            "gmacs": trial.costs["gmacs"],
            "parameters": trial.costs["parameters"],
        }
        for name, trial in trials.items()
    }
    return {"width": width, "genotype": dict(found.genotype), **figures}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args()
    seeds = {str(seed): one_seed(arguments.root, arguments.runs, seed) for seed in seeds_of(arguments)}
    settings = {
        "limit": LIMIT,
        "super_network_epochs": SUPER_NETWORK_EPOCHS,
        "final_epochs": FINAL_EPOCHS,
        "alone_epochs": ALONE_EPOCHS,
    }
    summary = {
        name: spread([seed[name][METRIC] for seed in seeds.values()])
        for name in ("searched", "searched, from scratch", "mobilenetv2")
    }
    finish(arguments.json, settings, summary, seeds=seeds)


if __name__ == "__main__":
    main()
