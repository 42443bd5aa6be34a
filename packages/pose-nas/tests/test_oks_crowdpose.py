"""CrowdPose's metrics against its reference tool, and against pycocotools on each set of images."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import CROWDPOSE_14
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.coco.dataset import CocoDataset
from posenas.standard.evaluators.crowding import CROWDING, crowd_index
from posenas.standard.evaluators.oks import OksEvaluator
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

NAMES = ["AP", "AP50", "AP75", "AR", "AR50", "AR75", "AP_easy", "AP_medium", "AP_hard"]
EVALUATOR = OksEvaluator(protocol="crowdpose")


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


def dataset_of(annotations: Path, folder: Path) -> CocoDataset:
    """The annotations with an image, so that they are read as a user's are."""
    content = json.loads(annotations.read_text())
    (folder / "val.json").write_text(json.dumps(content))
    cv2.imwrite(str(folder / content["images"][0]["file_name"]), np.zeros((4, 4, 3), np.uint8))
    return CocoDataset(root=str(folder))


def predictions_of(results: Sequence[dict[str, Any]]) -> Predictions:
    rows = np.array([result["keypoints"] for result in results], dtype=np.float64).reshape(-1, 14, 3)
    return Predictions(
        np.array([result["image_id"] for result in results], dtype=np.int64),
        rows[..., :2],
        rows[..., 2],
        np.array([result["score"] for result in results], dtype=np.float64),
    )


def example(folder: Path) -> tuple[Predictions, GroundTruth]:
    data = real_data("evaluator-examples")
    dataset = dataset_of(data / "example_crowdpose_val.json", folder)
    predictions = predictions_of(json.loads((data / "example_crowdpose_preds.json").read_text()))
    return predictions, GroundTruth(dataset.keypoints(), dataset.split("val"))


def test_equals_what_the_reference_tool_prints(tmp_path: Path) -> None:
    predictions, truth = example(tmp_path)
    assert truth.keypoints == CROWDPOSE_14
    lines = (real_data("evaluator-examples") / "xtcocotools_reference_output.txt").read_text().splitlines()
    start = lines.index("## demo_crowdpose") + 1
    printed = [line.rsplit("=", 1)[1].strip() for line in lines[start : start + 9]]
    metrics = EVALUATOR.evaluate(predictions, truth).metrics
    assert list(metrics) == NAMES == [metric.name for metric in EVALUATOR.metrics()]
    assert [f"{value:.3f}" for value in metrics.values()] == printed


def test_the_protocols_measure_differently(tmp_path: Path) -> None:
    predictions, truth = example(tmp_path)
    coco = OksEvaluator().evaluate(predictions, truth).metrics
    assert coco["AP"] != EVALUATOR.evaluate(predictions, truth).metrics["AP"]


@pytest.mark.parametrize(
    "name", ["evaluator-examples/example_crowdpose_val.json", "samples/crowdpose/test_crowdpose.json"]
)
def test_the_computed_crowd_index_is_the_annotated_one(tmp_path: Path, name: str) -> None:
    samples = dataset_of(real_data(name), tmp_path).split("val")
    assert len(samples) >= 2
    for sample in samples:
        assert sample.crowd_index is not None
        # Files round to two digits, some of them down.
        assert crowd_index(replace(sample, crowd_index=None)) == pytest.approx(sample.crowd_index, abs=0.01)


def random_samples(rng: np.random.Generator) -> list[Sample]:
    """Images on a coarse grid with a crowd index on or between the limits, in no order of their ids."""
    samples = []
    for image in (rng.permutation(12) + 1).tolist():
        people = []
        for number in range(rng.integers(0, 5)):
            visibility = rng.integers(0, 3, 14) * (rng.random() < 0.8)
            rows = np.column_stack([rng.integers(0, 3, (14, 2)) * 4.0, visibility])
            box = (*(rng.integers(0, 4, 2) * 8.0).tolist(), *(rng.integers(3, 9, 2) * 8.0).tolist())
            identity = 100 * image + number
            people.append(Person(box, rows, 7.0, crowd=bool(rng.random() < 0.1), id=identity))
        index = float(rng.choice([0.0, 0.1, 0.19, 0.2, 0.5, 0.79, 0.8, 1.4]))
        samples.append(Sample(image, NoImage(), 64, 64, tuple(people), crowd_index=index))
    return samples


def random_results(samples: Sequence[Sample], rng: np.random.Generator) -> list[dict[str, Any]]:
    results = []
    for sample in samples:
        for _ in range(rng.choice([1, 3, 25])):
            row = np.column_stack([rng.integers(0, 3, (14, 2)) * 4.0, np.ones(14)])
            if sample.people and rng.random() < 0.5:
                row[:, :2] = rng.choice(np.array(sample.people, dtype=object)).keypoints[:, :2]
            score = float(rng.integers(0, 6))
            results.append(
                {"image_id": sample.id, "category_id": 1, "keypoints": row.ravel().tolist(), "score": score}
            )
    return results


def reference(samples: Sequence[Sample], results: Sequence[dict[str, Any]]) -> COCOeval:
    """pycocotools on some of the images alone, a person's area being 0.53 of its box."""
    truth = COCO()
    truth.dataset = {
        "images": [{"id": sample.id} for sample in samples],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {
                "id": person.id,
                "image_id": sample.id,
                "category_id": 1,
                "bbox": list(person.box),
                "area": 0.53 * person.box[2] * person.box[3],
                "iscrowd": int(person.crowd),
                "keypoints": person.keypoints.ravel().tolist(),
                "num_keypoints": int((person.keypoints[:, 2] > 0).sum()),
            }
            for sample in samples
            for person in sample.people
        ],
    }
    truth.createIndex()
    wanted = {sample.id for sample in samples}
    found = truth.loadRes([dict(result) for result in results if result["image_id"] in wanted])
    evaluation = COCOeval(truth, found, "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(CROWDPOSE_14.sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("seed", range(12))
def test_equals_pycocotools_on_each_set_of_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = random_samples(rng)
    results = random_results(samples, rng)
    stats = reference(samples, results).stats
    expected = [stats[0], stats[1], stats[2], stats[5], stats[6], stats[7]]
    limits = {"easy": lambda index: index < 0.2, "medium": lambda index: 0.2 <= index < 0.8}
    limits["hard"] = lambda index: index >= 0.8
    for contains in limits.values():
        chosen = [sample for sample in samples if contains(sample.crowd_index)]
        assert chosen
        expected.append(reference(chosen, results).stats[0])
    metrics = EVALUATOR.evaluate(predictions_of(results), GroundTruth(CROWDPOSE_14, samples)).metrics
    expected = [math.nan if value == -1 else value for value in expected]
    np.testing.assert_allclose(list(metrics.values()), expected, rtol=0, atol=1e-9)


def test_the_ranges_of_the_crowd_index_leave_no_gap() -> None:
    ends = list(CROWDING.values())
    assert ends[0][0] == 0
    assert math.isinf(ends[-1][1])
    assert all(lower[1] == upper[0] for lower, upper in itertools.pairwise(ends))


def box_of(left: float, width: float, points: Sequence[tuple[float, float]]) -> Person:
    rows = np.zeros((14, 3))
    for row, (x, y) in zip(rows, points, strict=False):
        row[:] = x, y, 2
    return Person((left, 0, width, 10), rows, 1)


def test_the_crowd_index_counts_labelled_keypoints_of_others_in_the_box() -> None:
    first = box_of(0, 10, [(1, 1), (2, 2), (9, 9), (5, 5)])
    second = box_of(8, 10, [(10, 10), (18, 1)])  # the first point is on a corner of the first box
    nobody = box_of(0, 100, [])
    sample = Sample(1, NoImage(), 64, 64, (first, second, nobody))
    assert crowd_index(sample) == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert crowd_index(replace(sample, people=(first,))) == 0
    assert crowd_index(replace(sample, people=())) == crowd_index(replace(sample, people=(nobody,))) == 0
    assert crowd_index(replace(sample, crowd_index=0.9)) == 0.9


def test_without_hard_images_their_metric_is_not_a_number() -> None:
    sample = Sample(1, NoImage(), 64, 64, (box_of(0, 10, [(1, 1), (2, 2)]),))
    rows = sample.people[0].keypoints[None, :, :2]
    predictions = Predictions(np.array([1]), rows, np.ones((1, 14)), np.ones(1))
    metrics = EVALUATOR.evaluate(predictions, GroundTruth(CROWDPOSE_14, [sample])).metrics
    assert metrics["AP_easy"] == pytest.approx(1)
    assert math.isnan(metrics["AP_medium"])
    assert math.isnan(metrics["AP_hard"])


def small_file(folder: Path, *, image: dict[str, Any], annotation: dict[str, Any]) -> CocoDataset:
    content = {
        "categories": [{"id": 1, "name": "person", "keypoints": ["neck", "head_top"]}],
        "images": [{"id": 1, "file_name": "a.png", "width": 4, "height": 4, **image}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [1, 3, 2, 1, 1, 2], **annotation}
        ],
    }
    (folder / "val.json").write_text(json.dumps(content))
    cv2.imwrite(str(folder / "a.png"), np.zeros((4, 4, 3), np.uint8))
    return CocoDataset(root=str(folder))


def test_files_may_tell_the_crowd_index_and_the_head_box(tmp_path: Path) -> None:
    (plain,) = small_file(tmp_path, image={}, annotation={}).split("val")
    assert plain.crowd_index is None
    assert plain.people[0].regions == {}
    told = small_file(tmp_path, image={"crowdIndex": 1}, annotation={"bbox_head": [1, 2, 3, 4.5]})
    (sample,) = told.split("val")
    assert sample.crowd_index == 1.0
    assert sample.people[0].regions == {"head": (1, 2, 3, 4.5)}
    (empty,) = small_file(tmp_path, image={}, annotation={"bbox_head": [1, 2, 0, 0]}).split("val")
    assert empty.people[0].regions == {}


@pytest.mark.parametrize(
    ("image", "annotation", "says"),
    [
        ({"crowdIndex": "high"}, {}, "crowdIndex must be a number from 0, not 'high'"),
        ({"crowdIndex": math.nan}, {}, "crowdIndex must be a number from 0, not nan"),
        ({}, {"bbox_head": [1, 2, 3]}, "bbox_head must be four finite numbers"),
    ],
)
def test_malformed_fields_are_told(
    tmp_path: Path, image: dict[str, Any], annotation: dict[str, Any], says: str
) -> None:
    with pytest.raises(PosenasError, match=says):
        small_file(tmp_path, image=image, annotation=annotation).split("val")
