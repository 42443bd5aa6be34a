"""Our COCO-WholeBody metrics against pycocotools', part by part, on a problem of the size of COCO val2017.

    OMP_NUM_THREADS=1 python benchmarks/wholebody.py [--json FILE] [--pairs N]

pycocotools evaluates one kind of pose, so it runs once for the whole and once for each of the five parts, on
what COCO-WholeBody's rules make of people and poses: people without a keypoint of the part are ignored, poses
without a score of it are left out, and a pose's area is that of its body. That preparation is not timed; its
`loadRes` is. The null ratio is ours against ours: how far the machine's noise alone moves a ratio. Ends with
status 1 where the metrics differ.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from data_cocowholebody.evaluators.wholebody import WholebodyEvaluator
from numpy.typing import NDArray
from posenas import COCO_WHOLEBODY_133, GroundTruth, Person, Predictions, Sample
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]
from ratios import alternate

IMAGES = 5000
KEYPOINTS = 133
PARTS = {
    "": range(133),
    "body": range(17),
    "foot": range(17, 23),
    "face": range(23, 91),
    "left_hand": range(91, 112),
    "right_hand": range(112, 133),
}
ABSENT = {"foot": 0.7, "face": 0.65, "left_hand": 0.6, "right_hand": 0.6}
"""How often a person has no labelled keypoint of a part."""


class NoImage:
    """Pixels that nobody looks at."""

    def read(self) -> Any:
        raise NotImplementedError


def some_people(rng: np.random.Generator) -> list[Person]:
    """None in about half of the images, else about 2; 1 % are crowds."""
    people = []
    for _ in range(rng.geometric(0.45) if rng.random() < 0.54 else 0):
        width, height = rng.uniform(30, 300, 2)
        x, y = rng.uniform(0, 640 - width), rng.uniform(0, 480 - height)
        visibility = rng.choice([0.0, 0.4, 1.0, 2.0], KEYPOINTS)
        for part, share in ABSENT.items():
            if rng.random() < share:
                visibility[list(PARTS[part])] = 0
        positions = rng.uniform((x, y), (x + width, y + height), (KEYPOINTS, 2))
        keypoints = np.column_stack([positions, visibility])
        crowd = bool(rng.random() < 0.01)
        people.append(Person((x, y, width, height), keypoints, width * height * 0.6, crowd=crowd))
    return people


def some_poses(people: list[Person], rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """One near each person, by an error that varies from pose to pose, and about one anywhere."""
    poses = []
    for person in people:
        error = rng.exponential(0.02) * person.area**0.5
        poses.append(person.keypoints[:, :2] + rng.normal(0, error, (KEYPOINTS, 2)))
    for _ in range(rng.poisson(1.0)):
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
    seen = np.ones(keypoints.shape[:2])
    for indices in list(PARTS.values())[2:]:
        seen[:, list(indices)] = (rng.random(len(poses)) < 0.9)[:, None]
    predictions = Predictions(np.array(image_ids), keypoints, seen, rng.random(len(poses)).round(4))
    return GroundTruth(COCO_WHOLEBODY_133, samples), predictions


def coco_truth(truth: GroundTruth, indices: list[int]) -> COCO:
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
                "keypoints": person.keypoints[indices].ravel().tolist(),
                "num_keypoints": int((person.keypoints[indices, 2] > 0).sum()),
            }
            for number, (image, person) in enumerate(people, start=1)
        ],
    }
    coco.createIndex()
    return coco


def coco_results(predictions: Predictions, indices: list[int]) -> tuple[list[dict[str, Any]], list[float]]:
    """The results of one part, and the areas of their bodies."""
    kept = predictions.chosen(predictions.keypoint_scores[:, indices].any(axis=1))
    rows = np.concatenate([kept.keypoints, kept.keypoint_scores[..., None]], axis=2)[:, indices]
    body = kept.keypoints[:, :17]
    areas = np.ptp(body[..., 0], axis=1) * np.ptp(body[..., 1], axis=1)
    results = [
        {"image_id": image, "category_id": 1, "keypoints": row, "score": score}
        for image, row, score in zip(
            kept.image_ids.tolist(), rows.reshape(len(rows), -1).tolist(), kept.scores.tolist(), strict=True
        )
    ]
    return results, areas.tolist()


def pycocotools_metrics(
    truth: COCO, results: list[dict[str, Any]], areas: list[float], sigmas: NDArray[np.float64]
) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = truth.loadRes([dict(result) for result in results])
        for annotation, area in zip(loaded.dataset["annotations"], areas, strict=True):
            annotation["area"] = area
        evaluation = COCOeval(truth, loaded, "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def main() -> None:
    parser = argparse.ArgumentParser(description="our COCO-WholeBody metrics against pycocotools'")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--pairs", type=int, default=5, help="how often each side runs")
    arguments = parser.parse_args()
    truth, predictions = make_problem(np.random.default_rng(0))
    sigmas = np.array(COCO_WHOLEBODY_133.sigmas)
    prepared = []
    for indices in map(list, PARTS.values()):
        with contextlib.redirect_stdout(io.StringIO()):
            reference = coco_truth(truth, indices)
        prepared.append((reference, *coco_results(predictions, indices), sigmas[indices]))

    def ours() -> list[float]:
        return list(WholebodyEvaluator().evaluate(predictions, truth).metrics.values())[: 10 * len(PARTS)]

    def theirs() -> list[float]:
        return [figure for each in prepared for figure in pycocotools_metrics(*each)]

    difference = float(np.abs(np.subtract(ours(), theirs())).max())
    start = time.perf_counter()
    ours()
    seconds = time.perf_counter() - start
    ratio = alternate(ours, theirs, pairs=arguments.pairs)
    null = alternate(ours, ours, pairs=arguments.pairs)
    people = sum(len(sample.people) for sample in truth.samples)
    print(f"{IMAGES} images, {people} people, {len(predictions.scores)} poses; {seconds:.2f} s")
    print(f"wholebody: largest difference {difference:g}; ratio {ratio} (null {null}), {ratio.pairs} pairs")
    if arguments.json:
        figures = {
            "seconds": seconds,
            "ratio": asdict(ratio),
            "null": asdict(null),
            "difference": difference,
        }
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    if not difference <= 1e-9:
        sys.exit("wholebody: the metrics differ from pycocotools'")


if __name__ == "__main__":
    main()
