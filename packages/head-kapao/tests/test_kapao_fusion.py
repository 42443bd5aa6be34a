"""Fusion, against algorithm 2 object by object on random scenes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from head_kapao.fusion import fuse
from numpy.typing import NDArray

KEYPOINTS = 5
Array = NDArray[np.float64]


def literal(
    keypoints: Array,
    pose_scores: Array,
    centres: Array,
    parts: NDArray[np.int64],
    scores: Array,
    *,
    distance: float = 50.0,
    confidence: float = 0.3,
) -> tuple[list[list[list[float]]], list[list[float]]]:
    positions = keypoints.tolist()
    stored = [[0.0] * keypoints.shape[1] for _ in positions]
    fusable = [pose for pose in range(len(positions)) if pose_scores[pose] > confidence]
    if not fusable:
        return positions, stored
    for index in sorted(range(len(scores)), key=lambda index: -scores[index]):
        x, y = centres[index].tolist()
        k, score = int(parts[index]), float(scores[index])
        distances = []
        for pose in fusable:
            dx, dy = positions[pose][k][0] - x, positions[pose][k][1] - y
            distances.append(math.sqrt(dx * dx + dy * dy))
        nearest = distances.index(min(distances))
        pose = fusable[nearest]
        if distances[nearest] < distance and stored[pose][k] < score:
            positions[pose][k] = [x, y]
            stored[pose][k] = score
    return positions, stored


Scene = tuple[Array, Array, Array, NDArray[np.int64], Array]


def random_scene(rng: np.random.Generator) -> Scene:
    """0 to 40 people and 0 to 400 objects on a coarse raster, so that distances and scores often tie."""
    people = int(rng.integers(0, 41))
    objects = int(rng.choice([0, 1, 10, 100, 300, 400]))
    extent, step = int(rng.choice([60, 300, 1200])), int(rng.choice([1, 10]))

    def raster(*shape: int) -> Array:
        return step * rng.integers(0, extent // step, (*shape, 2)).astype(np.float64)

    pose_scores = rng.integers(0, 11, people) / 10
    scores = rng.integers(1, int(rng.choice([3, 1000])) + 1, objects) / 1000 + 0.2
    kinds = int(rng.choice([1, 2, KEYPOINTS]))
    return raster(people, KEYPOINTS), pose_scores, raster(objects), rng.integers(0, kinds, objects), scores


def test_a_thousand_scenes_are_those_of_the_algorithm() -> None:
    rng = np.random.default_rng(0)
    fused, dropped = 0, 0
    for _ in range(1000):
        keypoints, pose_scores, centres, parts, scores = random_scene(rng)
        found, stored = fuse(keypoints, pose_scores, centres=centres, parts=parts, scores=scores)
        expected = literal(keypoints, pose_scores, centres, parts, scores)
        assert found.tolist() == expected[0]
        assert stored.tolist() == expected[1]
        fused += int((stored > 0).sum())
        dropped += len(scores) - int((stored > 0).sum())
    assert fused > 10_000
    assert dropped > 10_000


@pytest.mark.parametrize(("distance", "confidence"), [(5.0, 0.0), (500.0, 0.7), (0.0, 0.3)])
def test_other_thresholds(distance: float, confidence: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        keypoints, pose_scores, centres, parts, scores = random_scene(rng)
        found, stored = fuse(
            keypoints,
            pose_scores,
            centres=centres,
            parts=parts,
            scores=scores,
            distance=distance,
            confidence=confidence,
        )
        expected = literal(
            keypoints, pose_scores, centres, parts, scores, distance=distance, confidence=confidence
        )
        assert found.tolist() == expected[0]
        assert stored.tolist() == expected[1]


def fuse_on_a_line(poses: list[float], objects: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Of one keypoint, by x: poses, and objects with their scores."""
    keypoints = np.array([[[x, 0.0]] for x in poses]).reshape(len(poses), 1, 2)
    found, stored = fuse(
        keypoints,
        np.full(len(poses), 0.9),
        centres=np.array([[x, 0.0] for x, _ in objects]),
        parts=np.zeros(len(objects), np.int64),
        scores=np.array([score for _, score in objects]),
    )
    return found[:, 0, 0].tolist(), stored[:, 0].tolist()


def test_an_object_whose_nearest_pose_is_taken_is_dropped() -> None:
    assert fuse_on_a_line([0.0, 40.0], [(1.0, 0.9), (2.0, 0.8)]) == ([1.0, 40.0], [0.9, 0.0])


def test_a_moved_keypoint_is_where_its_object_is() -> None:
    """The second object is nearest to the second pose once the first pose's keypoint has moved away."""
    assert fuse_on_a_line([0.0, 45.0], [(-30.0, 0.9), (10.0, 0.8)]) == ([-30.0, 10.0], [0.9, 0.8])


def test_a_tie_goes_to_the_first_pose_and_to_the_first_object() -> None:
    assert fuse_on_a_line([0.0, 20.0], [(10.0, 0.5), (-10.0, 0.5)]) == ([10.0, 20.0], [0.5, 0.0])


def test_the_distance_itself_is_too_far() -> None:
    assert fuse_on_a_line([0.0], [(50.0, 0.9)]) == ([0.0], [0.0])
    assert fuse_on_a_line([0.0], [(49.9, 0.9)]) == ([49.9], [0.9])


def test_arguments_are_left_as_they_are() -> None:
    keypoints = np.zeros((1, 1, 2))
    fuse(keypoints, np.ones(1), centres=np.ones((1, 2)), parts=np.zeros(1, np.int64), scores=np.ones(1))
    assert not keypoints.any()
