"""Poses in a detector's boxes, against HRNet's rules as literal loops."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.composing.compose import compose
from posenas.contract.batches import Poses
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.scores import Predictions
from posenas.data.detected_poses import DetectionRules, judged, rescored, staying
from posenas.data.views import EvaluatedViews
from posenas.runs.recipe import recipe_from_tables
from posenas.searching.splits import Splits
from posenas.standard.synthetic.dataset import SyntheticDataset

Floats = NDArray[np.float64]
RULES = DetectionRules(keypoint_threshold=0.2, oks_nms=0.9, sigmas=COCO_17.sigmas)


def scene(seed: int) -> tuple[Predictions, Floats, Floats]:
    """Poses of a few images in random order, with their boxes' scores and areas.

    Most are copies of another one, moved by nothing, a little or much; scores and areas are often equal.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 30))
    image_ids = rng.integers(0, 4, count) * 1000 + 7
    areas = rng.choice([900.0, 4000.0, 25000.0], count)
    keypoints = rng.uniform(0, 200, (count, 17, 2))
    for index in range(1, count):
        if rng.random() < 0.8:
            other = rng.integers(index)
            image_ids[index] = image_ids[other] if rng.random() < 0.9 else image_ids[index]
            keypoints[index] = keypoints[other] + rng.normal(size=(17, 2)) * rng.choice([0, 0.5, 2, 5, 20])
    keypoint_scores = rng.choice([0.0, 0.1, 0.2, 0.25, 0.5, 0.9, 1.1], (count, 17))
    keypoint_scores[rng.random(count) < 0.1] = 0.2  # none above it
    box_scores = rng.choice([0.3, 0.6, 0.6, 1.0], count)
    scores = np.full(count, np.nan)
    return Predictions(image_ids, keypoints, keypoint_scores, scores), box_scores, areas


def literal_score(keypoint_scores: list[float], box_score: float) -> float:
    total, number = 0.0, 0
    for score in keypoint_scores:
        if score > 0.2:
            total, number = total + score, number + 1
    return box_score * (total / number if number else 0.0)


def literal_oks(one: Floats, other: Floats, area: float) -> float:
    total = 0.0
    for k, sigma in enumerate(COCO_17.sigmas):
        distance = (one[k, 0] - other[k, 0]) ** 2 + (one[k, 1] - other[k, 1]) ** 2
        total += math.exp(-distance / (2 * sigma) ** 2 / (area + np.spacing(1)) / 2)
    return total / len(COCO_17.sigmas)


def literal_poses(poses: Predictions, box_scores: Floats, areas: Floats, limit: float) -> dict[int, float]:
    """The scores of the poses that stay, by their indices."""
    scores = [
        literal_score(row.tolist(), box) for row, box in zip(poses.keypoint_scores, box_scores, strict=True)
    ]
    stay: dict[int, float] = {}
    for image in set(poses.image_ids.tolist()):
        left = [index for index in range(len(scores)) if poses.image_ids[index] == image]
        while left:
            best = left[0]
            for index in left:
                if scores[index] >= scores[best]:
                    best = index
            stay[best] = scores[best]
            left = [
                index
                for index in left
                if index != best
                and literal_oks(
                    poses.keypoints[best], poses.keypoints[index], (areas[best] + areas[index]) / 2
                )
                <= limit
            ]
    return stay


@pytest.mark.parametrize("limit", [0.5, 0.9])
def test_scores_and_suppression_equal_literal_loops(limit: float) -> None:
    left_out = 0
    for seed in range(100):
        poses, box_scores, areas = scene(seed)
        rules = DetectionRules(0.2, limit, COCO_17.sigmas)
        found = judged(poses, box_scores, areas, rules)
        expected = literal_poses(poses, box_scores, areas, limit)
        order = sorted(expected)
        np.testing.assert_allclose(found.scores, [expected[index] for index in order], rtol=1e-12)
        for name in ("image_ids", "keypoints", "keypoint_scores"):
            assert np.array_equal(getattr(found, name), getattr(poses, name)[order])
        left_out += len(poses.scores) - len(order)
    assert left_out > 100


def test_a_pose_scores_by_its_sure_keypoints() -> None:
    keypoint_scores = np.array([[0.2, 0.4, 0.8], [0.2, 0.1, 0.0], [1.2, -0.5, 0.2]])
    scores = rescored(keypoint_scores, np.array([0.5, 0.9, 1.0]), threshold=0.2)
    np.testing.assert_allclose(scores, [0.3, 0.0, 1.2])


def poses_at(*places: float, scores: list[float], images: list[int] | None = None) -> Predictions:
    keypoints = np.zeros((len(places), 17, 2)) + np.array(places)[:, None, None]
    ids = np.array(images or [1] * len(places), np.int64)
    return Predictions(ids, keypoints, np.ones((len(places), 17)), np.array(scores))


def test_the_best_pose_stays_and_of_equal_ones_the_later() -> None:
    areas = np.full(3, 1e4)
    assert staying(poses_at(0, 0, 90, scores=[0.2, 0.5, 0.1]), areas, RULES).tolist() == [1, 2]
    assert staying(poses_at(0, 0, 90, scores=[0.5, 0.5, 0.5]), areas, RULES).tolist() == [1, 2]


def test_poses_of_other_images_do_not_compete() -> None:
    poses = poses_at(0, 0, 0, scores=[0.5, 0.5, 0.5], images=[3, 1, 3])
    assert staying(poses, np.full(3, 1e4), RULES).tolist() == [1, 2]


def test_a_limit_of_1_keeps_all() -> None:
    rules = DetectionRules(0.2, 1.0, COCO_17.sigmas)
    assert staying(poses_at(0, 0, 0, scores=[0.1, 0.2, 0.3]), np.full(3, 1e4), rules).tolist() == [0, 1, 2]


def test_areas_and_places_without_end_remove_nobody() -> None:
    poses = poses_at(0, 1e300, np.inf, scores=[0.1, 0.2, 0.3])
    assert staying(poses, np.array([1e4, np.inf, np.inf]), RULES).tolist() == [0, 1, 2]


def test_nobody() -> None:
    assert len(judged(poses_at(scores=[]), np.empty(0), np.empty(0), RULES).scores) == 0


def splits_of_a_recipe(tmp_path: Path, **evaluation: object) -> Splits:
    """Two drawn pictures, whose annotated boxes are a detector's twice over."""
    dataset = {"name": "synthetic", "train_images": 4, "val_images": 2}
    boxes = [
        {"image_id": sample.id, "category_id": 1, "bbox": person.box, "score": score}
        for score in (0.5, 0.8)
        for sample in SyntheticDataset(train_images=4, val_images=2).split("val")
        for person in sample.people
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    tables = {
        "space": {"name": "fixed", "width": 0.125},
        "strategy": {"name": "random", "epochs": 1},
        "head": {"name": "heatmap", "input_size": [64, 64]},
        "dataset": dataset,
        "evaluator": {"name": "oks"},
        "training": {"workers": 0},
        "evaluation": evaluation,
    }
    composition = compose(recipe_from_tables(tables))
    return Splits(composition, warn=pytest.fail, advance=lambda *_: None)


def located(views: EvaluatedViews) -> Predictions:
    """Poses whose keypoints lie in the middle of the view, half of them sure."""
    keypoints = torch.full((len(views), 17, 2), 31.5)
    scores = torch.cat([torch.full((len(views), 9), 0.6), torch.full((len(views), 8), 0.1)], dim=1)
    return views.locate([Poses(keypoints, scores)])


def test_only_a_detectors_boxes_are_judged(tmp_path: Path) -> None:
    annotated = located(splits_of_a_recipe(tmp_path).evaluated("val")[1])
    np.testing.assert_allclose(annotated.scores, (9 * 0.6 + 8 * 0.1) / 17, rtol=1e-6)
    splits = splits_of_a_recipe(tmp_path, boxes=str(tmp_path / "boxes.json"))
    found = located(splits.evaluated("val")[1])
    np.testing.assert_allclose(found.scores, [0.8 * 0.6] * len(annotated.scores), rtol=1e-6)
    assert np.array_equal(found.image_ids, annotated.image_ids)
    np.testing.assert_allclose(found.keypoints, annotated.keypoints)
    ranked = located(splits.evaluated("ranking")[1])
    np.testing.assert_allclose(ranked.scores, annotated.scores[0], rtol=1e-6)
