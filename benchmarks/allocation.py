"""One budget that the search divides among body, face and hands, against a division in equal proportion, on
the same super-network and drawn people (ZoomNAS's Table 10 in small).

    python benchmarks/allocation.py --runs FOLDER [--seeds 3] [--first-seed 0] [--json FILE]

Both ways rank equally many candidates of one total cost on one super-network, and train their best one on as
long. In equal proportion, body, face and hands each have the share of the budget that they have of the
largest network, give or take 15 %. Seeds are paired. With three, a mean difference of 2.5 times the standard
deviation of the three differences can be told from chance (Student's t, two-sided, 5 %); a true difference of
3.3 times it is found with a power of 0.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, cast

from experiments import finish, opened, options, seeds_of, spread
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.conditional import made_possible
from posenas.composing.goals.division import divided
from posenas.composing.goals.limits import CostOf, excess
from posenas.contract.components import WeightSharing
from posenas.contract.genotype import Genotype, genotype_id
from posenas.learning.sandwich_step import SandwichStep
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.searching.problem import JournaledProblem

BUDGET = 0.06
"""GMACs; the largest network has 0.187."""
LEAST = 0.9
"""The share of the budget that every candidate uses at least."""
SLACK = 0.15
"""How far a part may be from its proportion of the budget, as a share of it."""
PARTS = {"body": "gmacs.backbone", "face": "gmacs.head.face", "hand": "gmacs.head.hand"}
METRICS = ("wholebody.AP", *(f"wholebody.{part}.AP" for part in ("body", "foot", "face", "hand")))
STEPS = 200
"""The most steps of a walk towards the limits."""
EPOCHS, CANDIDATES, CALIBRATION_PEOPLE, FINAL_EPOCHS = 8, 40, 128, 12
TOTAL = (f"gmacs<={BUDGET}", f"gmacs>={LEAST * BUDGET}")


def composed(seed: int, limits: Sequence[str] = TOTAL) -> Composition:
    return compose(
        Recipe(
            space=ComponentChoice("ofa", {"input_scales": [0.75, 1.0]}),
            strategy=ComponentChoice("sandwich", {"epochs": EPOCHS}),
            head=ComponentChoice("zoom", {"input_size": [192, 144], "sizes": [16, 24, 32]}),
            dataset=ComponentChoice(
                "synthetic",
                {
                    "points": 133,
                    "height": 480,
                    "width": 640,
                    "max_people": 1,
                    "train_images": 1000,
                    "val_images": 300,
                    "seed": seed,
                },
            ),
            evaluator=ComponentChoice("wholebody"),
            limits=tuple(limits),
            seed=seed,
        )
    )


def costs_of(composition: Composition, genotype: Genotype) -> dict[str, float]:
    return composition.costs.of_trial(genotype, lambda cost, each: cost.measure(each))


def proportional() -> tuple[str, ...]:
    """Limits by which every part has its share of the largest network, within the budget."""
    composition = composed(0)
    costs = costs_of(composition, cast(WeightSharing, composition.space).largest())
    shares = {cost: costs[cost] / costs["gmacs"] for cost in PARTS.values()}
    bounds = [
        (f"{cost}<={(1 + SLACK) * share * BUDGET}", f"{cost}>={(1 - SLACK) * share * BUDGET}")
        for cost, share in shares.items()
    ]
    return (*TOTAL, *(limit for pair in bounds for limit in pair))


def drawn(seed: int, limits: Sequence[str]) -> list[Genotype]:
    """Different genotypes within the limits, by walks from random ones."""
    composition = composed(0, limits)
    known: dict[str, Mapping[str, float]] = {}

    def cost(genotype: Genotype, name: str) -> float:
        key = genotype_id(genotype)
        if key not in known:
            known[key] = composition.costs.bound[0].measure(genotype)
        return known[key][name]

    rng = Random(seed)
    found: dict[str, Genotype] = {}
    while len(found) < CANDIDATES:
        genotype = walk(composition, cost, rng)
        if excess(genotype, composition.limits, cost) <= 1:
            found[genotype_id(genotype)] = genotype
    return list(found.values())


def walk(composition: Composition, cost: CostOf, rng: Random) -> Genotype:
    """Changes random dimensions, as long as the limits are not met and it is no step away from them."""
    space, limits = composition.space, composition.limits
    genotype = made_possible(space, space.sample(rng), rng)
    for _ in range(STEPS):
        if excess(genotype, limits, cost) <= 1:
            break
        name = rng.choice(list(genotype))
        changed = made_possible(space, {**genotype, name: space.sample(rng)[name]}, rng)
        if excess(changed, limits, cost) <= excess(genotype, limits, cost):
            genotype = changed
    return genotype


def winner(problem: JournaledProblem, genotypes: Sequence[Genotype], shared: Any) -> dict[str, Any]:
    """The best of the candidates on the super-network, trained on and scored on other people."""
    trials = list(
        problem.evaluate_many(genotypes, shared, stage="candidate", calibration_people=CALIBRATION_PEOPLE)
    )
    best = problem.best(trials)
    weights = problem.train(best.genotype, epochs=FINAL_EPOCHS, init=shared)
    trial = problem.evaluate(best.genotype, weights, stage="final")
    return {
        "candidates": len(trials),
        "candidate": best.metrics["wholebody.AP"],
        "metrics": {name: trial.metrics[name] for name in METRICS},
        "gmacs": trial.costs["gmacs"],
        "division": dict(divided(trial.costs)),
        "genotype": dict(trial.genotype),
    }


def one_seed(folder: Path, seed: int, ways: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    with opened(composed(seed), folder / f"allocation-{seed}") as problem:
        step = SandwichStep(cast(WeightSharing, problem.space), 2, "truth+teacher")
        shared = problem.train_shared(step, epochs=EPOCHS)
        return {way: winner(problem, drawn(seed, limits), shared) for way, limits in ways.items()}


def main() -> None:
    arguments = options(__doc__).parse_args()
    ways = {"automatic": TOTAL, "proportional": proportional()}
    seeds = {str(seed): one_seed(arguments.runs, seed, ways) for seed in seeds_of(arguments)}
    summary = {
        name: {way: spread([seed[way]["metrics"][name] for seed in seeds.values()]) for way in ways}
        | {
            "automatic_minus_proportional": spread(
                [
                    seed["automatic"]["metrics"][name] - seed["proportional"]["metrics"][name]
                    for seed in seeds.values()
                ]
            )
        }
        for name in METRICS
    }
    settings = {"limits": ways, "epochs": EPOCHS, "candidates": CANDIDATES, "final_epochs": FINAL_EPOCHS}
    finish(arguments.json, settings, summary, seeds=seeds)


if __name__ == "__main__":
    main()
