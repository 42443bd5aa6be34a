"""COCO-WholeBody's evaluation, word for word: one image, one threshold, one pose after another."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from posenas import GroundTruth, Person, Predictions

PARTS = {
    "body": range(17),
    "foot": range(17, 23),
    "face": range(23, 91),
    "left_hand": range(91, 112),
    "right_hand": range(112, 133),
    "": range(133),
}
RANGES = {"": (0.0, 1e10), "M": (32.0**2, 96.0**2), "L": (96.0**2, 1e10)}
THRESHOLDS = np.linspace(0.5, 0.95, 10).tolist()
EPSILON = 2.0**-52


@dataclass(frozen=True)
class Found:
    """A pose that is not ignored: its score, and whether it is right."""

    score: float
    right: bool


def literal_wholebody(predictions: Predictions, truth: GroundTruth, *, use_area: bool) -> dict[str, float]:
    """All metrics but those of `hand`."""
    metrics = {}
    for part, indices in PARTS.items():
        figures = _of_part(predictions, truth, part=part, indices=indices, use_area=use_area)
        metrics |= {(f"{part}.{name}" if part else name): value for name, value in figures.items()}
    return metrics


def _of_part(
    predictions: Predictions, truth: GroundTruth, *, part: str, indices: range, use_area: bool
) -> dict[str, float]:
    images = []
    for sample in sorted(truth.samples, key=lambda each: each.id):
        poses = _poses(predictions, sample.id, part=part, indices=indices)
        similarity = [
            [
                _oks(pose, person, sigmas=truth.keypoints.sigmas, indices=indices, use_area=use_area)
                for person in sample.people
            ]
            for pose in poses
        ]
        images.append((poses, sample.people, similarity))
    metrics = {}
    for suffix, limits in RANGES.items():
        precisions, recalls = [], []
        for threshold in THRESHOLDS:
            found: list[Found] = []
            people = 0
            for poses, persons, similarity in images:
                ignored = [_ignored(each, indices, limits, use_area=use_area) for each in persons]
                people += ignored.count(False)
                found += _match(poses, persons, similarity, ignored, limits, threshold)
            precision, recall = _curve(found, people)
            precisions.append(precision)
            recalls.append(recall)
        metrics |= {f"AP{suffix}": sum(precisions) / 10, f"AR{suffix}": sum(recalls) / 10}
        if not suffix:
            metrics |= {"AP50": precisions[0], "AP75": precisions[5], "AR50": recalls[0], "AR75": recalls[5]}
    return metrics


def _poses(predictions: Predictions, image: int, *, part: str, indices: range) -> list[dict[str, Any]]:
    """The 20 most confident poses with any score of the part."""
    scores = predictions.part_scores.get(part, predictions.scores)
    poses = []
    for place in range(len(predictions.scores)):
        if predictions.image_ids[place] == image:
            values = [float(predictions.keypoint_scores[place, index]) for index in indices]
            if any(value != 0 for value in values):
                points = [
                    (
                        math.inf if math.isnan(x) else float(x),
                        math.inf if math.isnan(y) else float(y),
                    )
                    for x, y in predictions.keypoints[place]
                ]
                xs, ys = [point[0] for point in points[:17]], [point[1] for point in points[:17]]
                poses.append(
                    {
                        "points": points,
                        "score": float(scores[place]),
                        "area": (max(xs) - min(xs)) * (max(ys) - min(ys)),
                    }
                )
    return sorted(poses, key=lambda pose: -pose["score"])[:20]


def _area(person: Person, *, use_area: bool) -> float:
    return float(person.area) if use_area else float(person.box[2]) * float(person.box[3]) * 0.53


def _oks(
    pose: dict[str, Any], person: Person, *, sigmas: Sequence[float], indices: range, use_area: bool
) -> float:
    left, top, width, height = person.box
    labelled = [index for index in indices if person.keypoints[index][2] > 0]
    terms = []
    for index in labelled or indices:
        x, y = pose["points"][index]
        if labelled:
            across, down = x - person.keypoints[index][0], y - person.keypoints[index][1]
        else:
            across = max(0.0, left - width - x) + max(0.0, x - (left + width * 2))
            down = max(0.0, top - height - y) + max(0.0, y - (top + height * 2))
        variance = (2 * sigmas[index]) ** 2
        error = (across * across + down * down) / variance / (_area(person, use_area=use_area) + EPSILON) / 2
        terms.append(math.exp(-error))
    return sum(terms) / len(terms)


def _ignored(person: Person, indices: range, limits: tuple[float, float], *, use_area: bool) -> bool:
    area = _area(person, use_area=use_area)
    labelled = sum(1 for index in indices if person.keypoints[index][2] > 0)
    return person.crowd or labelled == 0 or area < limits[0] or area > limits[1]


def _match(
    poses: Sequence[dict[str, Any]],
    persons: Sequence[Person],
    similarity: Sequence[Sequence[float]],
    ignored: Sequence[bool],
    limits: tuple[float, float],
    threshold: float,
) -> list[Found]:
    order = sorted(range(len(persons)), key=lambda person: ignored[person])
    taken: set[int] = set()
    found = []
    for number, pose in enumerate(poses):
        best, chosen = threshold, None
        for person in order:
            if person in taken and not persons[person].crowd:
                continue
            if chosen is not None and not ignored[chosen] and ignored[person]:
                break
            if similarity[number][person] < best:
                continue
            best, chosen = similarity[number][person], person
        if chosen is not None:
            taken.add(chosen)
            if not ignored[chosen]:
                found.append(Found(pose["score"], True))
        elif not (pose["area"] < limits[0] or pose["area"] > limits[1]):
            found.append(Found(pose["score"], False))
    return found


def _curve(found: Sequence[Found], people: int) -> tuple[float, float]:
    """Average precision over 101 recalls, and the highest recall."""
    if not people:
        return math.nan, math.nan
    right, recalls, precisions = 0, [], []
    for number, each in enumerate(sorted(found, key=lambda one: -one.score), start=1):
        right += each.right
        recalls.append(right / people)
        precisions.append(right / (number + EPSILON))
    for place in range(len(precisions) - 1, 0, -1):
        precisions[place - 1] = max(precisions[place - 1], precisions[place])
    total = 0.0
    for level in range(101):
        place = bisect_left(recalls, level * (1 / 100))
        total += precisions[place] if place < len(precisions) else 0.0
    return total / 101, recalls[-1] if recalls else 0.0
