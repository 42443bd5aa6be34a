"""Is the built-in dataset a real problem? `tiny`'s largest network against its smallest at equal training
steps, for several seeds, and the score of predicting the mean pose.

    python benchmarks/synthetic_difficulty.py --runs FOLDER [--seeds 3] [--epochs 6] [--json FILE]

Each training is a run of its own in the folder, so the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
from nas_ofa_elastic.space import ElasticSpace
from posenas.composing.compose import compose
from posenas.contract.genotype import Genotype
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.networks.devices import use_threads
from posenas.reporting.progress import Lines
from posenas.runs.events import Events
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run
from posenas.searching.search import search
from posenas.standard.evaluators.oks import OksEvaluator
from posenas.standard.synthetic.dataset import SyntheticDataset


def trained_score(genotype: Genotype, *, epochs: int, seed: int, folder: Path) -> float:
    """Validation AP of one network trained alone."""
    strategy = ComponentChoice("single", {"genotype": dict(genotype), "epochs": epochs})
    composition = compose(Recipe(strategy=strategy, seed=seed))
    use_threads(composition.loading_processes())
    run = create_run(folder, composition.recipe)
    events = Events({"display": Lines(print)}, complain=print)
    return search(composition, run, events=events).best.metrics["oks.AP"]


def mean_pose_score(dataset: SyntheticDataset) -> float:
    """Validation AP of the training people's mean pose, put into each true box."""
    people = [person for sample in dataset.split("train") for person in sample.people]
    labelled = np.array([person.keypoints[:, 2] > 0 for person in people])[:, :, None]
    relative = np.array([in_box(person) for person in people])
    mean = (relative * labelled).sum(axis=0) / labelled.sum(axis=0)
    samples = dataset.split("val")
    guesses = [(sample, guess(person, mean)) for sample in samples for person in sample.people]
    predictions = Predictions(
        image_ids=np.array([sample.id for sample, _ in guesses], dtype=np.int64),
        keypoints=np.array([keypoints for _, keypoints in guesses]),
        keypoint_scores=np.ones((len(guesses), len(mean))),
        scores=np.ones(len(guesses)),
    )
    return float(OksEvaluator().evaluate(predictions, truth(dataset, samples)).metrics["AP"])


def in_box(person: Person) -> np.ndarray:
    left, top, width, height = person.box
    return (person.keypoints[:, :2] - (left, top)) / (width, height)


def guess(person: Person, mean: np.ndarray) -> np.ndarray:
    left, top, width, height = person.box
    return mean * (width, height) + (left, top)


def truth(dataset: SyntheticDataset, samples: list[Sample]) -> GroundTruth:
    return GroundTruth(dataset.keypoints(), samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    space = ElasticSpace()
    scores: dict[str, list[float]] = {"largest": [], "smallest": []}
    for seed in range(arguments.seeds):
        for name, genotype in (("largest", space.largest()), ("smallest", space.smallest())):
            folder = arguments.runs / f"{name}-{seed}"
            scores[name].append(trained_score(genotype, epochs=arguments.epochs, seed=seed, folder=folder))
    gaps = [large - small for large, small in zip(scores["largest"], scores["smallest"], strict=True)]
    result = {
        "epochs": arguments.epochs,
        "largest": scores["largest"],
        "smallest": scores["smallest"],
        "gap_median": statistics.median(gaps),
        "gap_least": min(gaps),
        "mean_pose": mean_pose_score(SyntheticDataset()),
    }
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
