"""KAPAO's suppression and fusion against loops over objects, for 30 people with about 3,000 candidates.

    OMP_NUM_THREADS=1 python benchmarks/kapao_post.py [--json FILE] [--pairs N]

The loops do what the published codes do: of the best box that is left, remove what overlaps it; for one
keypoint object after the other, find the nearest pose and replace its keypoint. `plain loop` does that in
Python alone; `loop` also takes one object at a time, but compares it with all others by numpy. Candidates are
drawn around people as a trained network finds them: five for a keypoint, 18 for a pose, and some that belong
to nobody. Ratios are ours to `loop` unless the name says otherwise; the null ratio is ours to ours.
Ends with status 1 where results differ.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import figures
import numpy as np
from head_kapao.fusion import fuse
from head_kapao.suppression import select_objects
from numpy.typing import NDArray
from ratios import alternate

SIZE, KEYPOINTS, LIMIT = 1280.0, 17, 300
POSE_OVERLAP, KEYPOINT_OVERLAP, DISTANCE, CONFIDENCE = 0.65, 0.25, 50.0, 0.3
Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Result = tuple[Array, Array]


@dataclass(frozen=True)
class Candidates:
    """Rows of one image: (R, 4) boxes, (R,) scores, (R,) categories and (R, K, 2) keypoints."""

    boxes: Array
    scores: Array
    category: Indices
    keypoints: Array


def draw_candidates(people: int, *, seed: int) -> Candidates:
    rng = np.random.default_rng(seed)
    heights = rng.uniform(120, 500, people)
    sizes = np.stack([heights * rng.uniform(0.3, 0.7, people), heights], axis=1)
    centres = rng.uniform(sizes / 2, SIZE - sizes / 2)
    truth = centres[:, None] + rng.uniform(-0.5, 0.5, (people, KEYPOINTS, 2)) * sizes[:, None]
    person, joint = np.repeat(np.arange(people), 18), np.repeat(np.arange(people * KEYPOINTS), 5)
    strays = round(2.6 * people)
    middles = [
        centres[person] + rng.normal(0, 0.04, (len(person), 2)) * sizes[person],
        truth.reshape(-1, 2)[joint] + rng.normal(0, 3, (len(joint), 2)),
        rng.uniform(0, SIZE, (strays, 2)),
    ]
    extents = [
        sizes[person] * np.exp(rng.normal(0, 0.06, (len(person), 2))),
        64 * np.exp(rng.normal(0, 0.08, (len(joint), 2))),
        np.full((strays, 2), 64.0),
    ]
    category = [0 * person, joint % KEYPOINTS + 1, rng.integers(1, KEYPOINTS + 1, strays)]
    scores = [
        rng.uniform(low, high, len(rows))
        for low, high, rows in zip((0.01, 0.2, 0.2), (0.95, 0.95, 0.4), category, strict=True)
    ]
    keypoints = np.zeros((sum(map(len, category)), KEYPOINTS, 2))
    keypoints[: len(person)] = truth[person] + rng.normal(0, 12, (len(person), KEYPOINTS, 2))
    middle, half = np.concatenate(middles), np.concatenate(extents) / 2
    order = rng.permutation(len(middle))
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    return Candidates(
        boxes[order], np.concatenate(scores)[order], np.concatenate(category)[order], keypoints[order]
    )


def centres_of(boxes: Array) -> Array:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def ours(rows: Candidates) -> Result:
    return our_fusion(rows, *our_suppression(rows))


def our_suppression(rows: Candidates) -> tuple[Indices, Indices]:
    return select_objects(
        rows.boxes,
        rows.scores,
        rows.category,
        pose_overlap=POSE_OVERLAP,
        keypoint_overlap=KEYPOINT_OVERLAP,
        limit=LIMIT,
    )


def our_fusion(rows: Candidates, poses: Indices, objects: Indices) -> Result:
    return fuse(
        rows.keypoints[poses],
        rows.scores[poses],
        centres=centres_of(rows.boxes[objects]),
        parts=rows.category[objects] - 1,
        scores=rows.scores[objects],
        distance=DISTANCE,
        confidence=CONFIDENCE,
    )


def loop(rows: Candidates) -> Result:
    return loop_fusion(rows, *loop_suppression(rows))


def loop_suppression(rows: Candidates) -> tuple[Indices, Indices]:
    kept = {
        number: loop_category(rows, number, POSE_OVERLAP if number == 0 else KEYPOINT_OVERLAP)[:LIMIT]
        for number in range(KEYPOINTS + 1)
    }
    objects = sorted(
        (row for number, found in kept.items() if number for row in found), key=lambda row: -rows.scores[row]
    )
    return np.array(kept[0], np.intp), np.array(objects, np.intp)


def loop_category(rows: Candidates, category: int, overlap: float) -> list[int]:
    boxes = rows.boxes
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.flatnonzero(rows.category == category)
    left = left[np.argsort(-rows.scores[left], kind="stable")]
    kept: list[int] = []
    while len(left):
        best, rest = left[0], left[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.maximum(high - low, 0).prod(1)
        left = rest[shared / (areas[best] + areas[rest] - shared) <= overlap]
    return kept


def loop_fusion(rows: Candidates, poses: Indices, objects: Indices) -> Result:
    keypoints, stored = rows.keypoints[poses].copy(), np.zeros((len(poses), KEYPOINTS))
    fusable = np.flatnonzero(rows.scores[poses] > CONFIDENCE)
    if not len(fusable):
        return keypoints, stored
    for row in objects:
        centre, part = (rows.boxes[row, :2] + rows.boxes[row, 2:]) / 2, rows.category[row] - 1
        distances = np.sqrt(((keypoints[fusable, part] - centre) ** 2).sum(1))
        nearest = distances.argmin()
        pose = fusable[nearest]
        if distances[nearest] < DISTANCE and stored[pose, part] < rows.scores[row]:
            keypoints[pose, part], stored[pose, part] = centre, rows.scores[row]
    return keypoints, stored


def plain_loop(rows: Candidates) -> Result:
    return plain_fusion(rows, *plain_suppression(rows))


def plain_suppression(rows: Candidates) -> tuple[Indices, Indices]:
    boxes, scores, category = rows.boxes.tolist(), rows.scores.tolist(), rows.category.tolist()
    kept: list[list[int]] = [[] for _ in range(KEYPOINTS + 1)]
    objects = []
    for row in sorted(range(len(boxes)), key=lambda row: -scores[row]):
        number = category[row]
        overlap = POSE_OVERLAP if number == 0 else KEYPOINT_OVERLAP
        if len(kept[number]) < LIMIT and all(
            intersection_over_union(boxes[row], boxes[other]) <= overlap for other in kept[number]
        ):
            kept[number].append(row)
            if number:
                objects.append(row)
    return np.array(kept[0], np.intp), np.array(objects, np.intp)


def intersection_over_union(a: list[float], b: list[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def plain_fusion(rows: Candidates, poses: Indices, objects: Indices) -> Result:
    keypoints, stored = rows.keypoints[poses].tolist(), [[0.0] * KEYPOINTS for _ in poses]
    fusable = [index for index, pose in enumerate(poses) if rows.scores[pose] > CONFIDENCE]
    for row in objects if fusable else ():
        (x, y), part = centres_of(rows.boxes[[row]])[0].tolist(), rows.category[row] - 1
        distances = [
            math.sqrt((keypoints[pose][part][0] - x) ** 2 + (keypoints[pose][part][1] - y) ** 2)
            for pose in fusable
        ]
        nearest = min(range(len(fusable)), key=distances.__getitem__)
        pose, score = fusable[nearest], float(rows.scores[row])
        if distances[nearest] < DISTANCE and stored[pose][part] < score:
            keypoints[pose][part], stored[pose][part] = [x, y], score
    return np.array(keypoints), np.array(stored)


def are_equal(rows: Candidates) -> bool:
    keypoints, stored = ours(rows)
    return all(
        np.array_equal(keypoints, other) and np.array_equal(stored, scores)
        for other, scores in (loop(rows), plain_loop(rows))
    )


def milliseconds(work: Callable[[], object], *, times: int = 25) -> float:
    """Median CPU time."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return 1000 * median(seconds)


def measure(found: figures.Figures, people: int, *, pairs: int) -> bool:
    rows = draw_candidates(people, seed=people)
    poses, objects = our_suppression(rows)
    name = f"{people} people"
    found.add(f"{name}, candidates", float(len(rows.scores)))
    found.add(f"{name}, poses", float(len(poses)))
    found.add(f"{name}, keypoint objects", float(len(objects)))
    whole = partial(ours, rows)
    suppression, fusion = partial(our_suppression, rows), partial(our_fusion, rows, poses, objects)
    found.add(name, alternate(whole, partial(loop, rows), pairs=pairs))
    found.add(f"{name}, suppression", alternate(suppression, partial(loop_suppression, rows), pairs=pairs))
    found.add(f"{name}, fusion", alternate(fusion, partial(loop_fusion, rows, poses, objects), pairs=pairs))
    found.add(f"{name}, to the plain loop", alternate(whole, partial(plain_loop, rows), pairs=pairs))
    found.add(f"{name}, null", alternate(whole, whole, pairs=pairs))
    for what, work in (
        ("ours", whole),
        ("loop", partial(loop, rows)),
        ("plain loop", partial(plain_loop, rows)),
    ):
        found.add(f"{name}, {what}, ms", milliseconds(work))
    return are_equal(rows)


def main() -> None:
    options = figures.arguments("kapao_post", "suppression and fusion against loops over objects", pairs=25)
    found = figures.Figures("kapao_post", {"keypoints": KEYPOINTS, "limit": LIMIT, "pairs": options.pairs})
    equal = [measure(found, people, pairs=options.pairs) for people in (30, 3)]
    found.write(options.json)
    if not all(equal):
        sys.exit("kapao_post: the results differ from the loops'")


if __name__ == "__main__":
    main()
