"""A head that zooms into face and hands against one head of 133 heat maps, at equal GMACs and training, on
drawn people, for several seeds.

    python benchmarks/zooming.py --runs FOLDER [--seeds 3] [--first-seed 0] [--json FILE]

Both networks have a backbone of `ofa`'s small family. The rival is, of 400 drawn ones, the one that costs
least and at least as much as the zooming one. Each training is a run of its own in the folder, so the script
can be stopped and started again. Seeds are paired: people, order and changes are the same for both. With
three, a mean difference of 2.5 times the standard deviation of the three differences can be told from chance
(Student's t, two-sided, 5 %); a true difference of 3.3 times it is found with a power of 0.8.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from experiments import finish, options, searched, seeds_of, spread
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.contract.genotype import Genotype
from posenas.contract.trial import Trial
from posenas.runs.recipe import ComponentChoice, Recipe

VIEW = (256, 192)
EPOCHS = 12
PARTS = ("face", "hand", "body", "foot")
HEADS = {
    "zoom": ComponentChoice("zoom", {"input_size": list(VIEW)}),
    "heatmap": ComponentChoice("heatmap", {"input_size": list(VIEW)}),
}
BACKBONE = {
    "stem.width": 24,
    "stage1.depth": 2,
    "stage1.width": 32,
    "stage1.kernel": 3,
    "stage1.groups": 1,
    "stage1.attention": False,
    "stage2.depth": 3,
    "stage2.width": 64,
    "stage2.kernel": 3,
    "stage2.groups": 1,
    "stage2.attention": False,
}
ZOOM = {
    f"head.{part}.{name}": value
    for part in ("face", "hand")
    for name, value in {
        "stage": 0,
        "expansion": 1.5 if part == "face" else 2.0,
        "size": 24,
        "fine.depth": 1,
        "fine.width": 12,
        "fine.groups": 1,
        "coarse.depth": 2,
        "coarse.width": 24,
        "coarse.groups": 1,
    }.items()
}
"""The networks of face and hands, small ones."""


def composed(head: str, genotype: Genotype, *, seed: int) -> Composition:
    return compose(
        Recipe(
            space=ComponentChoice("ofa"),
            strategy=ComponentChoice("single", {"genotype": dict(genotype), "epochs": EPOCHS}),
            head=HEADS[head],
            dataset=ComponentChoice(
                "synthetic",
                {
                    "points": 133,
                    "height": 480,
                    "width": 640,
                    "max_people": 1,
                    "train_images": 2000,
                    "seed": seed,
                },
            ),
            evaluator=ComponentChoice("wholebody"),
            seed=seed,
        )
    )


def rival() -> Genotype:
    """The backbone under 133 heat maps that costs least of those that cost as much as the zooming network."""
    budget = composed("zoom", BACKBONE | ZOOM, seed=0).costs.counted(BACKBONE | ZOOM)["gmacs"]
    composition = composed("heatmap", BACKBONE, seed=0)
    rng = Random(0)
    drawn = [composition.space.sample(rng) for _ in range(400)]
    costs = [(composition.costs.counted(genotype)["gmacs"], genotype) for genotype in drawn]
    return min((pair for pair in costs if pair[0] >= budget), key=lambda pair: pair[0])[1]


def one_seed(folder: Path, seed: int, genotypes: dict[str, Genotype]) -> dict[str, Any]:
    found = {}
    for head, genotype in genotypes.items():
        trial: Trial = searched(composed(head, genotype, seed=seed), folder / f"{head}-{seed}")
        found[head] = {"gmacs": trial.costs["gmacs"], "metrics": dict(trial.metrics)}
    return found


def main() -> None:
    arguments = options(__doc__).parse_args()
    genotypes = {"zoom": {**BACKBONE, **ZOOM}, "heatmap": rival()}
    seeds = {str(seed): one_seed(arguments.runs, seed, genotypes) for seed in seeds_of(arguments)}
    names = ["wholebody.AP", *(f"wholebody.{part}.AP" for part in PARTS)]
    summary = {
        name: {head: spread([seed[head]["metrics"][name] for seed in seeds.values()]) for head in HEADS}
        | {
            "difference": spread(
                [seed["zoom"]["metrics"][name] - seed["heatmap"]["metrics"][name] for seed in seeds.values()]
            )
        }
        for name in names
    }
    settings = {"view": VIEW, "epochs": EPOCHS, "genotypes": genotypes}
    finish(arguments.json, settings, summary, seeds=seeds)


if __name__ == "__main__":
    main()
