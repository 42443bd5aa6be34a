"""The evaluator `posetrack`: a literal count as oracle, and each of PoseTrack's rules by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, KEYPOINT_SETS, POSETRACK_15, POSETRACK_17
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.standard.evaluators.ignoring import is_inside
from posenas.standard.evaluators.posetrack import PoseTrackEvaluator

K = len(POSETRACK_15)
NAMES = POSETRACK_15.names
GROUPS = {
    "head": ("nose", "head_bottom", "head_top"),
    "shoulder": ("left_shoulder", "right_shoulder"),
    "elbow": ("left_elbow", "right_elbow"),
    "wrist": ("left_wrist", "right_wrist"),
    "hip": ("left_hip", "right_hip"),
    "knee": ("left_knee", "right_knee"),
    "ankle": ("left_ankle", "right_ankle"),
}
HEAD = (0.0, 0.0, 30.0, 40.0)  # the diagonal is 50, the head size 30, and half of it 15 pixels


class NoImage:
    def read(self) -> NDArray[np.uint8]:
        raise NotImplementedError


# ---- the oracle: loops, and nothing of the evaluator


def literal(predictions: Predictions, truth: GroundTruth) -> dict[str, float]:
    """The AP of each keypoint that is labelled at least once, counted one by one."""
    found: list[list[tuple[float, bool]]] = [[] for _ in range(K)]
    total = [0] * K
    for sample in truth.samples:
        annotated = [person for person in sample.people if not person.crowd]
        if not annotated:
            continue
        polygons = [polygon.tolist() for polygon in sample.ignored]
        for person in sample.people:
            if person.crowd:
                x, y, w, h = person.box
                polygons.append([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
        people = [literal_person(person, polygons) for person in annotated]
        people = [each for each in people if each is not None]
        poses = []
        for row in surest_first(predictions):
            if predictions.image_ids[row] == sample.id:
                pose: dict[int, tuple[float, float, float]] = {}
                for k in range(K):
                    x, y = (float(value) for value in predictions.keypoints[row, k])
                    if math.isfinite(x) and math.isfinite(y) and not in_any((x, y), polygons):
                        pose[k] = (x, y, float(predictions.keypoint_scores[row, k]))
                poses.append(pose)
        matched = literal_matches(poses, people)
        for index, pose in enumerate(poses):
            for k, (x, y, score) in pose.items():
                right, whose = False, matched[index]
                if whose is not None:
                    points, head = people[whose]
                    right = k in points and near((x, y), points[k], head)
                found[k].append((score, right))
        for points, _ in people:
            for k in points:
                total[k] += 1
    return {NAMES[k]: literal_precision(found[k], total[k]) for k in range(K) if total[k]}


def literal_person(person: Person, polygons: Any) -> Any:
    """The person's points by keypoint, and the head size; None without one."""
    v = person.keypoints[:, 2]
    bottom, top = NAMES.index("head_bottom"), NAMES.index("head_top")
    if "head" in person.regions:
        head = 0.6 * math.sqrt(person.regions["head"][2] ** 2 + person.regions["head"][3] ** 2)
    elif v[bottom] > 0 and v[top] > 0:
        (x0, y0), (x1, y1) = person.keypoints[bottom, :2], person.keypoints[top, :2]
        head = 0.6 * math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2) / 0.7
    else:
        return None
    points = {}
    for k in range(K):
        x, y = float(person.keypoints[k, 0]), float(person.keypoints[k, 1])
        if v[k] > 0 and not in_any((x, y), polygons):
            points[k] = (x, y)
    return points, head


def near(first: tuple[float, float], second: tuple[float, float], head: float) -> bool:
    return math.sqrt((first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2) / head <= 0.5


def literal_matches(poses: Sequence[Any], people: Sequence[Any]) -> list[int | None]:
    """The index of the person of each pose, or None."""
    shares = []
    for pose in poses:
        row = []
        for points, head in people:
            right = sum(k in points and near(pose[k][:2], points[k], head) for k in pose)
            row.append(right / len(points) if points else 0.0)
        shares.append(row)
    for row in shares:
        best = row.index(max(row)) if row else 0
        for index in range(len(row)):
            if index != best:
                row[index] = 0.0
    matched: list[int | None] = [None] * len(poses)
    for person in range(len(people)):
        column = [row[person] for row in shares]
        if column and max(column) > 0:
            matched[column.index(max(column))] = person
    return matched


def surest_first(predictions: Predictions) -> list[int]:
    """The rows of poses by their mean score of keypoints, their own score, and the place of the nose."""
    rows = []
    for row, pose in enumerate(predictions.keypoints):
        mean = sum(predictions.keypoint_scores[row].tolist()) / K
        x, y = (math.inf if math.isnan(value) else value for value in pose[0].tolist())
        rows.append((-mean, -float(predictions.scores[row]), x, y, row))
    return [row[-1] for row in sorted(rows)]


def literal_precision(found: list[tuple[float, bool]], total: int) -> float:
    """Precision and recall at each score as threshold, made to fall, and the area of the steps."""
    recalls, precisions = [0.0], [0.0]
    for threshold in sorted({score for score, _ in found}, reverse=True):
        above = [right for score, right in found if score >= threshold]
        recalls.append(sum(above) / total)
        precisions.append(sum(above) / len(above))
    area = 0.0
    for index in range(1, len(recalls)):
        area += (recalls[index] - recalls[index - 1]) * max(precisions[index:])
    return area


def in_any(point: tuple[float, float], polygons: Sequence[Sequence[Sequence[float]]]) -> bool:
    return any(literal_inside(point, polygon) for polygon in polygons)


def literal_inside(point: tuple[float, float], polygon: Sequence[Sequence[float]]) -> bool:
    """Whether a ray in an odd direction crosses the edges an odd number of times; an edge is outside."""
    crossings = 0
    far = point[0] + 1e4, point[1] + 1e4 / math.pi
    for index in range(len(polygon)):
        a, b = polygon[index - 1], polygon[index]
        between = all(min(a[axis], b[axis]) <= point[axis] <= max(a[axis], b[axis]) for axis in (0, 1))
        if between and turn(a, b, point) == 0:
            return False
        if turn(a, b, point) * turn(a, b, far) < 0 and turn(point, far, a) * turn(point, far, b) < 0:
            crossings += 1
    return crossings % 2 == 1


def turn(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


# ---- random cases: whole numbers everywhere, so that ties, hits at the limit and points on edges occur


def random_problem(rng: np.random.Generator) -> tuple[Predictions, GroundTruth]:
    samples, rows = [], []
    for number in rng.permutation(12).tolist():
        people = tuple(random_person(rng) for _ in range(rng.integers(0, 5)))
        ignored = tuple(random_polygon(rng) for _ in range(rng.integers(0, 3)))
        samples.append(Sample(number, NoImage(), 120, 120, people, video="a", frame=number, ignored=ignored))
        for _ in range(rng.integers(0, 6)):
            rows.append((number, random_pose(rng, people)))
    rows = [rows[index] for index in rng.permutation(len(rows))]
    keypoints = np.array([pose for _, pose in rows], dtype=np.float64).reshape(-1, K, 2)
    scores = rng.integers(0, 9, keypoints.shape[:2]) / 8  # eighths, whose means are exact
    image_ids = np.array([number for number, _ in rows], dtype=np.int64)
    return Predictions(image_ids, keypoints, scores, rng.random(len(rows))), GroundTruth(
        POSETRACK_15, samples
    )


def random_person(rng: np.random.Generator) -> Person:
    pose = np.zeros((K, 3))
    labelled = rng.random(K) < rng.choice([0.0, 0.7, 1.0], p=[0.1, 0.6, 0.3])
    pose[labelled, :2] = rng.integers(0, 120, (int(labelled.sum()), 2))
    pose[labelled, 2] = rng.integers(1, 3, int(labelled.sum()))
    regions = {"head": HEAD} if rng.random() < 0.7 else {}
    return Person((10.0, 10.0, 30.0, 30.0), pose, 900.0, crowd=bool(rng.random() < 0.1), regions=regions)


def random_pose(rng: np.random.Generator, people: Sequence[Person]) -> NDArray[np.float64]:
    """A pose near somebody of the frame, or anywhere; some keypoints are not predicted."""
    pose = rng.integers(0, 120, (K, 2)).astype(np.float64)
    if people and rng.random() < 0.9:
        person = people[int(rng.integers(len(people)))]
        offset = np.array([(0, 0), (9, 12), (15, 0), (16, 0), (-20, 3)])[rng.integers(0, 5, K)]
        pose = person.keypoints[:, :2] + offset
    pose[rng.random(K) < 0.1] = np.nan
    return pose


def random_polygon(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.integers(0, 120, (rng.integers(3, 8), 2)).astype(np.float64)


@pytest.mark.parametrize("seed", range(30))
def test_equals_a_literal_count(seed: int) -> None:
    predictions, truth = random_problem(np.random.default_rng(seed))
    expected = literal(predictions, truth)
    evaluation = PoseTrackEvaluator().evaluate(predictions, truth)
    assert dict(evaluation.by_keypoint) == pytest.approx(expected, abs=1e-12)
    assert 0 < evaluation.metrics["mAP"] < 1
    assert evaluation.metrics["mAP"] == pytest.approx(sum(expected.values()) / len(expected), abs=1e-12)
    for name, joints in GROUPS.items():
        known = [expected[joint] for joint in joints if joint in expected]
        assert evaluation.metrics[name] == pytest.approx(sum(known) / len(known), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_poses_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predictions, truth = random_problem(rng)
    doubled = predictions.chosen(np.repeat(np.arange(len(predictions.scores)), 2))
    other = doubled.chosen(rng.permutation(len(doubled.scores)))
    assert PoseTrackEvaluator().evaluate(doubled, truth) == PoseTrackEvaluator().evaluate(other, truth)


def test_random_cases_hold_what_they_should() -> None:
    """Frames without anybody, crowds, points that regions hide, and ties would else be untested."""
    problems = [random_problem(np.random.default_rng(seed)) for seed in range(30)]
    people = [person for _, truth in problems for sample in truth.samples for person in sample.people]
    assert any(person.crowd for person in people)
    assert any(not person.regions and (person.keypoints[1:3, 2] > 0).all() for person in people)
    assert any(not person.regions and not (person.keypoints[1:3, 2] > 0).all() for person in people)
    assert any(not sample.people for _, truth in problems for sample in truth.samples)
    bare = [
        replace(truth, samples=[replace(sample, ignored=()) for sample in truth.samples])
        for _, truth in problems
    ]
    differ = [
        literal(predictions, truth) != literal(predictions, other)
        for (predictions, truth), other in zip(problems, bare, strict=True)
    ]
    assert sum(differ) > 20


# ---- the rules one by one


def moved(pose: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    return np.asarray(pose + np.array([x, y]))


POSE = np.stack([np.arange(K) * 20.0, np.full(K, 50.0)], axis=1)


def person(shift: float = 0.0, **changes: Any) -> Person:
    keypoints = np.concatenate([moved(POSE, 0, shift), np.full((K, 1), 2.0)], axis=1)
    return Person((0.0, 0.0, 300.0, 100.0), keypoints, 30000.0, **{"regions": {"head": HEAD}} | changes)


def frame(*people: Person, number: int = 7, **changes: Any) -> Sample:
    return Sample(number, NoImage(), 400, 400, people, **changes)


def predict(*poses: NDArray[np.float64], scores: Sequence[float] = (), images: Sequence[int] = ()) -> Any:
    array = np.array(poses, dtype=np.float64).reshape(-1, K, 2)
    each = np.array(scores or [1.0] * len(array), dtype=np.float64)
    ids = np.array(images or [7] * len(array), dtype=np.int64)
    return Predictions(ids, array, np.repeat(each[:, None], K, axis=1), np.arange(len(array), dtype=float))


def score(predictions: Predictions, *samples: Sample, keypoints: KeypointSet = POSETRACK_15) -> float:
    return PoseTrackEvaluator().evaluate(predictions, GroundTruth(keypoints, samples)).metrics["mAP"]


def test_half_a_head_size_is_near_enough() -> None:
    assert score(predict(moved(POSE, 9, 12)), frame(person())) == 1
    assert score(predict(moved(POSE, 9, 12.01)), frame(person())) == 0


def test_the_first_figure_is_the_mean_over_keypoints() -> None:
    pose = POSE.copy()
    pose[0] += 100
    evaluation = PoseTrackEvaluator().evaluate(predict(pose), GroundTruth(POSETRACK_15, [frame(person())]))
    assert evaluation.metrics["mAP"] == pytest.approx(14 / 15)
    assert evaluation.metrics["head"] == pytest.approx(2 / 3)
    assert evaluation.metrics["ankle"] == 1
    assert evaluation.by_keypoint["nose"] == 0


def test_a_surer_wrong_pose_halves_the_precision() -> None:
    wrong = moved(POSE, 0, 200)
    assert score(predict(POSE, wrong, scores=[0.9, 0.1]), frame(person())) == 1
    assert score(predict(POSE, wrong, scores=[0.1, 0.9]), frame(person())) == 0.5


def test_scores_are_the_keypoints_not_the_poses() -> None:
    predictions = predict(POSE, moved(POSE, 0, 200), scores=[0.9, 0.1])
    assert predictions.scores[1] > predictions.scores[0]
    assert score(predictions, frame(person())) == 1


def test_frames_count_together() -> None:
    """Three people found by two right poses and a wrong one between them: 1/3 x 1 + 1/3 x 2/3."""
    poses = predict(POSE, moved(POSE, 0, 200), POSE, scores=[0.9, 0.8, 0.7], images=[1, 2, 3])
    samples = [frame(person(), number=number) for number in (3, 1, 2)]
    assert score(poses, *samples) == pytest.approx(1 / 3 + 2 / 9)


def test_a_pose_serves_one_person_and_a_person_one_pose() -> None:
    assert score(predict(POSE), frame(person(), person(2.0))) == 0.5
    assert score(predict(POSE, POSE, scores=[0.1, 0.9]), frame(person())) == 1


def test_equal_scores_count_at_once() -> None:
    assert score(predict(POSE, POSE), frame(person())) == 0.5
    assert score(predict(moved(POSE, 0, 200), POSE), frame(person())) == 0.5


def test_frames_without_anybody_do_not_count() -> None:
    poses = predict(POSE, POSE, scores=[0.1, 0.9], images=[1, 2])
    assert score(poses, frame(person(), number=1), frame(number=2)) == 1
    nobody = replace(person(), keypoints=np.zeros((K, 3)))
    assert score(poses, frame(person(), number=1), frame(nobody, number=2)) == 0.5


def test_keypoints_that_are_not_predicted_are_missed_and_not_wrong() -> None:
    pose = POSE.copy()
    pose[3:] = np.nan
    assert score(predict(pose), frame(person())) == pytest.approx(3 / 15)
    wrong = moved(POSE, 0, 200)
    wrong[3:] = np.nan
    assert score(predict(POSE, wrong, scores=[0.1, 0.9]), frame(person())) == pytest.approx(
        (3 * 0.5 + 12) / 15
    )


def test_nothing_counts_in_ignore_regions() -> None:
    around = np.array([[-10.0, 180.0], [400.0, 180.0], [400.0, 320.0], [-10.0, 320.0]])
    poses = predict(POSE, moved(POSE, 0, 200), scores=[0.1, 0.9])
    assert score(poses, frame(person())) == 0.5
    assert score(poses, frame(person(), ignored=(around,))) == 1
    assert score(poses, frame(person(), person(200.0), ignored=(around,))) == 1
    crowd = replace(person(), box=(-10.0, 180.0, 410.0, 140.0), crowd=True)
    assert score(poses, frame(person(), crowd)) == 1


def test_a_head_without_a_box_is_measured_from_bottom_to_top() -> None:
    """They are 35 pixels apart, as in a head of diagonal 50."""
    bare = replace(person(), regions={})
    bare.keypoints[1, :2], bare.keypoints[2, :2] = (0.0, 0.0), (0.0, 35.0)
    pose = bare.keypoints[:, :2]
    assert score(predict(moved(pose, 15, 0)), frame(bare)) == 1
    assert score(predict(moved(pose, 15.01, 0)), frame(bare)) == 0


def test_people_without_any_head_do_not_count() -> None:
    headless = replace(person(200.0), regions={})
    headless.keypoints[1] = 0
    assert score(predict(POSE), frame(person(), headless)) == 1


def test_ears_that_are_never_labelled_do_not_count() -> None:
    columns = [POSETRACK_17.names.index(name) for name in NAMES]
    pose, keypoints = np.zeros((17, 2)), np.zeros((17, 3))
    pose[columns], keypoints[columns] = POSE, person().keypoints
    predictions = Predictions(np.array([7]), pose[None], np.ones((1, 17)), np.ones(1))
    assert score(predictions, frame(replace(person(), keypoints=keypoints)), keypoints=POSETRACK_17) == 1


def test_nobody_is_no_figure() -> None:
    evaluation = PoseTrackEvaluator().evaluate(predict(POSE), GroundTruth(POSETRACK_15, [frame()]))
    assert all(math.isnan(value) for value in evaluation.metrics.values())
    assert evaluation.by_keypoint == {}
    assert score(predict(), frame(person())) == 0


@pytest.mark.parametrize("keypoints", KEYPOINT_SETS.values(), ids=lambda keypoints: keypoints.name)
def test_a_set_without_a_head_needs_boxes(keypoints: KeypointSet) -> None:
    bare = Person((0, 0, 1, 1), np.ones((len(keypoints), 3)), 1.0)
    predictions = Predictions(
        np.array([7]), bare.keypoints[None, :, :2], np.ones((1, len(keypoints))), np.ones(1)
    )
    if {"head_top", "head"} & {*keypoints.names}:
        score(predictions, frame(bare), keypoints=keypoints)
        return
    with pytest.raises(PosenasError, match="posetrack: nobody has a head box, and keypoint set"):
        score(predictions, frame(bare), keypoints=keypoints)
    assert score(predictions, frame(replace(bare, regions={"head": HEAD})), keypoints=keypoints) == 1


def test_refuses_poses_of_other_images() -> None:
    with pytest.raises(PosenasError, match="predictions for 1 images"):
        score(predict(POSE, images=[8]), frame(person()))
    with pytest.raises(PosenasError, match="15 keypoints a pose"):
        score(predict(POSE), frame(), keypoints=COCO_17)


def test_inside_is_not_on_the_edge() -> None:
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    points = np.array([[2, 2], [4, 2], [0, 0], [2, 0], [2, 4], [5, 2], [-1, 2], [-1, 0], [5, 4]])
    assert is_inside(points, square).tolist() == [True] + [False] * 8
    assert is_inside(points, square[::-1]).tolist() == [True] + [False] * 8


@pytest.mark.parametrize("seed", range(5))
def test_inside_equals_a_literal_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    polygon, points = rng.integers(0, 8, (6, 2)).astype(float), rng.integers(0, 8, (60, 2)).astype(float)
    expected = [literal_inside((x, y), polygon.tolist()) for x, y in points.tolist()]
    assert is_inside(points, polygon).tolist() == expected
