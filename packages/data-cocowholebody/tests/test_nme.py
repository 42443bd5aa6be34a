"""NME against a literal implementation, and at the edges."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from data_cocowholebody.evaluators.nme import NmeEvaluator
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
    keypoint_set_from_names,
)


@dataclass(frozen=True)
class NoImage:
    def read(self) -> NDArray[np.uint8]:
        raise NotImplementedError


FACE = keypoint_set_from_names([f"face-{index}" for index in range(68)], pairs=())
EVALUATOR = NmeEvaluator()


def person(keypoints: NDArray[np.float64], *, crowd: bool = False) -> Person:
    return Person((0, 0, 100, 100), keypoints, 1e4, crowd=crowd)


def face() -> NDArray[np.float64]:
    """A face in one line, its outer eye corners 18 pixels apart."""
    return np.column_stack([2.0 * np.arange(68), np.zeros(68), np.full(68, 2.0)])


def scene(*people: Person, keypoints: KeypointSet = FACE) -> GroundTruth:
    return GroundTruth(keypoints, [Sample(7, NoImage(), 640, 480, people)])


def poses(*keypoints: NDArray[np.float64]) -> Predictions:
    array = np.array(keypoints, dtype=np.float64)[..., :2]
    count = len(array)
    return Predictions(np.full(count, 7), array, np.ones(array.shape[:2]), np.ones(count))


def nobody(keypoints: int = 68) -> Predictions:
    return Predictions(
        np.zeros(0, np.int64), np.zeros((0, keypoints, 2)), np.zeros((0, keypoints)), np.zeros(0)
    )


def literal_nme(predictions: Predictions, truth: GroundTruth) -> tuple[float, int, int]:
    """Mean error, faces and faces left out, point by point."""
    names = truth.keypoints.names
    points = [names.index(f"face-{index}") for index in range(68)]
    errors: list[float] = []
    faces = left_out = 0
    for sample in truth.samples:
        for each in sample.people:
            if each.crowd or not any(each.keypoints[point][2] > 0 for point in points):
                continue
            right, left = each.keypoints[points[36]], each.keypoints[points[45]]
            unit = math.sqrt((right[0] - left[0]) ** 2 + (right[1] - left[1]) ** 2)
            if right[2] <= 0 or left[2] <= 0 or unit == 0:
                left_out += 1
                continue
            faces += 1
            best, nearest = math.inf, None
            for image, pose in zip(predictions.image_ids, predictions.keypoints, strict=True):
                if image == sample.id:
                    distances = [
                        math.dist(pose[index], each.keypoints[index][:2])
                        for index in range(len(names))
                        if each.keypoints[index][2] > 0
                    ]
                    if sum(distances) / len(distances) < best:
                        best, nearest = sum(distances) / len(distances), pose
            for point in points:
                if each.keypoints[point][2] > 0:
                    error = (
                        math.inf if nearest is None else math.dist(nearest[point], each.keypoints[point][:2])
                    )
                    errors.append(error / unit)
    return (sum(errors) / len(errors) if errors else math.nan), faces, left_out


@pytest.mark.parametrize("keypoints", [FACE, COCO_WHOLEBODY_133], ids=["face", "whole body"])
def test_equals_a_literal_implementation(keypoints: KeypointSet) -> None:
    rng = np.random.default_rng(0)
    count, samples, images, predicted = len(keypoints), [], [], []
    for image in range(60):
        people = []
        for _ in range(rng.integers(0, 4)):
            places = rng.uniform(0, 300, (count, 2))
            visibility = rng.choice([0, 0.3, 1, 2], count, p=[0.3, 0.2, 0.2, 0.3])
            if rng.random() < 0.6:
                visibility[list(keypoints.names).index("face-36")] = 2
                visibility[list(keypoints.names).index("face-45")] = 1
            visibility *= rng.random() > 0.1
            truth = np.column_stack([places, visibility])
            people.append(person(truth, crowd=bool(rng.random() < 0.1)))
            images.append(image)
            predicted.append(places + rng.normal(0, 20, (count, 2)))
        samples.append(Sample(image, NoImage(), 640, 480, tuple(people)))
    order = rng.permutation(len(images))
    predictions = Predictions(
        np.array(images)[order],
        np.array(predicted)[order],
        np.ones((len(images), count)),
        np.ones(len(images)),
    )
    truth = GroundTruth(keypoints, samples)
    error, faces, left_out = literal_nme(predictions, truth)
    assert faces > 20
    assert left_out > 10
    metrics = EVALUATOR.evaluate(predictions, truth).metrics
    assert metrics["NME"] == pytest.approx(error, abs=1e-12)
    assert (metrics["faces"], metrics["faces_left_out"]) == (faces, left_out)


def test_a_perfect_face_has_no_error() -> None:
    assert EVALUATOR.evaluate(poses(face()), scene(person(face()))).metrics == {
        "NME": 0.0,
        "faces": 1,
        "faces_left_out": 0,
    }


def test_the_error_is_a_share_of_the_distance_between_the_outer_eye_corners() -> None:
    moved = face() + np.array((0, 9, 0))
    assert EVALUATOR.evaluate(poses(moved), scene(person(face()))).metrics["NME"] == pytest.approx(0.5)


def test_every_labelled_keypoint_weighs_the_same() -> None:
    """68 keypoints without an error, and 2 with a whole unit: 2/70, where the mean of faces is 1/2."""
    few = face()
    few[:, 1] = 400
    few[[index for index in range(68) if index not in (36, 45)], 2] = 0
    truth = scene(person(face()), person(few))
    metrics = EVALUATOR.evaluate(poses(face(), few + np.array((0, 18, 0))), truth).metrics
    assert metrics["NME"] == pytest.approx(2 / 70)


@pytest.mark.parametrize("corner", [36, 45])
def test_a_face_without_a_corner_is_left_out_and_counted(corner: int) -> None:
    without = face()
    without[corner, 2] = 0
    metrics = EVALUATOR.evaluate(poses(face()), scene(person(face()), person(without))).metrics
    assert metrics == {"NME": 0.0, "faces": 1, "faces_left_out": 1}


def test_a_face_of_no_measure_is_left_out_and_counted() -> None:
    flat = face()
    flat[:, 0] = 5
    metrics = EVALUATOR.evaluate(poses(face()), scene(person(flat))).metrics
    assert math.isnan(metrics["NME"])
    assert (metrics["faces"], metrics["faces_left_out"]) == (0, 1)


def test_crowds_and_people_without_a_face_do_not_count() -> None:
    absent = face() * (1, 1, 0)
    metrics = EVALUATOR.evaluate(poses(face()), scene(person(face(), crowd=True), person(absent))).metrics
    assert (metrics["faces"], metrics["faces_left_out"]) == (0, 0)


def test_a_face_without_a_pose_is_infinitely_far_away() -> None:
    assert EVALUATOR.evaluate(nobody(), scene(person(face()))).metrics["NME"] == math.inf
    lost = face()
    lost[3, 0] = math.nan
    assert EVALUATOR.evaluate(poses(lost), scene(person(face()))).metrics["NME"] == math.inf


@pytest.mark.parametrize("written", ["face-{}", "face_{}", "Face{}"])
def test_keypoints_are_found_by_their_names(written: str) -> None:
    names = [written.format(index) for index in reversed(range(68))]
    backwards = keypoint_set_from_names(["nose", *names], pairs=())
    keypoints = np.vstack([[-50, 0, 2], face()[::-1]])
    truth = scene(person(keypoints), keypoints=backwards)
    assert EVALUATOR.evaluate(poses(keypoints + np.array((0, 18, 0))), truth).metrics["NME"] == pytest.approx(
        1
    )


def test_a_set_without_faces_is_refused() -> None:
    with pytest.raises(
        PosenasError,
        match=r"^nme: keypoint set 'coco-17' lacks 68 of .* face-0 the first",
    ):
        EVALUATOR.evaluate(nobody(17), GroundTruth(COCO_17, []))
    part = replace(FACE, names=(*FACE.names[:45], "eye", *FACE.names[46:]))
    with pytest.raises(PosenasError, match=r"lacks 1 of .* face-45 the first"):
        EVALUATOR.evaluate(nobody(), GroundTruth(part, []))
