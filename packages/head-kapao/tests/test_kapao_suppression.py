"""Non-maximum suppression, against the greedy loop over pairs of rows."""

from __future__ import annotations

import numpy as np
import pytest
from head_kapao.suppression import select_objects, suppress
from numpy.typing import NDArray

Array = NDArray[np.float64]


def literal_iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def literal(boxes: Array, scores: Array, groups: NDArray[np.int64], overlap: float, limit: int) -> list[int]:
    corners = boxes.tolist()
    kept: list[int] = []
    for row in sorted(range(len(scores)), key=lambda row: -scores[row]):
        rivals = [other for other in kept if groups[other] == groups[row]]
        overlapped = any(literal_iou(corners[row], corners[other]) > overlap for other in rivals)
        if not overlapped and len(rivals) < limit:
            kept.append(row)
    return kept


def random_boxes(rng: np.random.Generator, count: int) -> tuple[Array, Array, NDArray[np.int64]]:
    """Clusters of boxes with whole corners, some of them equal or without a size; scores of few values."""
    centres = rng.integers(-20, 100, (count, 2))[rng.integers(0, max(count // 4, 1), count)]
    sizes = rng.integers(0, 40, (count, 2))
    corners = centres + rng.integers(-4, 5, (count, 2))
    boxes = np.concatenate([corners, corners + sizes], axis=1).astype(np.float64)
    return boxes, rng.integers(1, 12, count) / 16, rng.integers(0, 4, count)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.65, 1.0])
def test_rows_and_their_order_are_those_of_the_greedy_loop(overlap: float) -> None:
    rng = np.random.default_rng(round(100 * overlap))
    for _ in range(60):
        boxes, scores, groups = random_boxes(rng, int(rng.integers(0, 80)))
        limit = int(rng.integers(1, 60))
        found = suppress(boxes, scores, groups, overlap=overlap, limit=limit)
        assert found.tolist() == literal(boxes, scores, groups, overlap, limit)


@pytest.mark.parametrize("limit", [75, 10_000])
def test_rows_of_several_blocks_are_those_of_the_greedy_loop(limit: int) -> None:
    rng = np.random.default_rng(limit)
    boxes, scores, groups = random_boxes(rng, 1500)
    scores = rng.random(len(boxes))
    boxes[:, 2:] += 5
    found = suppress(boxes, scores, groups, overlap=0.3, limit=limit)
    assert found.tolist() == literal(boxes, scores, groups, 0.3, limit)
    assert np.bincount(groups[found]).max() == limit or limit > 1500 > len(found) > 300


def test_a_staircase_of_boxes_keeps_every_other_one() -> None:
    """Each box overlaps the next one alone: a decision that runs through all rows."""
    steps = np.arange(400.0)
    boxes = np.stack([4 * steps, 0 * steps, 4 * steps + 7, 0 * steps + 5], axis=1)
    found = suppress(boxes, -steps, np.zeros(400, np.int64), overlap=0.2, limit=400)
    assert found.tolist() == list(range(0, 400, 2))


def test_of_equal_boxes_and_scores_the_first_one_stays() -> None:
    boxes = np.tile([0.0, 0.0, 9.0, 9.0], (5, 1))
    assert suppress(boxes, np.full(5, 0.5), np.array([1, 0, 1, 0, 0]), overlap=0.5, limit=9).tolist() == [
        0,
        1,
    ]


def test_an_overlap_of_the_threshold_itself_stays() -> None:
    boxes = np.array([[0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 8.0, 2.0], [0.0, 0.0, 8.0, 3.0]])
    found = suppress(boxes, np.array([0.9, 0.8, 0.7]), np.zeros(3, np.int64), overlap=0.25, limit=9)
    assert found.tolist() == [0, 1]


def test_only_the_best_candidates_of_each_group_are_looked_at() -> None:
    rng = np.random.default_rng(1)
    boxes, scores, groups = random_boxes(rng, 400)
    order = np.argsort(-scores, kind="stable")
    best = np.array(
        [row for place, row in enumerate(order) if (groups[order[:place]] == groups[row]).sum() < 50]
    )
    assert len(best) == 200
    found = suppress(boxes, scores, groups, overlap=0.3, limit=300, candidates=50)
    expected = literal(boxes[best], scores[best], groups[best], 0.3, 300)
    assert found.tolist() == best[expected].tolist()


def test_poses_and_keypoint_objects_have_limits_and_thresholds_of_their_own() -> None:
    rng = np.random.default_rng(2)
    boxes, scores, category = random_boxes(rng, 600)
    scores = rng.random(600)
    poses, objects = select_objects(boxes, scores, category, limit=40)
    for found, rows, overlap in (
        (poses, np.flatnonzero(category == 0), 0.65),
        (objects, np.flatnonzero(category > 0), 0.25),
    ):
        expected = literal(boxes[rows], scores[rows], category[rows], overlap, 40)
        assert found.tolist() == rows[expected].tolist()
    assert len(poses) == 40
    assert np.bincount(category[objects]).tolist() == [0, 40, 40, 40], "the limit is each keypoint's own"


def test_no_rows_give_no_rows() -> None:
    poses, objects = select_objects(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
    assert len(poses) == len(objects) == 0
