"""PCK against a literal implementation, against a published figure, and at the edges."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from posenas.contract.components import Evaluator
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, LSP_14, MPII_16
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.standard.evaluators.pck import PckEvaluator

TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


@dataclass(frozen=True)
class NoImage:
    def read(self) -> NDArray[np.uint8]:
        raise NotImplementedError


def real_data(name: str) -> Path:
    beside = Path(__file__).parents[4] / "shared" / "data"
    path = Path(os.environ.get("POSENAS_TEST_DATA", beside)) / name
    if not path.exists():
        pytest.skip(f"no {path}; set POSENAS_TEST_DATA to the folder of real data")
    return path


def keypoint_set(*names: str) -> KeypointSet:
    return KeypointSet("some", names, (), (0.05,) * len(names), ())


SQUARE = keypoint_set(*TORSO)


def person(visibility: Sequence[int] = (2, 2, 2, 2), *, crowd: bool = False) -> Person:
    """A torso of 30 x 40 pixels: both diagonals measure 50."""
    positions = np.array([(30, 0), (0, 0), (30, 40), (0, 40)], dtype=np.float64)
    return Person((0, 0, 60, 100), np.column_stack([positions, visibility]), 6000, crowd=crowd)


def scene(*people: Person, keypoints: KeypointSet = SQUARE) -> GroundTruth:
    return GroundTruth(keypoints, [Sample(7, NoImage(), 64, 64, people)])


def poses(*keypoints: NDArray[np.float64], image: int = 7) -> Predictions:
    array = np.array(keypoints, dtype=np.float64).reshape(-1, 4, 2)
    count = len(array)
    return Predictions(np.full(count, image), array, np.ones((count, 4)), np.ones(count))


def score(predictions: Predictions, truth: GroundTruth, threshold: float = 0.2) -> float:
    (value,) = PckEvaluator(threshold).evaluate(predictions, truth).metrics.values()
    return value


def moved(*distances: float) -> NDArray[np.float64]:
    """The pose of `person()`, each keypoint moved so many pixels to the right."""
    positions: NDArray[np.float64] = person().keypoints[:, :2] + np.column_stack([distances, np.zeros(4)])
    return positions


def literal_pck(predictions: Predictions, truth: GroundTruth, threshold: float) -> tuple[int, int]:
    """Correct and labelled keypoints, counted one by one."""
    correct = labelled = 0
    names = truth.keypoints.names
    for sample in truth.samples:
        for each in sample.people:
            if each.crowd:
                continue
            x, y, v = (dict(zip(names, column, strict=True)) for column in each.keypoints.T)
            lengths = []
            for a, b in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")):
                if v[a] > 0 and v[b] > 0:
                    lengths.append(math.hypot(x[a] - x[b], y[a] - y[b]))
            torso = 0.35 * max(each.box[2], each.box[3])
            if lengths:
                torso = sum(lengths) / len(lengths)
            least, nearest = math.inf, None
            for image, pose in zip(predictions.image_ids, predictions.keypoints, strict=True):
                if image == sample.id:
                    distances = {
                        name: math.hypot(pose[k][0] - x[name], pose[k][1] - y[name])
                        for k, name in enumerate(names)
                        if v[name] > 0
                    }
                    if distances and sum(distances.values()) / len(distances) < least:
                        least, nearest = sum(distances.values()) / len(distances), distances
            labelled += sum(v[name] > 0 for name in names)
            if nearest is not None:
                correct += sum(distance <= threshold * torso for distance in nearest.values())
    return correct, labelled


def random_problem(rng: np.random.Generator) -> tuple[Predictions, GroundTruth]:
    samples, image_ids, keypoints = [], [], []
    for image in rng.permutation(8).tolist():
        people = []
        for _ in range(rng.integers(0, 4)):
            rows = np.column_stack([rng.uniform(0, 100, (17, 2)), rng.integers(0, 3, 17)])
            box = (0.0, 0.0, *rng.uniform(50, 100, 2))
            people.append(Person(box, rows, 2000, crowd=bool(rng.random() < 0.1)))
            for _ in range(rng.integers(0, 3)):
                image_ids.append(image)
                keypoints.append(rows[:, :2] + rng.normal(0, 10, (17, 2)))
        samples.append(Sample(image, NoImage(), 100, 100, tuple(people)))
    order = rng.permutation(len(image_ids))
    array = np.array(keypoints)[order]
    scores = np.ones(len(array))
    predictions = Predictions(np.array(image_ids)[order], array, np.ones(array.shape[:2]), scores)
    return predictions, GroundTruth(COCO_17, samples)


@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_equals_a_literal_implementation(seed: int, threshold: float) -> None:
    predictions, truth = random_problem(np.random.default_rng(seed))
    correct, labelled = literal_pck(predictions, truth, threshold)
    assert 0 < correct < labelled
    assert score(predictions, truth, threshold) == correct / labelled


def test_the_mean_pose_in_the_box_scores_the_published_figure() -> None:
    folder = real_data("lspet")
    rows, boxes = {}, {}
    for split in ("train", "val"):
        annotations = json.loads((folder / f"{split}.json").read_text())["annotations"]
        rows[split] = np.array([each["keypoints"] for each in annotations], dtype=np.float64).reshape(
            -1, 14, 3
        )
        boxes[split] = np.array([each["bbox"] for each in annotations])
    in_box = (rows["train"][..., :2] - boxes["train"][:, None, :2]) / boxes["train"][:, None, 2:]
    labelled = rows["train"][..., 2:] > 0
    mean_pose = (in_box * labelled).sum(axis=0) / labelled.sum(axis=0)
    samples = [
        Sample(image, NoImage(), 1, 1, (Person(tuple(box), row, 1.0),))
        for image, (row, box) in enumerate(zip(rows["val"], boxes["val"], strict=True))
    ]
    predicted = boxes["val"][:, None, :2] + mean_pose * boxes["val"][:, None, 2:]
    ones = np.ones(predicted.shape[:2])
    predictions = Predictions(np.arange(len(samples)), predicted, ones, ones[:, 0])
    assert round(score(predictions, GroundTruth(LSP_14, samples)), 3) == 0.047


def test_is_named_after_its_threshold() -> None:
    evaluator: Evaluator = PckEvaluator(threshold=0.05)
    evaluation = evaluator.evaluate(poses(moved(0, 0, 0, 0)), scene(person()))
    assert [metric.name for metric in evaluator.metrics()] == ["PCK@0.05"] == list(evaluation.metrics)
    assert PckEvaluator().metrics()[0].name == "PCK@0.2"


def test_a_keypoint_at_the_limit_is_correct() -> None:
    evaluation = PckEvaluator().evaluate(poses(moved(10, 10.001, 0, 11)), scene(person()))
    assert evaluation.metrics == {"PCK@0.2": 0.5}
    assert evaluation.by_keypoint == dict(zip(TORSO, (1, 0, 1, 0), strict=True))


def test_the_torso_is_the_mean_of_both_diagonals() -> None:
    leaning = person()
    leaning.keypoints[0, :2] = (0, 140)  # left shoulder, 100 from the right hip
    predicted = leaning.keypoints[:, :2] + np.array([(15, 0), (15.001, 0), (0, 0), (0, 0)])
    assert score(poses(predicted), scene(leaning)) == 0.75


@pytest.mark.parametrize("hidden", range(4))
def test_one_diagonal_is_enough(hidden: int) -> None:
    visibility = [2, 1, 2, 1]
    visibility[hidden] = 0
    truth = scene(person(visibility))
    assert score(poses(moved(10, 10, 10, 10)), truth) == 1
    assert score(poses(moved(11, 11, 11, 11)), truth) == 0


def test_without_a_torso_the_box_decides() -> None:
    truth = scene(person((2, 2, 0, 0)))
    assert score(poses(moved(6.999, 7.001, 0, 0)), truth) == 0.5


def test_unlabelled_keypoints_do_not_count() -> None:
    evaluation = PckEvaluator().evaluate(poses(moved(0, 900, 0, 900)), scene(person((2, 0, 2, 0))))
    assert evaluation.metrics == {"PCK@0.2": 1}
    assert list(evaluation.by_keypoint) == ["left_shoulder", "left_hip"]


def test_each_person_takes_the_nearest_pose() -> None:
    near, far = moved(0, 0, 0, 20), moved(9, 9, 9, 9)
    assert score(poses(far, near), scene(person())) == 0.75
    assert score(poses(near), scene(person(), person())) == 0.75


def test_people_without_poses_are_missed() -> None:
    truth = GroundTruth(SQUARE, [*scene(person()).samples, Sample(8, NoImage(), 64, 64, (person(),))])
    assert score(poses(moved(0, 0, 0, 0)), truth) == 0.5
    assert score(poses(), truth) == 0


def test_crowds_do_not_count() -> None:
    assert score(poses(moved(0, 0, 0, 0)), scene(person(), person(crowd=True))) == 1


def test_coordinates_that_are_not_numbers_are_missed() -> None:
    broken = moved(0, math.nan, 0, math.nan)
    assert score(poses(broken), scene(person())) == 0.5
    assert score(poses(broken, moved(0, 0, 0, 20)), scene(person())) == 0.75


@pytest.mark.parametrize("people", [(), (person((0, 0, 0, 0)),), (person(crowd=True),)])
def test_without_labels_it_is_not_a_number(people: tuple[Person, ...]) -> None:
    evaluation = PckEvaluator().evaluate(poses(), scene(*people))
    assert math.isnan(evaluation.metrics["PCK@0.2"])
    assert not evaluation.by_keypoint


@pytest.mark.parametrize(
    "names",
    [
        ("LeftShoulder", "RightShoulder", "LeftHip", "RightHip"),
        ("l_shoulder", "r_shoulder", "l_hip", "r_hip"),
        ("lshoulder", "rshoulder", "lhip", "rhip"),
        ("shoulder_l", "shoulder_r", "hip_l", "hip_r"),
        ("left shoulder", "right shoulder", "Left hip", "Right hip"),
        ("shoulder left", "shoulder right", "hip left", "hip right"),
    ],
)
def test_knows_other_spellings(names: tuple[str, ...]) -> None:
    assert score(poses(moved(10, 10, 0, 11)), scene(person(), keypoints=keypoint_set(*names))) == 0.75


@pytest.mark.parametrize("keypoints", [COCO_17, LSP_14, MPII_16], ids=lambda keypoints: keypoints.name)
def test_knows_the_torso_of_the_known_sets(keypoints: KeypointSet) -> None:
    predictions = replace(poses(), keypoints=np.zeros((0, len(keypoints), 2)))
    assert math.isnan(score(predictions, GroundTruth(keypoints, [])))


def test_refuses_a_set_without_a_torso() -> None:
    truth = GroundTruth(keypoint_set("left_shoulder", "right_shoulder", "pelvis", "neck"), [])
    with pytest.raises(PosenasError, match="'some' has no right hip"):
        PckEvaluator().evaluate(poses(), truth)


def test_refuses_poses_of_other_images() -> None:
    with pytest.raises(PosenasError, match="id 9 the first"):
        PckEvaluator().evaluate(poses(moved(0, 0, 0, 0), image=9), scene(person()))


def test_a_negative_visibility_is_no_label():
    """As written by tools that mark missing keypoints with -1: the diagonal that is left has 50 pixels."""
    truth = [scene(person((missing, 2, 2, 2))) for missing in (0, -1)]
    far = [poses(person().keypoints[:, :2] + (offset, 0)) for offset in (9, 11)]
    scores = [[PckEvaluator().evaluate(each, one).metrics["PCK@0.2"] for each in far] for one in truth]
    assert scores == [[1, 0], [1, 0]]


def test_the_greatest_image_id():
    last = GroundTruth(SQUARE, [Sample(2**63 - 1, NoImage(), 64, 64, (person(),))])
    predictions = poses(person().keypoints[:, :2], image=2**63 - 1)
    assert PckEvaluator().evaluate(predictions, last).metrics == {"PCK@0.2": 1}
