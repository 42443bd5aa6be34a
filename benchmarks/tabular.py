"""Makes the table of `posenas-bench`: 144 networks of `ofa`'s `tiny`, each trained alone with two seeds.

    OMP_NUM_THREADS=1 python benchmarks/tabular.py --runs FOLDER [--processes 2] [--trainings-only]

It can be stopped at any time and started again. Each finished training is a line of the state file
(`benchmarks/results/tabular.jsonl`), which any machine can go on with; the runs' folder holds the training
that was stopped, and the super-network. Once all trainings are done, a super-network is trained, costs,
latencies and proxies are found, and the table is written into the package.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

from experiments import opened
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.contract.genotype import Genotype, genotype_id
from posenas.contract.problem import Candidate, Weights
from posenas.learning.sandwich_step import SandwichStep
from posenas.networks.latency.measure import measure_latency
from posenas.runs.recipe import merge, recipe_from_tables
from posenas.runs.run import Run
from posenas.searching.problem import JournaledProblem
from posenas.searching.resources import make_resources
from posenas_bench.proxies import naswot, synflow
from posenas_bench.table import Row, Table, Training, combinations, write_table
from torch import Tensor

ROOT = Path(__file__).parents[1]
STATE = ROOT / "benchmarks" / "results" / "tabular.jsonl"
TABLE = ROOT / "packages" / "posenas-bench" / "src" / "posenas_bench" / "table.json"
METRIC = "oks.AP"
SEEDS = (0, 1)
DIMENSIONS: dict[str, Sequence[Any]] = {
    "input.scale": (0.5, 0.75, 1.0),
    "stem.width": (16, 24),
    "stage1.depth": (1, 2),
    "stage1.width": (24, 40),
    "stage2.depth": (1, 2, 3),
    "stage2.width": (40, 64),
}
FIXED: dict[str, Any] = {
    f"{stage}.{name}": value
    for stage in ("stage1", "stage2")
    for name, value in (("kernel", 3), ("groups", 1), ("attention", False))
}
EPOCHS = 5
SHARED_EPOCHS = 12
PROXY_IMAGES = 32
RECIPE: dict[str, Any] = {
    "space": {"name": "ofa", "input_scales": DIMENSIONS["input.scale"]},
    "dataset": {"name": "synthetic", "train_images": 1500, "val_images": 500},
    "training": {"workers": 0, "parallel": 1},
    "evaluation": {"held_out": 0.2, "ranking_people": 400},
}
SETTINGS: dict[str, Any] = {
    "recipe": RECIPE,
    "fixed": FIXED,
    "seeds": SEEDS,
    "epochs": EPOCHS,
    "shared_epochs": SHARED_EPOCHS,
    "proxy_images": PROXY_IMAGES,
}


def composed(seed: int) -> Composition:
    tables = {**RECIPE, "strategy": {"name": "random"}, "seed": seed}
    return compose(recipe_from_tables(merge(tables, (), flags={})))


def whole(genotype: Genotype, problem: JournaledProblem) -> Genotype:
    """The genotype of the whole space, in its order of dimensions."""
    values = {**FIXED, **genotype}
    return {name: values[name] for name in problem.space.dimensions()}


def tasks() -> list[tuple[Genotype, int]]:
    """Every training: the smallest, a middle and the largest genotype first, which show spread and noise
    soon; the others shuffled, so that a part of them is spread over all costs."""
    genotypes = combinations(DIMENSIONS)
    first = [genotypes[0], genotypes[len(genotypes) // 2], genotypes[-1]]
    others = [genotype for genotype in genotypes if genotype not in first]
    Random("order of the table").shuffle(others)
    return [(genotype, seed) for genotype in (*first, *others) for seed in SEEDS]


def read_state(path: Path) -> dict[tuple[str, int], Training]:
    """The finished trainings; refuses those of other settings."""
    if not path.exists():
        path.write_text(json.dumps(SETTINGS) + "\n")
    settings, *lines = path.read_text().splitlines()
    if json.loads(settings) != json.loads(json.dumps(SETTINGS)):
        raise SystemExit(f"{path}: is of other settings; remove it to make the table anew")
    found = {}
    for line in lines:
        record = json.loads(line)
        found[record["id"], record["seed"]] = Training(**record["training"])
    return found


def train_all(path: Path, runs: Path, *, processes: int) -> None:
    """Do what the state lacks: each process goes through a share of it, and adds a line for each training."""
    done = read_state(path)
    left = [task for task in tasks() if (genotype_id(task[0]), task[1]) not in done]
    shares = [left[first::processes] for first in range(processes) if left[first::processes]]
    if not shares:
        return
    with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(train_share, share, path, runs / f"process-{number}")
            for number, share in enumerate(shares)
        ]
        for job in as_completed(jobs):
            job.result()


def train_share(share: Sequence[tuple[Genotype, int]], path: Path, folder: Path) -> None:
    with ExitStack() as stack:
        problems = {
            seed: stack.enter_context(opened(composed(seed), folder / f"seed-{seed}")) for seed in SEEDS
        }
        begun = time.monotonic()
        for done, (genotype, seed) in enumerate(share, 1):
            add(path, genotype, seed, train_one(problems[seed], genotype))
            minutes = (time.monotonic() - begun) / done * (len(share) - done) / 60
            print(f"{folder.name}: {done} of {len(share)} trainings, {minutes:.0f} minutes left", flush=True)


def train_one(problem: JournaledProblem, genotype: Genotype) -> Training:
    begun = time.process_time()
    own = whole(genotype, problem)
    (trial,) = problem.train_and_evaluate_many([Candidate(own)], epochs=EPOCHS, stage="candidate")
    seconds = time.process_time() - begun
    if trial.failure is not None or trial.weights is None or trial.loss is None:
        raise SystemExit(f"{own}: failed: {trial.failure}")
    weights = Weights(trial.weights, shared=False)
    final = problem.evaluate(own, weights, stage="final")
    problem.discard(weights)
    return Training(trial.metrics[METRIC], trial.loss, final.metrics[METRIC], seconds)


def add(path: Path, genotype: Genotype, seed: int, training: Training) -> None:
    """Add a line to the state in one write, so that processes do not mix theirs."""
    record = {"id": genotype_id(genotype), "genotype": genotype, "seed": seed, "training": vars(training)}
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def make_table(state: Mapping[tuple[str, int], Training], runs: Path) -> Table:
    """The table of finished trainings, with what costs no training of each network."""
    composition = composed(SEEDS[0])
    genotypes = combinations(DIMENSIONS)
    with opened(composition, runs / "shared") as problem:
        shared = list(shared_scores(problem, genotypes))
        images = proxy_images(composition, runs / "shared")
        rows = [
            Row(
                genotype,
                [state[genotype_id(genotype), seed] for seed in SEEDS],
                costs=costs_of(composition, whole(genotype, problem)),
                proxies=proxies_of(composition, whole(genotype, problem), images),
                shared=score,
            )
            for genotype, score in zip(genotypes, shared, strict=True)
        ]
    return Table(METRIC, DIMENSIONS, rows, SETTINGS)


def shared_scores(problem: JournaledProblem, genotypes: Sequence[Genotype]) -> Iterator[float]:
    step = SandwichStep(problem.space, random_networks=2, distillation="truth+teacher")  # type: ignore[arg-type]
    weights = problem.train_shared(step, epochs=SHARED_EPOCHS)
    trials = problem.evaluate_many(
        [whole(genotype, problem) for genotype in genotypes], weights, stage="shared", calibration_people=128
    )
    return (trial.metrics[METRIC] for trial in trials)


def proxy_images(composition: Composition, folder: Path) -> Tensor:
    """(PROXY_IMAGES, 3, H, W) images of people to train on, unchanged by augmentation."""
    resources = make_resources(composition, Run(folder), warn=print, advance=lambda *_: None)
    views = resources.splits.calibration(PROXY_IMAGES)
    (batch,) = views.batches(PROXY_IMAGES, device=composition.compute.device)
    return batch.images


def costs_of(composition: Composition, genotype: Genotype) -> dict[str, float]:
    latency = measure_latency(
        composition.build(genotype), input_size=size_of(composition), compute=composition.compute
    )
    return {**composition.costs_of(genotype), "latency_ms": latency.median_ms}


def size_of(composition: Composition) -> tuple[int, int]:
    return composition.view.height, composition.view.width


def proxies_of(composition: Composition, genotype: Genotype, images: Tensor) -> dict[str, float]:
    import torch

    torch.manual_seed(0)
    network = composition.build(genotype)
    return {
        "synflow": synflow(network, (3, *size_of(composition))),
        "naswot": naswot(network, images.float()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of what is in progress")
    parser.add_argument("--processes", type=int, default=2, help="trainings at the same time, a core each")
    parser.add_argument("--state", type=Path, default=STATE, help="the finished trainings")
    parser.add_argument("--table", type=Path, default=TABLE, help="where the table goes")
    parser.add_argument("--trainings-only", action="store_true", help="end when all trainings are done")
    arguments = parser.parse_args()
    train_all(arguments.state, arguments.runs, processes=arguments.processes)
    if not arguments.trainings_only:
        write_table(make_table(read_state(arguments.state), arguments.runs), arguments.table)


if __name__ == "__main__":
    main()
