"""What drawing near the budget is worth: on the same super-network and drawn people, the best of equally many
candidates drawn as the space samples, within a limit, and drawn near it.

Seeds are paired. With three, the mean difference has to exceed about 2.5 times the standard deviation of the
three differences to be told from chance (Student's t, two-sided, 5 %).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, cast

from experiments import finish, opened, options, seeds_of, spread
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.goals.budget import Guide
from posenas.composing.goals.limits import draw_genotypes, guide_to_budget
from posenas.contract.components import WeightSharing
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Weights
from posenas.learning.sandwich_step import SandwichStep
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.searching.problem import JournaledProblem

LIMIT = "gmacs<=0.025"
EPOCHS = 2
CANDIDATES = 15


def composed(seed: int) -> Composition:
    return compose(
        Recipe(
            space=ComponentChoice("ofa"),
            strategy=ComponentChoice("sandwich", {"epochs": EPOCHS}),
            limits=(LIMIT,),
            seed=seed,
        )
    )


def drawn(
    composition: Composition, problem: JournaledProblem, guide: Guide | None, *, seed: int
) -> list[Genotype]:
    return draw_genotypes(
        problem.space,
        CANDIDATES,
        limits=composition.limits,
        cost=problem.cost_by_name,
        rng=Random(seed),
        guide=guide,
    )


def scores(problem: JournaledProblem, genotypes: Sequence[Genotype], shared: Weights) -> dict[str, Any]:
    trials = list(problem.evaluate_many(genotypes, shared, stage="candidate", calibration_people=128))
    return {
        "best": max(trial.metrics["oks.AP"] for trial in trials),
        "median": statistics.median(trial.metrics["oks.AP"] for trial in trials),
        "median_gmacs": statistics.median(trial.costs["gmacs"] for trial in trials),
    }


def both(composition: Composition, folder: Path, *, seed: int) -> dict[str, Any]:
    """The two ways to draw, scored on one super-network."""
    with opened(composition, folder) as problem:
        step = SandwichStep(cast(WeightSharing, problem.space), 2, "truth+teacher")
        shared = problem.train_shared(step, epochs=EPOCHS)
        rng = Random(seed)
        guide = guide_to_budget(problem.space, composition.limits, problem.cost_by_name, rng=rng)
        ways = {"as_sampled": None, "near_budget": guide}
        return {
            name: scores(problem, drawn(composition, problem, way, seed=seed), shared)
            for name, way in ways.items()
        }


def main() -> None:
    arguments = options(__doc__).parse_args()
    seeds = [both(composed(seed), arguments.runs / f"seed-{seed}", seed=seed) for seed in seeds_of(arguments)]
    gains = [seed["near_budget"]["best"] - seed["as_sampled"]["best"] for seed in seeds]
    settings = {"limit": LIMIT, "epochs": EPOCHS, "candidates": CANDIDATES}
    finish(arguments.json, settings, {"near_budget_minus_as_sampled": spread(gains)}, seeds=seeds)


if __name__ == "__main__":
    main()
