"""OKS metrics against pycocotools, against published figures, and at the edges."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from posenas.contract.components import Evaluator
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.similarity import pairs_by_image, people_of, pose_similarity
from posenas.standard.evaluators.oks import OksEvaluator
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

NAMES = ["AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"]
THREE = KeypointSet("three", ("a", "b", "c"), (), (0.05, 0.05, 0.05), ())


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


def truth_of(coco: dict[str, Any], keypoints: KeypointSet = COCO_17) -> GroundTruth:
    """The samples of a COCO file. Images come in the file's order, which need not be that of their ids."""
    people: dict[int, list[Person]] = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        people[annotation["image_id"]].append(
            Person(
                tuple(annotation["bbox"]),
                np.array(annotation["keypoints"], dtype=np.float64).reshape(-1, 3),
                annotation["area"],
                crowd=bool(annotation["iscrowd"]),
                id=annotation["id"],
            )
        )
    return GroundTruth(
        keypoints, [Sample(image, NoImage(), 640, 480, tuple(each)) for image, each in people.items()]
    )


def predictions_of(results: Sequence[dict[str, Any]], keypoints: int = 17) -> Predictions:
    rows = np.array([result["keypoints"] for result in results], dtype=np.float64).reshape(-1, keypoints, 3)
    return Predictions(
        np.array([result["image_id"] for result in results], dtype=np.int64),
        rows[..., :2],
        rows[..., 2],
        np.array([result["score"] for result in results], dtype=np.float64),
    )


def reference(
    coco: dict[str, Any], results: Sequence[dict[str, Any]], keypoints: KeypointSet = COCO_17
) -> COCOeval:
    truth = COCO()
    truth.dataset = coco
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes([dict(result) for result in results]), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(keypoints.sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def assert_equals_reference(
    coco: dict[str, Any], results: Sequence[dict[str, Any]], keypoints: KeypointSet = COCO_17
) -> None:
    expected = reference(coco, results, keypoints).stats
    predictions = predictions_of(results, len(keypoints))
    actual = OksEvaluator().evaluate(predictions, truth_of(coco, keypoints)).metrics
    assert list(actual) == NAMES
    expected = np.where(expected == -1, np.nan, expected)
    np.testing.assert_allclose(list(actual.values()), expected, rtol=0, atol=1e-9)


def result(image: int, pose: NDArray[np.float64], score: float) -> dict[str, Any]:
    row = np.column_stack([pose, np.ones(len(pose))]).ravel().tolist()
    return {"image_id": image, "category_id": 1, "keypoints": row, "score": score}


def jittered(
    coco: dict[str, Any], rng: np.random.Generator, copies: int, decimals: int
) -> list[dict[str, Any]]:
    """Noisy and exact copies of most people in about 90 % of the images, and poses elsewhere in the box."""
    results = []
    left_out = set(rng.choice([image["id"] for image in coco["images"]], len(coco["images"]) // 10))
    for annotation in coco["annotations"]:
        x, y, width, height = annotation["bbox"]
        positions = np.array(annotation["keypoints"], dtype=np.float64).reshape(-1, 3)[:, :2]
        for _ in range(rng.integers(0, copies + 1)):
            noise = rng.choice([0, 0.02, 0.05, 0.1, 0.3]) * annotation["area"] ** 0.5
            pose = positions + rng.normal(0, noise, positions.shape) if noise else positions
            if rng.random() < 0.3 or not annotation["num_keypoints"]:
                pose = rng.uniform((x, y), (x + width, y + height), positions.shape)
            if annotation["image_id"] not in left_out:
                results.append(result(annotation["image_id"], pose, round(float(rng.random()), decimals)))
    rng.shuffle(results)
    return results


def random_scene(
    rng: np.random.Generator, keypoints: KeypointSet
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A few images on a coarse grid, so that scores, similarities and areas are often equal or on a limit."""
    images = [int(image) for image in rng.permutation(5) + 1]
    shape = (len(keypoints), 2)
    annotations: list[dict[str, Any]] = []
    results = []
    for image in images:
        for _ in range(rng.integers(0, 5)):
            visibility = rng.integers(0, 3, len(keypoints)) * (rng.random() < 0.8)
            rows = np.column_stack([rng.integers(0, 3, shape) * 4.0, visibility])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "bbox": [*rng.integers(0, 4, 2) * 8.0, *rng.integers(1, 4, 2) * 8.0],
                    "area": float(rng.choice([1023, 1024, 2000, 9216, 9217])),
                    "iscrowd": int(rng.random() < 0.15),
                    "keypoints": rows.ravel().tolist(),
                    "num_keypoints": int((visibility > 0).sum()),
                }
            )
        for _ in range(rng.choice([0, 2, 5, 26])):
            side = rng.choice([4.0, 16.0, 48.0])
            results.append(result(image, rng.integers(0, 3, shape) * side, float(rng.integers(0, 4))))
    results.append(result(images[0], np.zeros(shape), 0.5))  # pycocotools reads no empty list
    rng.shuffle(results)
    coco = {
        "images": [{"id": image} for image in images],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": annotations,
    }
    return coco, results


def coco_val() -> dict[str, Any]:
    coco: dict[str, Any] = json.loads(
        (real_data("coco-val538") / "person_keypoints_val2017_first538.json").read_text()
    )
    return coco


@pytest.mark.parametrize(("seed", "copies", "decimals"), [(0, 6, 6), (1, 8, 1), (2, 3, 0)])
def test_equals_pycocotools_on_coco(seed: int, copies: int, decimals: int) -> None:
    coco = coco_val()
    results = jittered(coco, np.random.default_rng(seed), copies, decimals)
    images = [each["image_id"] for each in results]
    assert np.unique(images, return_counts=True)[1].max() > 20
    assert any(annotation["iscrowd"] for annotation in coco["annotations"])
    assert_equals_reference(coco, results)


@pytest.mark.parametrize("keypoints", [THREE, COCO_17], ids=lambda keypoints: keypoints.name)
@pytest.mark.parametrize("seed", range(60))
def test_equals_pycocotools_where_much_is_equal(seed: int, keypoints: KeypointSet) -> None:
    assert_equals_reference(*random_scene(np.random.default_rng(seed), keypoints), keypoints)


def test_equals_the_published_figures() -> None:
    folder = real_data("evaluator-examples")
    coco = json.loads((folder / "example_coco_val.json").read_text())
    results = json.loads((folder / "example_coco_preds.json").read_text())
    lines = (folder / "xtcocotools_reference_output.txt").read_text().splitlines()
    start = lines.index("## demo_coco") + 1
    printed = [line.rsplit("=", 1)[1].strip() for line in lines[start : start + 10]]
    metrics = OksEvaluator().evaluate(predictions_of(results), truth_of(coco)).metrics
    assert [f"{value:.3f}" for value in metrics.values()] == printed


def test_similarity_equals_pycocotools_to_the_last_bit() -> None:
    coco = coco_val()
    results = jittered(coco, np.random.default_rng(3), 2, 6)
    evaluation = reference(coco, results)
    truth, predictions = truth_of(coco), predictions_of(results)
    order = np.lexsort((-predictions.scores, predictions.image_ids))
    image_ids = predictions.image_ids[order]
    people = people_of(truth)
    pairs = pairs_by_image(image_ids, people.image_ids)
    similarity = pose_similarity(
        predictions.keypoints[order], people, pairs=pairs, sigmas=np.array(COCO_17.sigmas)
    )
    compared = 0
    for image in np.unique(image_ids):
        expected = evaluation.ious[image, 1]
        if len(expected) and np.count_nonzero(image_ids == image) <= 20:
            np.testing.assert_array_equal(similarity[image_ids[pairs.predicted] == image], expected.ravel())
            compared += expected.size
    assert compared > 1000


def person(visibility: Sequence[float] = (2, 1, 0), *, area: float = 2000, crowd: bool = False) -> Person:
    positions = [(10, 10), (20, 30), (40, 20)]
    keypoints = np.column_stack([np.array(positions), np.array(visibility)]).astype(np.float64)
    return Person((0, 0, 50, 40), keypoints, area, crowd=crowd)


def scene(*people: Person) -> GroundTruth:
    return GroundTruth(THREE, [Sample(7, NoImage(), 64, 64, people)])


def poses(*keypoints: NDArray[np.float64]) -> Predictions:
    array = np.array(keypoints, dtype=np.float64).reshape(-1, 3, 2)
    count = len(array)
    return Predictions(
        np.full(count, 7, dtype=np.int64), array, np.ones((count, 3)), np.linspace(1, 0.5, count)
    )


def test_by_keypoint_is_the_mean_of_the_terms_of_the_most_similar_pose() -> None:
    first = person((2, 2, 0))
    far, near = first.keypoints[:, :2] + 30, first.keypoints[:, :2] + (3, 4)
    unseen = Sample(8, NoImage(), 64, 64, (person((0, 2, 0)), person((2, 2, 2), crowd=True)))
    truth = GroundTruth(THREE, [*scene(first).samples, unseen])
    term = math.exp(-25 / (2 * (2 * 0.05) ** 2 * 2000))
    by_keypoint = OksEvaluator().evaluate(poses(far, near), truth).by_keypoint
    assert by_keypoint == pytest.approx({"a": term, "b": term / 2})


def test_declares_what_it_measures() -> None:
    evaluator: Evaluator = OksEvaluator()
    assert [metric.name for metric in evaluator.metrics()] == NAMES
    assert all(metric.higher_is_better for metric in evaluator.metrics())


def test_perfect_poses_score_one() -> None:
    medium, large = person(area=2000), person(area=20000)
    large = replace(large, keypoints=large.keypoints + np.array([100, 0, 0]))
    predictions = poses(medium.keypoints[:, :2], large.keypoints[:, :2])
    metrics = OksEvaluator().evaluate(predictions, scene(medium, large)).metrics
    assert dict(metrics) == pytest.approx(dict.fromkeys(NAMES, 1.0))


def test_nothing_predicted_scores_zero() -> None:
    evaluation = OksEvaluator().evaluate(poses(), scene(person()))
    assert evaluation.metrics["AP"] == evaluation.metrics["AR"] == 0
    assert evaluation.by_keypoint == {"a": 0, "b": 0}


@pytest.mark.parametrize(
    "people", [(), (person(crowd=True),), (person((0, 0, 0)),)], ids=["nobody", "a crowd", "nothing labelled"]
)
def test_metrics_without_people_are_not_numbers(people: tuple[Person, ...]) -> None:
    evaluation = OksEvaluator().evaluate(poses(np.zeros((3, 2))), scene(*people))
    assert all(math.isnan(value) for value in evaluation.metrics.values())
    assert not evaluation.by_keypoint


def test_only_the_area_ranges_without_people_are_not_numbers() -> None:
    truth = scene(person(area=2000))
    metrics = OksEvaluator().evaluate(poses(person().keypoints[:, :2]), truth).metrics
    assert metrics["APM"] == metrics["AP"] == pytest.approx(1)
    assert math.isnan(metrics["APL"])
    assert math.isnan(metrics["ARL"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pose_that_is_not_finite_is_no_match(value: float) -> None:
    truth = scene(person())
    evaluation = OksEvaluator().evaluate(poses(np.full((3, 2), value)), truth)
    assert evaluation.metrics["AP"] == evaluation.metrics["AR"] == 0
    assert evaluation.by_keypoint == {"a": 0, "b": 0}


def test_refuses_poses_of_other_images() -> None:
    other = replace(poses(np.zeros((3, 2))), image_ids=np.array([9]))
    with pytest.raises(PosenasError, match="id 9 the first"):
        OksEvaluator().evaluate(other, scene(person()))


def test_refuses_poses_of_another_keypoint_set() -> None:
    truth = GroundTruth(COCO_17, [])
    with pytest.raises(PosenasError, match=f"3 keypoints a pose, keypoint set '{COCO_17.name}' has 17"):
        OksEvaluator().evaluate(poses(), truth)
