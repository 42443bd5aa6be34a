"""Runs written for tests of the report, over a small dataset of grey images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person
from posenas.contract.scores import GroundTruth, Predictions
from posenas.contract.trial import Trial
from posenas.data.coco.dataset import CocoDataset
from posenas.runs.predictions_file import save_predictions
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import create_run
from posenas.searching.example_poses import example_poses

PEOPLE = 20
NAMES = COCO_17.names


@dataclass(frozen=True)
class Grey:
    """An image source."""

    def read(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return np.full((120, 100, 3), 127, np.uint8)


def drawn_person(rng: np.random.Generator, number: int) -> Person:
    keypoints = np.concatenate([20 + 60 * rng.random((17, 2)), np.full((17, 1), 2.0)], axis=1)
    return Person((15.0, 15.0, 70.0, 70.0), keypoints, area=4900.0, id=number)


def write_dataset(root: Path) -> None:
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    people = [drawn_person(rng, number) for number in range(PEOPLE)]
    content = {
        "categories": [{"id": 1, "name": "person", "keypoints": list(NAMES)}],
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 100, "height": 120}
            for number in range(PEOPLE)
        ],
        "annotations": [
            {
                "id": person.id,
                "image_id": person.id,
                "category_id": 1,
                "bbox": person.box,
                "area": person.area,
                "keypoints": person.keypoints.ravel().tolist(),
            }
            for person in people
        ],
    }
    (root / "val.json").write_text(json.dumps(content))
    for number in range(PEOPLE):
        cv2.imwrite(str(root / "images" / f"{number}.png"), Grey().read())


def candidates() -> list[Trial]:
    rng = Random(5)
    trials = [
        Trial(
            genotype={"stem.width": index, "stage1.width": 16, "stage1.depth": 2, "order": "a<b"},
            stage="candidate",
            split="ranking",
            metrics={"oks.AP": rng.randrange(300, 600) / 1000, "oks.AR": 0.5},
            costs={"gmacs": rng.randrange(1, 30) / 100, "parameters": 1000 * rng.randrange(10, 40)},
            by_keypoint={name: rng.random() for name in NAMES},
            weights="shared.safetensors",
        )
        for index in range(16)
    ]
    return [*trials, replace(trials[0], genotype={"order": "c"}, metrics={}, failure="RuntimeError: 3 <b> 4")]


def final(trials: list[Trial]) -> Trial:
    best = max(trials, key=lambda trial: trial.metrics.get("oks.AP", 0.0))
    return replace(
        best,
        stage="final",
        split="val",
        metrics={"oks.AP": 0.7654, "oks.AR": 0.8},
        weights="own.safetensors",
        predictions="predicted.json",
    )


def predictions_for(truth: GroundTruth, *, noise: float) -> Predictions:
    rng = np.random.default_rng(1)
    people = [(sample.id, person.keypoints[:, :2]) for sample in truth.samples for person in sample.people]
    poses = np.array([pose + rng.normal(0, 1e-9 + noise * rng.random(), pose.shape) for _, pose in people])
    return Predictions(
        np.array([image for image, _ in people]), poses, np.ones(poses.shape[:2]), np.ones(len(poses))
    )


def make_run(path: Path, dataset: Path, trials: list[Trial] | None, **tables: Any) -> Path:
    recipe = recipe_from_tables(
        {
            "space": {"name": "fixed"},
            "strategy": {"name": "random"},
            "dataset": {"name": "coco", "root": str(dataset)},
            "limits": ["gmacs<=0.3"],
            "seed": 11,
            **tables,
        }
    )
    run = create_run(path, recipe)
    if trials is not None:
        (path / "trials.json").write_text(json.dumps([trial.as_dict() for trial in trials], sort_keys=True))
        if trials and trials[-1].stage == "final":  # as these tests call it; the search marks it by this file
            run.best.mkdir()
            (run.best / "trial.json").write_text(json.dumps(trials[-1].as_dict()))
    truth = GroundTruth(COCO_17, CocoDataset(root=str(dataset)).split("val"))
    save_predictions(
        run.predictions / "predicted.json", predictions_for(truth, noise=6.0), keypoints=truth.keypoints
    )
    return path


def with_poses(trials: Sequence[Trial], dataset: Path) -> list[Trial]:
    """The trials as ranked on `val`, each but the last with kept poses, worse from trial to trial."""
    truth = GroundTruth(COCO_17, CocoDataset(root=str(dataset)).split("val"))
    kept = [replace(trial, split="val") for trial in trials]
    return [
        replace(
            trial,
            notes={"example_poses": example_poses(predictions_for(truth, noise=place), truth, number=4)},
        )
        for place, trial in enumerate(kept[:-1])
    ] + kept[-1:]
