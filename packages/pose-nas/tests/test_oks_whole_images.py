"""OKS metrics of whole images against pycocotools: many poses in an image, and poses of nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.contract.batches import Batch, Poses, View
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.whole_images import EvaluatedImages
from posenas.runs.predictions_file import load_predictions, save_predictions
from posenas.standard.evaluators.crowding import CROWDING, crowd_index
from posenas.standard.evaluators.oks import OksEvaluator
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

CPU = torch.device("cpu")
VIEW = View("image", 128, 192, 64)
SIDES = (20.0, 60.0, 90.0, 150.0)  # small, medium, medium, large


@dataclass(frozen=True)
class Blank:
    width: int
    height: int

    def read(self) -> NDArray[np.uint8]:
        return np.zeros((self.height, self.width, 3), np.uint8)


def random_person(rng: np.random.Generator, number: int, corner: NDArray[np.float64]) -> Person:
    side = float(rng.choice(SIDES))
    points = corner + side * rng.random((17, 2))
    visibility = rng.choice([0, 1, 2], 17, p=[0.2, 0.2, 0.6])
    box = (*corner.tolist(), side, side)
    return Person(box, np.column_stack([points, visibility]), side**2, crowd=rng.random() < 0.1, id=number)


def random_samples(seed: int) -> list[Sample]:
    """A third of the images has nobody, a third people apart from each other, a third a heap of people."""
    rng = np.random.default_rng(seed)
    samples = []
    for place, number in enumerate((rng.permutation(24) + 1).tolist()):
        width, height = rng.integers(300, 500, 2).tolist()
        people = []
        if place % 3:
            spread = 200.0 if place % 3 == 1 else 12.0
            corners = 20 + spread * rng.random((rng.integers(2, 6), 2))
            people = [random_person(rng, 100 * number + each, place) for each, place in enumerate(corners)]
        samples.append(Sample(number, Blank(width, height), width, height, tuple(people)))
    return samples


def poses_in(batch: Batch, rng: np.random.Generator) -> Poses:
    """Good and bad poses of everybody shown, and poses of nobody in every view, up to 30 of them in one."""
    assert batch.views is not None
    assert batch.pitch is not None
    keypoints, views = [], []
    for person, view in zip(batch.keypoints.double().numpy(), batch.views.tolist(), strict=True):
        for noise in rng.choice([0.0, 0.5, 1.5, 4.0], rng.integers(0, 4)):
            keypoints.append(person + noise * rng.normal(size=person.shape))
            views.append(view)
    for view in range(len(batch.images)):
        for _ in range(rng.choice([1, 4, 30])):
            keypoints.append(rng.choice([10.0, 30.0, 70.0]) * rng.random((17, 2)))
            views.append(view)
    order = rng.permutation(len(views))
    scores = rng.random(len(views)).round(2)
    return Poses(
        keypoints=torch.tensor(np.array(keypoints)[order]),
        keypoint_scores=torch.ones(len(views), 17),
        views=torch.tensor(views)[order],
        scores=torch.tensor(scores),
    )


def predict(samples: Sequence[Sample], seed: int, file: Path) -> Predictions:
    """Through the views and through a results file, as a run's predictions go."""
    rng = np.random.default_rng(seed)
    views = EvaluatedImages(samples, VIEW, COCO_17, rectangular=True, workers=0, on_unreadable=pytest.fail)
    found = views.locate([poses_in(batch, rng) for batch in views.batches(6, device=CPU)])
    save_predictions(file, found, keypoints=COCO_17)
    return load_predictions(file, keypoints=17)


def reference(samples: Sequence[Sample], file: Path, *, share_of_box: float = 1.0) -> list[float]:
    """Pycocotools' ten figures for these images; NaN where it says -1."""
    wanted = {sample.id for sample in samples}
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
                "area": share_of_box * person.area,
                "iscrowd": int(person.crowd),
                "keypoints": person.keypoints.ravel().tolist(),
                "num_keypoints": int((person.keypoints[:, 2] > 0).sum()),
            }
            for sample in samples
            for person in sample.people
        ],
    }
    truth.createIndex()
    results: list[dict[str, Any]] = json.loads(file.read_text())
    found = truth.loadRes([result for result in results if result["image_id"] in wanted])
    evaluation = COCOeval(truth, found, "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float("nan") if value == -1 else value for value in evaluation.stats.tolist()]


@pytest.mark.parametrize("seed", range(4))
def test_figures_by_size_are_pycocotools(seed: int, tmp_path: Path) -> None:
    samples = random_samples(seed)
    predictions = predict(samples, seed, tmp_path / "results.json")
    metrics = OksEvaluator().evaluate(predictions, GroundTruth(COCO_17, samples)).metrics
    expected = reference(samples, tmp_path / "results.json")
    assert np.isfinite(expected).all()
    assert len({round(value, 6) for value in expected}) > 6
    np.testing.assert_allclose(list(metrics.values()), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_figures_by_crowd_index_are_pycocotools_on_these_images(seed: int, tmp_path: Path) -> None:
    samples = random_samples(seed)
    predictions = predict(samples, seed, tmp_path / "results.json")
    evaluator = OksEvaluator(protocol="crowdpose")
    metrics = evaluator.evaluate(predictions, GroundTruth(COCO_17, samples)).metrics
    assert metrics["AP"] == pytest.approx(
        reference(samples, tmp_path / "results.json", share_of_box=0.53)[0], abs=1e-9
    )
    for name, (least, most) in CROWDING.items():
        chosen = [sample for sample in samples if least <= crowd_index(sample) < most]
        nobody = [sample for sample in chosen if not sample.people]
        assert len(nobody) == (8 if name == "easy" else 0)
        assert any(sample.people for sample in chosen)
        expected = reference(chosen, tmp_path / "results.json", share_of_box=0.53)[0]
        assert 0 < expected < 1
        assert metrics[f"AP_{name}"] == pytest.approx(expected, abs=1e-9)


def test_a_pose_in_an_image_of_nobody_is_a_mistake_of_its_size() -> None:
    """One medium and one large person, both found. Then a third image shows nobody, and a pose is found."""
    rng = np.random.default_rng(0)
    shown = []
    for number, side in ((1, 60.0), (2, 150.0)):
        points = 20 + side * np.concatenate([[[0.0, 0.0], [1.0, 1.0]], rng.random((15, 2))])
        person = Person((20, 20, side, side), np.column_stack([points, np.full(17, 2.0)]), side**2, id=number)
        shown.append(Sample(number, Blank(300, 300), 300, 300, (person,)))
    truth = GroundTruth(COCO_17, [*shown, Sample(3, Blank(300, 300), 300, 300, ())])
    points = np.array([sample.people[0].keypoints[:, :2] for sample in shown])
    found = Predictions(np.array([1, 2]), points, np.ones((2, 17)), np.array([0.8, 0.7]))
    perfect = OksEvaluator().evaluate(found, truth).metrics
    assert all(value == pytest.approx(1) for value in perfect.values())
    wrong = replace(
        found,
        image_ids=np.array([1, 2, 3]),
        keypoints=points[[0, 1, 0]],
        keypoint_scores=np.ones((3, 17)),
        scores=np.array([0.8, 0.7, 0.9]),
    )
    metrics = OksEvaluator().evaluate(wrong, truth).metrics
    assert metrics["AP"] == pytest.approx(2 / 3)  # the best of three poses is wrong
    assert metrics["APM"] == pytest.approx(1 / 2)
    assert metrics["APL"] == pytest.approx(1)  # the pose is of medium size
    assert metrics["AR"] == pytest.approx(1)
    crowded = OksEvaluator(protocol="crowdpose").evaluate(wrong, truth).metrics
    assert crowded["AP_easy"] == pytest.approx(2 / 3)
    assert np.isnan(crowded["AP_hard"])


def test_nobody_found_anywhere_is_a_results_file_too(tmp_path: Path) -> None:
    samples = random_samples(0)
    nobody = Predictions(np.zeros(0, np.int64), np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0))
    save_predictions(tmp_path / "results.json", nobody, keypoints=COCO_17)
    assert (tmp_path / "results.json").read_text() == "[]"
    loaded = load_predictions(tmp_path / "results.json", keypoints=17)
    assert loaded.keypoints.shape == (0, 17, 2)
    metrics = OksEvaluator().evaluate(loaded, GroundTruth(COCO_17, samples)).metrics
    assert set(metrics.values()) == {0.0}
