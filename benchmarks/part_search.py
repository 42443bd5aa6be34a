"""Do parts of the body want architectures of their own? Five arms on Leeds Sports Pose Extended.

    python benchmarks/part_search.py --root FOLDER --runs FOLDER [--seeds 3] [--first-seed 0] [--json FILE]

PoseNFS's question, asked so that the answer can be seen: the architecture learns at a rate at which it moves,
and arms differ by one thing each.

- one part: one fabric for all keypoints, of as many parameters as the others have
- random groups: three fabrics for random groups of keypoints, other groups for each seed
- frozen: three fabrics for body parts, whose architecture stays uniform
- tied: as frozen, but one architecture is learnt for all three
- separate: as tied, but each part learns its own

Separate less tied is the worth of searching by part; tied less frozen that of searching; separate less random
groups that of knowing the body; random groups less one part that of several fabrics. Each training is a run
of its own in the folder, so the script can be stopped and started again. Seeds are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from experiments import finish, options, prepared, seeds_of, shown, spread
from nas_cnf.entropy import mean_entropy
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.contract.components import Evolvable
from posenas.contract.problem import Weights
from posenas.contract.trial import Trial
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import Run
from posenas.searching.loading import load_network
from posenas.searching.resources import make_resources
from posenas.searching.scoring import validation_loss
from posenas.searching.search import search

METRIC = "pck.PCK@0.2"
VIEW = (96, 96)
ARCHITECTURE_RATE = 0.05
SPACES: Mapping[str, Mapping[str, Any]] = {
    "one part": {"parts": 1, "channels": 9},
    "random groups": {"parts": 3, "channels": 5},
    "frozen": {"parts": 3, "channels": 5, "tied": True},
    "tied": {"parts": 3, "channels": 5, "tied": True},
    "separate": {"parts": 3, "channels": 5},
}
COMPARED = (
    ("separate", "tied"),
    ("tied", "frozen"),
    ("separate", "random groups"),
    ("random groups", "one part"),
    ("separate", "one part"),
)


def recipe(root: Path, arm: str, seed: int, *, epochs: int) -> Recipe:
    space = ComponentChoice("cnf", SPACES[arm])
    learnt = ComponentChoice("synchronous", {"epochs": epochs, "architecture_rate": ARCHITECTURE_RATE})
    return Recipe(
        space=space,
        strategy=_uniform(space, epochs) if arm == "frozen" else learnt,
        head=ComponentChoice(
            "vector",
            {
                "input_size": list(VIEW),
                **({"groups": "random", "groups_seed": seed} if arm == "random groups" else {}),
            },
        ),
        dataset=ComponentChoice("coco", {"root": str(root)}),
        evaluator=ComponentChoice("pck"),
        augmentation={"rotation": 40.0, "scale": 0.3, "half_body": 0.2},
        seed=seed,
    )


def _uniform(space: ComponentChoice, epochs: int) -> ComponentChoice:
    """The strategy that trains the network whose choices all weigh the same."""
    learnt = compose(
        Recipe(space=space, strategy=ComponentChoice("synchronous"), head=ComponentChoice("vector"))
    )
    genotype = cast(Evolvable, learnt.space).ancestor()
    return ComponentChoice("single", {"genotype": dict(genotype), "epochs": epochs})


def trained(folder: Path, recipe: Recipe) -> dict[str, Any]:
    composition = compose(recipe)
    run = prepared(composition, folder)
    trial = search(composition, run, events=shown()).best
    return {
        METRIC: trial.metrics[METRIC],
        "validation_loss": loss_of(composition, run, trial),
        "entropy": {name: entropy([rows]) for name, rows in trial.genotype.items()},
        "parameters": trial.costs["parameters"],
        "gmacs": trial.costs["gmacs"],
        "genotype": dict(trial.genotype),
    }


def entropy(values: Sequence[Any]) -> float:
    return float(mean_entropy([torch.tensor(rows) for rows in values]))


def loss_of(composition: Composition, run: Run, trial: Trial) -> float:
    """The head's loss for the validation people; 1 is that of empty maps."""
    resources = make_resources(composition, run, warn=print, advance=lambda *_: None)
    assert trial.weights is not None
    network = load_network(resources, trial.genotype, Weights(trial.weights, shared=False))
    _, views = resources.splits.evaluated(trial.split)
    return validation_loss(composition, network.eval(), views)


def difference(first: Sequence[float], second: Sequence[float]) -> dict[str, Any]:
    values = [one - other for one, other in zip(first, second, strict=True)]
    return {**spread(values), "seeds_above_0": sum(value > 0 for value in values)}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in SPACES}
    for seed in seeds_of(arguments):
        for arm, trials in found.items():
            folder = arguments.runs / f"{arm.replace(' ', '-')}-seed-{seed}"
            trials.append(trained(folder, recipe(arguments.root, arm, seed, epochs=arguments.epochs)))
            print(f"seed {seed}, {arm}: {METRIC} {trials[-1][METRIC]:.3f}", flush=True)
    settings = {
        "space": SPACES,
        "architecture_rate": ARCHITECTURE_RATE,
        "view": VIEW,
        "epochs": arguments.epochs,
        "seeds": list(seeds_of(arguments)),
    }
    summary = {
        name: {
            "arms": {arm: spread([one[name] for one in trials]) for arm, trials in found.items()},
            "differences": {
                f"{first} minus {second}": difference(
                    [one[name] for one in found[first]], [one[name] for one in found[second]]
                )
                for first, second in COMPARED
            },
        }
        for name in (METRIC, "validation_loss")
    }
    summary["entropy"] = {
        arm: spread([one["entropy"][name] for one in trials for name in one["entropy"]])
        for arm, trials in found.items()
    }
    finish(arguments.json, settings, summary, found=found)


if __name__ == "__main__":
    main()
