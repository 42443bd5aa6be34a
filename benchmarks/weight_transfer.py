"""Does weight transfer pay? Mutated children of a trained ancestor, with its weights and from scratch.

    python benchmarks/weight_transfer.py --runs FOLDER [--seeds 3] [--json FILE]

Ten mutations of the ancestor each train for a few passes over drawn people from inherited weights; and from
fresh ones for as many passes, and for four times as many, each with a learning-rate schedule of its own
length. A child from scratch that still has the larger validation loss after four times the passes needs more
than that. Every seed is a run of its own in the folder, so the script can be stopped and started again.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from experiments import finish, opened, options, seeds_of
from nas_evo.space import EvoSpace
from posenas.composing.compose import compose
from posenas.contract.genotype import Genotype, genotype_id
from posenas.contract.problem import Candidate, Problem, Weights
from posenas.contract.trial import Trial
from posenas.runs.recipe import ComponentChoice, Recipe

ANCESTOR_EPOCHS = 12
CHILD_EPOCHS = 2
MULTIPLES = (1, 4)
CHILDREN = 10
# Narrower, and most mutations of channels would round to the ancestor itself. Keras's momentum of 0.01 would
# hardly have left the start after two passes.
SPACE = {"width": 0.5, "momentum": 0.1}
DATA = {"train_images": 400, "val_images": 100}


def recipe(seed: int) -> Recipe:
    return Recipe(
        space=ComponentChoice("evo", SPACE),
        strategy=ComponentChoice("neuroevolution"),
        dataset=ComponentChoice("synthetic", DATA),
        evaluation={"held_out": 0.2, "ranking_people": 400},
        training={"parallel": 1},
        seed=seed,
    )


def mutations(problem: Problem, ancestor: Genotype) -> list[Genotype]:
    space, rng = EvoSpace(**SPACE), problem.rng("mutations")
    children: dict[str, Genotype] = {}
    while len(children) < CHILDREN:
        child = space.mutate(ancestor, rng)
        children[genotype_id(child)] = child
    return list(children.values())


def trained(problem: Problem, candidates: list[Candidate], epochs: int) -> list[Trial]:
    return list(problem.train_and_evaluate_many(candidates, epochs=epochs, stage="candidate"))


def losses(trials: list[Trial]) -> list[float]:
    found = [trial.loss for trial in trials]
    assert None not in found
    return [loss for loss in found if loss is not None]


def one_seed(seed: int, folder: Path) -> dict[str, Any]:
    composition = compose(recipe(seed))
    with opened(composition, folder / f"seed-{seed}") as problem:
        (ancestor,) = trained(problem, [Candidate(EvoSpace(**SPACE).ancestor())], ANCESTOR_EPOCHS)
        assert ancestor.weights is not None
        init = Weights(ancestor.weights, shared=False)
        children = mutations(problem, ancestor.genotype)
        heirs = trained(problem, [Candidate(child, init) for child in children], CHILD_EPOCHS)
        scratch = {
            multiple: trained(problem, [Candidate(child) for child in children], multiple * CHILD_EPOCHS)
            for multiple in MULTIPLES
        }
    return {
        "ancestor": losses([ancestor])[0],
        "mutations": [changed(ancestor.genotype, child) for child in children],
        "inherited_share": [heir.inherited for heir in heirs],
        "inherited": losses(heirs),
        "scratch": {str(multiple): losses(trials) for multiple, trials in scratch.items()},
    }


def changed(parent: Genotype, child: Genotype) -> str:
    return ", ".join(
        f"{name} {parent[name]} to {child[name]}" for name in parent if parent[name] != child[name]
    )


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "mean_loss_inherited": [statistics.fmean(seed["inherited"]) for seed in seeds],
        "mean_loss_scratch": {
            str(multiple): [statistics.fmean(seed["scratch"][str(multiple)]) for seed in seeds]
            for multiple in MULTIPLES
        },
        "children_still_worse_from_scratch": {
            str(multiple): [
                sum(
                    fresh > heir
                    for fresh, heir in zip(seed["scratch"][str(multiple)], seed["inherited"], strict=True)
                )
                for seed in seeds
            ]
            for multiple in MULTIPLES
        },
    }


def main() -> None:
    arguments = options(__doc__).parse_args()
    seeds = [one_seed(seed, arguments.runs) for seed in seeds_of(arguments)]
    settings = {
        "space": SPACE,
        "data": DATA,
        "ancestor_epochs": ANCESTOR_EPOCHS,
        "child_epochs": CHILD_EPOCHS,
        "multiples": MULTIPLES,
        "children": CHILDREN,
        "seeds": list(seeds_of(arguments)),
    }
    finish(arguments.json, settings, summary(seeds), seeds=seeds)


if __name__ == "__main__":
    main()
