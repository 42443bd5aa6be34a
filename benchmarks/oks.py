"""Our COCO keypoint metrics against pycocotools', on a problem of the size of COCO val2017.

    OMP_NUM_THREADS=1 python benchmarks/oks.py [--json FILE] [--pairs N]

Each side starts from what its users hold: ours from samples and arrays, pycocotools from dicts (its `loadRes`
belongs to its time, the index of the truth does not). The null ratio is ours against ours: how far the
machine's noise alone moves a ratio. Ends with status 1 where the metrics differ.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.standard.evaluators.oks import OksEvaluator
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]
from ratios import alternate

IMAGES = 5000
KEYPOINTS = 17


class NoImage:
    """Pixels that nobody looks at."""

    def read(self) -> Any:
        raise NotImplementedError


def some_people(rng: np.random.Generator) -> list[Person]:
    """None in about half of the images, else about 4; 58 % have labels, 1 % are crowds."""
    people = []
    for _ in range(rng.geometric(0.245) if rng.random() < 0.54 else 0):
        width, height = rng.uniform(20, 250, 2)
        x, y = rng.uniform(0, 640 - width), rng.uniform(0, 480 - height)
        crowd = bool(rng.random() < 0.01)
        visibility = rng.integers(0, 3, KEYPOINTS) * (rng.random() < 0.58 and not crowd)
        positions = rng.uniform((x, y), (x + width, y + height), (KEYPOINTS, 2)) * (visibility > 0)[:, None]
        keypoints = np.column_stack([positions, visibility])
        people.append(Person((x, y, width, height), keypoints, width * height * 0.6, crowd=crowd))
    return people


def some_poses(people: list[Person], rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Four near each person, by an error that varies from pose to pose, and a dozen anywhere."""
    poses = []
    for person in people:
        for error in rng.exponential(0.08, 4):
            poses.append(person.keypoints[:, :2] + rng.normal(0, error * person.area**0.5, (KEYPOINTS, 2)))
    for _ in range(rng.integers(8, 16)):
        centre, spread = rng.uniform((0, 0), (640, 480)), rng.uniform(5, 80)
        poses.append(rng.normal(centre, spread, (KEYPOINTS, 2)))
    return poses


def make_problem(rng: np.random.Generator) -> tuple[GroundTruth, Predictions]:
    samples, image_ids, poses = [], [], []
    for image in range(1, IMAGES + 1):
        people = some_people(rng)
        samples.append(Sample(image, NoImage(), 640, 480, tuple(people)))
        added = some_poses(people, rng)
        poses += added
        image_ids += [image] * len(added)
    keypoints = np.array(poses)
    scores = rng.random(len(poses)).round(4)
    predictions = Predictions(np.array(image_ids), keypoints, np.ones(keypoints.shape[:2]), scores)
    return GroundTruth(COCO_17, samples), predictions


def coco_truth(truth: GroundTruth) -> COCO:
    people = [(sample.id, person) for sample in truth.samples for person in sample.people]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": sample.id} for sample in truth.samples],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": 1,
                "bbox": list(person.box),
                "area": person.area,
                "iscrowd": int(person.crowd),
                "keypoints": person.keypoints.ravel().tolist(),
                "num_keypoints": int((person.keypoints[:, 2] > 0).sum()),
            }
            for number, (image, person) in enumerate(people, start=1)
        ],
    }
    coco.createIndex()
    return coco


def coco_results(predictions: Predictions) -> list[dict[str, Any]]:
    rows = np.concatenate([predictions.keypoints, predictions.keypoint_scores[..., None]], axis=2)
    rows = rows.reshape(len(rows), -1)
    return [
        {"image_id": image, "category_id": 1, "keypoints": row, "score": score}
        for image, row, score in zip(
            predictions.image_ids.tolist(), rows.tolist(), predictions.scores.tolist(), strict=True
        )
    ]


def pycocotools_metrics(truth: COCO, results: list[dict[str, Any]]) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes([dict(result) for result in results]), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def main() -> None:
    parser = argparse.ArgumentParser(description="our COCO keypoint metrics against pycocotools'")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--pairs", type=int, default=5, help="how often each side runs")
    arguments = parser.parse_args()
    truth, predictions = make_problem(np.random.default_rng(0))
    with contextlib.redirect_stdout(io.StringIO()):
        reference_truth = coco_truth(truth)
    results = coco_results(predictions)

    def ours() -> list[float]:
        return list(OksEvaluator().evaluate(predictions, truth).metrics.values())

    def theirs() -> list[float]:
        return pycocotools_metrics(reference_truth, results)

    difference = float(np.abs(np.subtract(ours(), theirs())).max())
    ratio = alternate(ours, theirs, pairs=arguments.pairs)
    null = alternate(ours, ours, pairs=arguments.pairs)
    people = sum(len(sample.people) for sample in truth.samples)
    print(f"{IMAGES} images, {people} people, {len(results)} poses; largest difference {difference:g}")
    print(f"oks: ratio {ratio} (null {null}), {ratio.pairs} pairs")
    if arguments.json:
        figures = {"ratio": asdict(ratio), "null": asdict(null), "difference": difference}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    if difference > 1e-9:
        sys.exit("oks: the metrics differ from pycocotools'")


if __name__ == "__main__":
    main()
