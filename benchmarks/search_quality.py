"""Is the search worth its time? On the built-in data, for several seeds: evolution and the predictor against
random search at equal evaluations on the same shared weights, the winner against random networks of equal
GMACs, and the rank correlation of shared-weight and stand-alone scores.

    python benchmarks/search_quality.py --runs FOLDER [--seeds 3] [--first-seed 0] [--json FILE]

Each seed is a run of its own in the folder, so the script can be stopped and started again. The settings
are the smallest that show the effect; they are kept with the figures.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments import finish, opened, options, seeds_of
from posenas.composing.compose import compose
from posenas.composing.goals.installed_costs import installed_costs
from posenas.composing.goals.limit_texts import parse_limit
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Weights
from posenas.contract.trial import Trial
from posenas.reporting.comparison.equal_cost import draw_equal_cost
from posenas.reporting.comparison.rank_correlation import kendall_tau, tau_interval
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.searching.problem import JournaledProblem
from posenas.standard.strategies.evolution import Evolution
from posenas.standard.strategies.predictor import PredictorSearch
from posenas.standard.strategies.random_search import RandomSearch

METRIC = "oks.AP"
LIMIT = "gmacs<=0.02"
EVALUATIONS = 48
SUPER_NETWORK_EPOCHS = 12
SHARED_EPOCHS = (SUPER_NETWORK_EPOCHS, 36)  # the correlation is of both
FINAL_EPOCHS = 6
ALONE = 12
ALONE_EPOCHS = 10
ALONE_TRAININGS = 3
RANDOM_TRAINED = 3

COMMON: dict[str, Any] = {
    "candidates": EVALUATIONS,
    "epochs": SUPER_NETWORK_EPOCHS,
    "final_epochs": FINAL_EPOCHS,
}
STRATEGIES = {
    "random": RandomSearch(**COMMON),
    "evolution": Evolution(**COMMON),
    "predictor": PredictorSearch(**COMMON),
}


def recipe(seed: int) -> Recipe:
    return Recipe(
        strategy=ComponentChoice("random"),  # all three are tried, with the options above
        dataset=ComponentChoice("synthetic", {"train_images": 2000, "val_images": 500}),
        evaluation={"held_out": 0.2, "ranking_people": 400},
        seed=seed,
    )


def searched(problem: JournaledProblem) -> dict[str, Any]:
    """Each strategy's best candidate and winner, on one super-network."""
    found = {}
    for name, strategy in STRATEGIES.items():
        *candidates, final = strategy.search(problem)
        best = problem.best(candidates)
        found[name] = {
            "candidates": len(candidates),
            "best_candidate": best.metrics[METRIC],
            "best_after": best_so_far(candidates),
            "winner": final.metrics[METRIC],
            "gmacs": final.costs["gmacs"],
            "genotype": dict(final.genotype),
        }
    return found


def best_so_far(candidates: list[Trial]) -> list[float]:
    best: list[float] = []
    for trial in candidates:
        best.append(max(trial.metrics[METRIC], *best[-1:], 0.0))
    return best


def random_of_equal_cost(problem: JournaledProblem, genotype: Genotype) -> list[float]:
    """Final scores of random networks of the winner's GMACs, trained as it was."""
    step = next(STRATEGIES["random"].search(problem)).weights
    assert step is not None
    genotypes = draw_equal_cost(
        problem.space,
        genotype,
        RANDOM_TRAINED,
        name="gmacs",
        tolerance=0.05,
        cost=problem.cost_by_name,
        rng=problem.rng("genotypes of equal cost"),
    )
    return [score for one in genotypes for score in trained(problem, one, step)]


def trained(problem: JournaledProblem, genotype: Genotype, shared: str) -> Iterator[float]:
    weights = problem.train(genotype, epochs=FINAL_EPOCHS, init=Weights(shared, shared=True))
    yield problem.evaluate(genotype, weights, stage="random, trained").metrics[METRIC]


def shared_and_alone(problem: JournaledProblem) -> dict[str, Any]:
    """Scores of genotypes of the whole space with shared weights, and trained alone (the mean of several
    trainings), on the same people."""
    genotypes = problem.draw(ALONE, purpose="alone")
    shared = {epochs: shared_scores(problem, genotypes, epochs) for epochs in SHARED_EPOCHS}
    alone = [
        [alone_score(problem, genotype, repeat) for genotype in genotypes]
        for repeat in range(ALONE_TRAININGS)
    ]
    mean = [statistics.fmean(scores) for scores in zip(*alone, strict=True)]
    return {
        "gmacs": [problem.cost_by_name(genotype, "gmacs") for genotype in genotypes],
        "shared": shared,
        "alone": alone,
        "tau": {epochs: kendall_tau(scores, mean) for epochs, scores in shared.items()},
        "tau_interval": {epochs: tau_interval(scores, mean) for epochs, scores in shared.items()},
        "tau_of_single_trainings": {
            epochs: [kendall_tau(scores, one) for one in alone] for epochs, scores in shared.items()
        },
        "tau_between_trainings": [kendall_tau(one, other) for one, other in itertools.combinations(alone, 2)],
    }


def shared_scores(problem: JournaledProblem, genotypes: Sequence[Genotype], epochs: int) -> list[float]:
    """With a super-network that was trained so long."""
    first = next(replace(STRATEGIES["random"], epochs=epochs).search(problem))
    assert first.weights is not None
    trials = problem.evaluate_many(
        genotypes, Weights(first.weights, shared=True), stage="candidate", calibration_people=128
    )
    return [trial.metrics[METRIC] for trial in trials]


def alone_score(problem: JournaledProblem, genotype: Genotype, repeat: int) -> float:
    weights = problem.train(genotype, epochs=ALONE_EPOCHS, on="fit", repeat=repeat)
    (trial,) = problem.evaluate_many([genotype], weights, stage="alone", calibration_people=0)
    return trial.metrics[METRIC]


def one_seed(seed: int, folder: Path) -> dict[str, Any]:
    whole = compose(recipe(seed))
    limited = replace(whole, limits=(parse_limit(LIMIT, installed_costs()),))
    with opened(limited, folder / f"seed-{seed}") as problem:
        found = searched(problem)
        equal = random_of_equal_cost(problem, found["evolution"]["genotype"])
    with opened(whole, folder / f"seed-{seed}") as problem:
        correlation = shared_and_alone(problem)
    return {"searches": found, "random_of_equal_gmacs": equal, "correlation": correlation}


def summary(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    taus = {epochs: [seed["correlation"]["tau"][epochs] for seed in seeds] for epochs in SHARED_EPOCHS}
    return {
        "winner_minus_median_random_of_equal_gmacs": [
            seed["searches"]["evolution"]["winner"] - statistics.median(seed["random_of_equal_gmacs"])
            for seed in seeds
        ],
        "best_candidate_minus_random_search": {
            name: [
                seed["searches"][name]["best_candidate"] - seed["searches"]["random"]["best_candidate"]
                for seed in seeds
            ]
            for name in ("evolution", "predictor")
        },
        "kendall_tau": taus,
    }


def main() -> None:
    arguments = options(__doc__).parse_args()
    seeds = [one_seed(seed, arguments.runs) for seed in seeds_of(arguments)]
    settings = {
        "limit": LIMIT,
        "evaluations": EVALUATIONS,
        "super_network_epochs": SUPER_NETWORK_EPOCHS,
        "correlated_super_network_epochs": SHARED_EPOCHS,
        "final_epochs": FINAL_EPOCHS,
        "alone": ALONE,
        "alone_epochs": ALONE_EPOCHS,
        "alone_trainings": ALONE_TRAININGS,
        "random_trained": RANDOM_TRAINED,
        "dataset": "synthetic, 2000 images to train on, 500 to validate on",
        "ranking_people": 400,
        "seeds": list(seeds_of(arguments)),
    }
    by_seed = dict(zip(map(str, seeds_of(arguments)), seeds, strict=True))
    finish(arguments.json, settings, summary(seeds), seeds=by_seed)


if __name__ == "__main__":
    main()
