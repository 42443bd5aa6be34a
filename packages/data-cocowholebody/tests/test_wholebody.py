"""COCO-WholeBody's metrics against the published tool's print, a literal implementation, and at the edges."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from data_cocowholebody.datasets.whole_body import WholeBodyDataset
from data_cocowholebody.evaluators.wholebody import WholebodyEvaluator
from literal_wholebody import PARTS, literal_wholebody
from numpy.typing import NDArray
from posenas import (
    COCO_17,
    COCO_WHOLEBODY_133,
    GroundTruth,
    KeypointSet,
    Person,
    PosenasError,
    Predictions,
    Sample,
)
from posenas.scoring import COCO_METRICS

GROUPS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
FACE, RIGHT_HAND = slice(23, 91), slice(112, 133)


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


def rows(entry: Mapping[str, Any]) -> NDArray[np.float64]:
    return np.concatenate([np.array(entry[group], dtype=np.float64).reshape(-1, 3) for group in GROUPS])


def example() -> tuple[Predictions, GroundTruth, list[list[str]]]:
    """The published example, and its printed figures: ten for each of the six parts."""
    folder = real_data("evaluator-examples")
    coco = json.loads((folder / "example_wholebody_val.json").read_text())
    results = json.loads((folder / "example_wholebody_preds.json").read_text())
    people: dict[int, list[Person]] = {image["id"]: [] for image in coco["images"]}
    for each in coco["annotations"]:
        people[each["image_id"]].append(
            Person(tuple(each["bbox"]), rows(each), each["area"], crowd=bool(each["iscrowd"]))
        )
    predicted = np.array([rows(each) for each in results])
    predictions = Predictions(
        np.array([each["image_id"] for each in results]),
        predicted[..., :2],
        predicted[..., 2],
        np.array([each["score"] for each in results]),
    )
    samples = [Sample(image, NoImage(), 640, 480, tuple(each)) for image, each in people.items()]
    lines = (folder / "xtcocotools_reference_output.txt").read_text().splitlines()
    start = lines.index("## demo_coco_wholebody") + 1
    printed = [line.rsplit("=", 1)[1].strip() for line in lines[start : start + 60]]
    figures = [printed[first : first + 10] for first in range(0, 60, 10)]
    return predictions, GroundTruth(COCO_WHOLEBODY_133, samples), figures


def figures_of(metrics: Mapping[str, float], part: str) -> list[str]:
    return [f"{metrics[f'{part}.{name}' if part else name]:.3f}" for name in COCO_METRICS]


def test_equals_the_published_figures() -> None:
    predictions, truth, printed = example()
    metrics = WholebodyEvaluator().evaluate(predictions, truth).metrics
    assert [figures_of(metrics, part) for part in PARTS] == printed


def test_the_dataset_reads_what_the_published_figures_are_of(tmp_path: Path) -> None:
    predictions, _, printed = example()
    file = real_data("evaluator-examples") / "example_wholebody_val.json"
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "coco_wholebody_val_v1.0.json").write_text(file.read_text())
    (tmp_path / "val2017").mkdir()
    for image in json.loads(file.read_text())["images"]:
        pixels = np.zeros((image["height"], image["width"], 3), np.uint8)
        cv2.imwrite(str(tmp_path / "val2017" / image["file_name"]), pixels)
    dataset = WholeBodyDataset(root=str(tmp_path))
    truth = GroundTruth(dataset.keypoints(), dataset.split("val"))
    metrics = WholebodyEvaluator().evaluate(predictions, truth).metrics
    assert [figures_of(metrics, part) for part in PARTS] == printed


def some_person(rng: np.random.Generator) -> Person:
    """Areas lie at the limits, visibility is fractional, and whole parts are invalid or absent."""
    x, y, width, height = rng.uniform((0, 0, 30, 30), (400, 300, 200, 200))
    places = rng.uniform((x, y), (x + width, y + height), (133, 2))
    visibility = rng.choice([0, 0.3, 1, 2], 133, p=[0.2, 0.2, 0.2, 0.4])
    for part, indices in PARTS.items():
        if part and rng.random() < 0.25:
            visibility[indices.start : indices.stop] = 0
    visibility *= rng.random() > 0.1
    keypoints = np.column_stack([places, visibility])
    keypoints[rng.random() < 0.3 and visibility == 0] = 0
    area = float(rng.choice([1023, 1024, 1025, 9215, 9216, 9217, 0.6 * width * height]))
    return Person((x, y, width, height), keypoints, area, crowd=bool(rng.random() < 0.1))


def some_pose(person: Person, rng: np.random.Generator) -> NDArray[np.float64]:
    noise = rng.choice([0, 0.002, 0.01, 0.03, 0.1, 1.0]) * math.sqrt(person.area)
    pose = person.keypoints[:, :2] + rng.normal(0, 1, (133, 2)) * noise
    if rng.random() < 0.2:  # a body whose box is at the limits of the ranges
        side = rng.choice([32, 96])
        pose[:17] = pose[0] + side * rng.integers(0, 2, (17, 2))
    if rng.random() < 0.2:
        pose[rng.random((133, 2)) < rng.choice([0.02, 0.5])] = np.nan
    return pose


def some_scores(rng: np.random.Generator) -> NDArray[np.float64]:
    """Scores of a pose's keypoints: those of some parts are all 0."""
    scores = rng.choice([0, 0.2, 0.9], 133)
    for indices in PARTS.values():
        if rng.random() < 0.15:
            scores[indices.start : indices.stop] = 0
    return scores


def some_problem(
    seed: int, images: int, *, decimals: int, part_scores: bool
) -> tuple[Predictions, GroundTruth]:
    """Images in no order, some without people, some without poses, a few with more than 20."""
    rng = np.random.default_rng(seed)
    samples, image_ids, poses = [], [], []
    for image in rng.permutation(images):
        people = [some_person(rng) for _ in range(rng.choice([0, 1, 2, 4], p=[0.2, 0.4, 0.3, 0.1]))]
        if people and rng.random() < 0.2:
            people.append(people[0])
        samples.append(Sample(int(image), NoImage(), 640, 480, tuple(people)))
        some = [some_pose(each, rng) for each in people for _ in range(rng.integers(0, 3))]
        some += [some_pose(some_person(rng), rng) for _ in range(rng.integers(0, 2))]
        some *= 15 if some and rng.random() < 0.02 else 1
        image_ids += [image] * len(some)
        poses += some
    order = rng.permutation(len(poses))
    predictions = Predictions(
        np.array(image_ids, dtype=np.int64)[order],
        np.array(poses).reshape(-1, 133, 2)[order],
        np.array([some_scores(rng) for _ in poses]).reshape(-1, 133),
        rng.random(len(poses)).round(decimals),
        {
            part: rng.random(len(poses)).round(decimals)
            for part in ("face", "left_hand", "right_hand")
            if part_scores
        },
    )
    return predictions, GroundTruth(COCO_WHOLEBODY_133, samples)


@pytest.mark.parametrize(
    ("seed", "decimals", "part_scores", "use_area"),
    [(0, 6, False, True), (1, 1, True, True), (2, 1, True, False), (3, 0, False, False)],
)
def test_equals_a_literal_implementation(seed: int, decimals: int, part_scores: bool, use_area: bool) -> None:
    predictions, truth = some_problem(seed, 50, decimals=decimals, part_scores=part_scores)
    expected = literal_wholebody(predictions, truth, use_area=use_area)
    metrics = WholebodyEvaluator(use_area=use_area).evaluate(predictions, truth).metrics
    assert metrics.keys() - expected.keys() == {f"hand.{name}" for name in COCO_METRICS}
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-9, nan_ok=True)


def person(*, area: float = 5000.0, labelled: slice = slice(133)) -> Person:
    """A person of 100 x 100 pixels with keypoints anywhere in its box."""
    places = np.random.default_rng(0).uniform(0, 100, (133, 2))
    visibility = np.zeros(133)
    visibility[labelled] = 2
    return Person((0, 0, 100, 100), np.column_stack([places, visibility]), area)


def scene(*people: Person, keypoints: KeypointSet = COCO_WHOLEBODY_133) -> GroundTruth:
    return GroundTruth(keypoints, [Sample(7, NoImage(), 640, 480, people)])


def poses(*keypoints: NDArray[np.float64]) -> Predictions:
    array = np.array(keypoints, dtype=np.float64).reshape(
        -1, 133, np.shape(keypoints)[-1] if keypoints else 2
    )
    count = len(array)
    return Predictions(np.full(count, 7), array[..., :2], np.ones((count, 133)), np.linspace(1, 0.5, count))


def evaluate(predictions: Predictions, truth: GroundTruth) -> Mapping[str, float]:
    return WholebodyEvaluator().evaluate(predictions, truth).metrics


def test_the_whole_comes_first_and_every_part_has_the_ten_metrics() -> None:
    names = [metric.name for metric in WholebodyEvaluator().metrics()]
    parts = ["body", "foot", "face", "left_hand", "right_hand", "hand"]
    assert names[:10] == ["AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"]
    assert names[10:] == [f"{part}.{name}" for part in parts for name in names[:10]]
    assert list(evaluate(poses(person().keypoints), scene(person()))) == names


def test_perfect_people_score_one_everywhere() -> None:
    people = [person(area=5000.0), person(area=20000.0)]
    people[1].keypoints[:, 0] += 300
    metrics = evaluate(poses(*(each.keypoints for each in people)), scene(*people))
    assert dict(metrics) == pytest.approx(dict.fromkeys(metrics, 1.0))


def test_nobody_predicted_scores_zero() -> None:
    metrics = evaluate(poses(), scene(person()))
    assert metrics["AP"] == metrics["face.AP"] == metrics["hand.AR"] == 0


def test_hand_is_the_mean_of_both_hands() -> None:
    pose = person().keypoints.copy()
    pose[RIGHT_HAND] += 1000
    metrics = evaluate(poses(pose), scene(person()))
    assert metrics["left_hand.AP"] == pytest.approx(1)
    assert metrics["right_hand.AP"] == 0
    assert metrics["hand.AP"] == pytest.approx(0.5)


def test_hand_is_the_one_hand_that_anybody_has() -> None:
    metrics = evaluate(poses(person().keypoints), scene(person(labelled=RIGHT_HAND)))
    assert math.isnan(metrics["left_hand.AP"])
    assert metrics["hand.AP"] == metrics["right_hand.AP"] == pytest.approx(1)
    nowhere = evaluate(poses(person().keypoints), scene(person(labelled=FACE)))
    assert math.isnan(nowhere["hand.AP"])


def test_a_pose_without_any_score_of_a_part_is_no_mistake_there() -> None:
    here, elsewhere = person(), person().keypoints + np.array((0, 300, 0))
    predictions = poses(elsewhere, here.keypoints)
    assert evaluate(predictions, scene(here))["face.AP"] == pytest.approx(0.5, abs=0.01)
    predictions.keypoint_scores[0, FACE] = 0
    metrics = evaluate(predictions, scene(here))
    assert metrics["face.AP"] == pytest.approx(1)
    assert metrics["foot.AP"] == pytest.approx(0.5, abs=0.01)


def test_a_part_is_ranked_by_its_own_score() -> None:
    here, elsewhere = person(), person().keypoints + np.array((0, 300, 0))
    predictions = replace(poses(elsewhere, here.keypoints), part_scores={"face": np.array([0.1, 0.9])})
    metrics = evaluate(predictions, scene(here))
    assert metrics["face.AP"] == pytest.approx(1)
    assert metrics["foot.AP"] == pytest.approx(0.5, abs=0.01)


def test_the_area_of_a_person_without_a_segment_is_taken_from_its_box() -> None:
    """The box has 5300 square pixels, which is medium; the file says 1."""
    truth = scene(person(area=1.0))
    predictions = poses(person().keypoints)
    assert math.isnan(evaluate(predictions, truth)["face.APM"])
    metrics = WholebodyEvaluator(use_area=False).evaluate(predictions, truth).metrics
    assert metrics["face.APM"] == pytest.approx(1)


def test_every_metric_tells_its_part_with_ten_of_each_and_of_the_whole() -> None:
    declared = WholebodyEvaluator().metrics()
    parts = ["", "body", "foot", "face", "left_hand", "right_hand", "hand"]
    assert [metric.part for metric in declared] == [part for part in parts for _ in range(10)]
    assert all(metric.name.rpartition(".")[0] == metric.part for metric in declared)


def test_keypoints_are_found_by_their_names_in_any_order() -> None:
    predictions, truth = some_problem(5, 20, decimals=2, part_scores=False)
    order = np.random.default_rng(0).permutation(133)
    own = COCO_WHOLEBODY_133
    shuffled = KeypointSet(
        "shuffled",
        tuple(own.names[index].upper().replace("-", "_") for index in order),
        (),
        tuple(own.sigmas[index] for index in order),
        (),
    )
    samples = [
        replace(
            sample, people=tuple(replace(each, keypoints=each.keypoints[order]) for each in sample.people)
        )
        for sample in truth.samples
    ]
    moved = replace(
        predictions,
        keypoints=predictions.keypoints[:, order],
        keypoint_scores=predictions.keypoint_scores[:, order],
    )
    metrics = evaluate(moved, GroundTruth(shuffled, samples))
    assert dict(metrics) == pytest.approx(dict(evaluate(predictions, truth)), abs=1e-9, nan_ok=True)


def test_by_keypoint_is_that_of_the_whole() -> None:
    pose = person().keypoints.copy()
    pose[0] += 1000
    by_keypoint = WholebodyEvaluator().evaluate(poses(pose), scene(person())).by_keypoint
    assert by_keypoint == pytest.approx({**dict.fromkeys(COCO_WHOLEBODY_133.names, 1.0), "nose": 0.0})


def test_sets_without_the_parts_are_refused() -> None:
    with pytest.raises(
        PosenasError, match=r"^wholebody: keypoint set 'coco-17' lacks 6 of the 6 keypoints left_"
    ):
        evaluate(poses(), scene(keypoints=COCO_17))
    own = COCO_WHOLEBODY_133
    bodiless = KeypointSet("bodiless", own.names[17:], (), own.sigmas[17:], ())
    with pytest.raises(PosenasError, match="no keypoint of the body"):
        evaluate(poses(), scene(keypoints=bodiless))
