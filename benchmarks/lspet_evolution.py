"""An evolution's winner against its ancestor at equal training, on Leeds Sports Pose Extended.

    python benchmarks/lspet_evolution.py --root FOLDER --runs FOLDER [--seeds 3] [--json FILE]

`recipes/lspet-evo.toml` is searched with each seed. The ancestor is then trained as the winner's line was:
from its weights of the search as many times for a child's passes as there are generations between them, and
then for the final passes on all training people. Each seed is a run of its own in the folder, so the script
can be stopped and started again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from experiments import finish, opened, options, prepared, seeds_of, shown, spread
from nas_evo.descent import descent_of, fitness_of
from nas_evo.neuroevolution import Neuroevolution
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.contract.problem import Candidate, Problem, Weights
from posenas.contract.trial import Trial
from posenas.runs.recipe import read_recipe, recipe_from_tables
from posenas.searching.search import search

METRIC = "pck.PCK@0.2"
RECIPE = Path(__file__).parent.parent / "recipes" / "lspet-evo.toml"


def composition(root: Path, seed: int) -> Composition:
    tables = read_recipe(RECIPE)
    tables["dataset"]["root"] = str(root)
    return compose(replace(recipe_from_tables(tables), seed=seed))


def ancestors(trial: Trial, candidates: Sequence[Trial]) -> int:
    """How many times a child was trained on the way from the ancestor to this network."""
    by_id = {candidate.id: candidate for candidate in candidates}
    number = 0
    while (descent := descent_of(trial)) is not None and descent.parent is not None:
        trial = by_id[descent.parent]
        number += 1
    return number


def ancestor_alike(problem: Problem, ancestor: Trial, strategy: Neuroevolution, *, times: int) -> Trial:
    # The search deletes its weights where it has died out; asked for once more, they can be trained again.
    (known,) = problem.train_and_evaluate_many(
        [Candidate(ancestor.genotype)], epochs=strategy.plan.ancestor_epochs, stage="candidate"
    )
    weights = Weights(cast(str, known.weights), shared=False)
    for _ in range(times):
        candidate = Candidate(ancestor.genotype, weights)
        (trial,) = problem.train_and_evaluate_many(
            [candidate], epochs=strategy.plan.child_epochs, stage="ancestor"
        )
        weights = Weights(cast(str, trial.weights), shared=False)
    final = problem.train(ancestor.genotype, epochs=strategy.final_epochs, init=weights)
    return problem.evaluate(ancestor.genotype, final, stage="ancestor")


def one_seed(root: Path, folder: Path, seed: int) -> dict[str, Any]:
    composed = composition(root, seed)
    strategy = cast(Neuroevolution, composed.strategy)
    run = prepared(composed, folder / f"seed-{seed}")
    *candidates, winner = search(composed, run, events=shown()).trials
    times = ancestors(winner, candidates)
    with opened(composed, run.path) as problem:
        ancestor = ancestor_alike(problem, candidates[0], strategy, times=times)
    return {
        "generations_of_ancestors": times,
        "genotype": dict(winner.genotype),
        "winner": figures(winner, min(candidates, key=fitness)),
        "ancestor": figures(ancestor, candidates[0]),
    }


def fitness(trial: Trial) -> float:
    found = fitness_of(trial)
    return float("inf") if found is None else found


def figures(final: Trial, candidate: Trial) -> dict[str, float | None]:
    return {
        METRIC: final.metrics[METRIC],
        "fitness": fitness_of(candidate),
        "loss": candidate.loss,
        "gmacs": final.costs["gmacs"],
        "parameters": final.costs["parameters"],
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args()
    seeds = {str(seed): one_seed(arguments.root, arguments.runs, seed) for seed in seeds_of(arguments)}
    summary = {
        name: spread([seed[name][METRIC] for seed in seeds.values()]) for name in ("winner", "ancestor")
    }
    finish(arguments.json, {"recipe": RECIPE.name}, summary, seeds=seeds)


if __name__ == "__main__":
    main()
