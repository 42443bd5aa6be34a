"""PCK, AUC and EPE of hands against a literal implementation, by hand-computed cases, and at the edges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from data_cocowholebody.evaluators.hand import HandEvaluator
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


Box = tuple[float, float, float, float]

FINGERS = [
    f"{finger}{joint}" for finger in ("thumb", "forefinger", "middle", "ring", "pinky") for joint in "1234"
]
HAND = keypoint_set_from_names(["hand_root", *FINGERS], pairs=())
LEFT, RIGHT = slice(91, 112), slice(112, 133)


def hand() -> NDArray[np.float64]:
    """A hand in one line, 40 pixels long; its box is 50 x 30."""
    return np.column_stack([2.0 * np.arange(21), np.zeros(21), np.full(21, 2.0)])


def person(
    keypoints: NDArray[np.float64],
    *,
    box: Box = (0, 0, 50, 30),
    regions: Mapping[str, Box] | None = None,
    crowd: bool = False,
) -> Person:
    return Person(box, keypoints, 1500, crowd=crowd, regions=regions or {})


def scene(*people: Person, keypoints: KeypointSet = HAND) -> GroundTruth:
    return GroundTruth(keypoints, [Sample(7, NoImage(), 640, 480, people)])


def poses(*keypoints: NDArray[np.float64]) -> Predictions:
    array = np.array(keypoints, dtype=np.float64)[..., :2]
    count = len(array)
    return Predictions(np.full(count, 7), array, np.ones(array.shape[:2]), np.ones(count))


def nobody(keypoints: int = 21) -> Predictions:
    return Predictions(
        np.zeros(0, np.int64), np.zeros((0, keypoints, 2)), np.zeros((0, keypoints)), np.zeros(0)
    )


def measure(predictions: Predictions, truth: GroundTruth, threshold: float = 0.2) -> Mapping[str, float]:
    return HandEvaluator(threshold).evaluate(predictions, truth).metrics


def literal_hand(predictions: Predictions, truth: GroundTruth, threshold: float) -> dict[str, float]:
    """All five metrics, keypoint by keypoint."""
    names = list(truth.keypoints.names)
    hands = []  # the errors of labelled keypoints by their number in the hand, and the longer side of the box
    left_out = 0
    for sample in truth.samples:
        for each in sample.people:
            nearest, least = None, math.inf
            for image, pose in zip(predictions.image_ids, predictions.keypoints, strict=True):
                distances = [
                    math.dist(pose[index], each.keypoints[index][:2])
                    for index in range(len(names))
                    if each.keypoints[index][2] > 0
                ]
                if image == sample.id and distances and sum(distances) / len(distances) < least:
                    nearest, least = pose, sum(distances) / len(distances)
            for side in ("left", "right") if len(names) == 133 else ("",):
                first = names.index(f"{side}_hand_root" if side else "hand_root")
                box = each.regions.get(f"{side}_hand") if side else each.box
                errors = {}
                for number in range(21):
                    place = each.keypoints[first + number]
                    if place[2] > 0:
                        far = nearest is None
                        errors[number] = math.inf if far else math.dist(nearest[first + number], place[:2])
                if each.crowd or not errors:
                    continue
                if box is None or max(box[2], box[3]) <= 0:
                    left_out += 1
                else:
                    hands.append((errors, max(box[2], box[3])))

    def pck(limit: float, units: list[float]) -> float:
        shares = []
        for number in range(21):
            seen = [
                (errors[number], unit)
                for (errors, _), unit in zip(hands, units, strict=True)
                if number in errors
            ]
            if seen:
                shares.append(sum(error / unit < limit for error, unit in seen) / len(seen))
        return sum(shares) / len(shares) if shares else math.nan

    all_errors = [error for errors, _ in hands for error in errors.values()]
    return {
        f"PCK@{threshold:g}": pck(threshold, [side for _, side in hands]),
        "AUC": sum(pck(step / 20, [30.0] * len(hands)) for step in range(20)) / 20,
        "EPE": sum(all_errors) / len(all_errors) if all_errors else math.nan,
        "hands": len(hands),
        "hands_left_out": left_out,
    }


def some_problem(seed: int, keypoints: KeypointSet) -> tuple[Predictions, GroundTruth]:
    """Several people an image, some of them crowds; hands without labels, without boxes and of no size."""
    rng = np.random.default_rng(seed)
    count, samples, images, predicted = len(keypoints), [], [], []
    for image in rng.permutation(40):
        people = []
        for _ in range(rng.integers(0, 4)):
            places = rng.uniform(0, 200, (count, 2))
            visibility = rng.choice([0, 0.3, 1, 2], count)
            visibility[:3] = 0  # some keypoints of a hand are labelled nowhere
            for part in (LEFT, RIGHT) if count == 133 else (slice(0, 21),):
                visibility[part] *= rng.random() > 0.2
            boxes = {
                name: (0.0, 0.0, *rng.choice([0.0, 20.0, 70.0, 110.0], 2).tolist())
                for name in ("left_hand", "right_hand")
                if rng.random() < 0.8
            }
            people.append(
                person(
                    np.column_stack([places, visibility]),
                    box=(0, 0, *rng.choice([0.0, 40.0, 90.0], 2).tolist()),
                    regions=boxes if count == 133 else {},
                    crowd=bool(rng.random() < 0.1),
                )
            )
            images.append(int(image))
            predicted.append(places + rng.normal(0, rng.choice([0.5, 5, 20]), (count, 2)))
        samples.append(Sample(int(image), NoImage(), 640, 480, tuple(people)))
    order = rng.permutation(len(images))
    predictions = Predictions(
        np.array(images)[order],
        np.array(predicted)[order],
        np.ones((len(images), count)),
        np.ones(len(images)),
    )
    return predictions, GroundTruth(keypoints, samples)


@pytest.mark.parametrize("keypoints", [HAND, COCO_WHOLEBODY_133], ids=["hand", "whole body"])
@pytest.mark.parametrize("threshold", [0.2, 0.07])
def test_equals_a_literal_implementation(keypoints: KeypointSet, threshold: float) -> None:
    predictions, truth = some_problem(0, keypoints)
    expected = literal_hand(predictions, truth, threshold)
    assert expected["hands"] > 20
    assert expected["hands_left_out"] >= 5
    assert 0.05 < expected["AUC"] < 0.9
    metrics = measure(predictions, truth, threshold)
    assert list(metrics) == list(expected)
    assert dict(metrics) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_hand() -> None:
    """The first of the 20 thresholds of AUC is 0, and no error is below it."""
    assert dict(measure(poses(hand()), scene(person(hand())))) == {
        "PCK@0.2": 1.0,
        "AUC": pytest.approx(0.95),
        "EPE": 0.0,
        "hands": 1,
        "hands_left_out": 0,
    }


@pytest.mark.parametrize(
    ("error", "pck", "steps"), [(9.99, 1, 13), (10, 0, 13), (15, 0, 9), (28.5, 0, 0), (30, 0, 0)]
)
def test_errors_are_below_their_limits(error: float, pck: float, steps: int) -> None:
    """0.2 of the longer side, 50, is 10 pixels; the limits of AUC are multiples of 1.5 pixels up to 28.5."""
    metrics = measure(poses(hand() + np.array((0, error, 0))), scene(person(hand())))
    assert metrics["PCK@0.2"] == pck
    assert metrics["AUC"] == pytest.approx(steps / 20)
    assert metrics["EPE"] == pytest.approx(error)


def test_pck_is_the_mean_over_keypoints_and_epe_the_mean_over_labelled_ones() -> None:
    """The thumb is labelled twice and right once; the other 20 keypoints are labelled once and right."""
    thumb = hand()
    thumb[:, 1] = 300
    thumb[np.arange(21) != 1, 2] = 0
    truth = scene(person(hand()), person(thumb))
    evaluation = HandEvaluator().evaluate(poses(hand(), thumb + np.array((0, 22, 0))), truth)
    assert evaluation.metrics["PCK@0.2"] == pytest.approx(20.5 / 21)
    assert evaluation.metrics["EPE"] == pytest.approx(22 / 22)
    assert evaluation.by_keypoint["thumb1"] == 0.5
    assert evaluation.by_keypoint["hand_root"] == 1


def whole_body() -> NDArray[np.float64]:
    keypoints = np.zeros((133, 3))
    keypoints[LEFT] = hand()
    keypoints[RIGHT] = hand() + np.array((0, 100, 0))
    return keypoints


def test_the_hands_of_a_person_are_two_with_a_box_each() -> None:
    boxes: dict[str, Box] = {"left_hand": (0, 0, 100, 10), "right_hand": (0, 0, 40, 10)}
    truth = scene(person(whole_body(), regions=boxes), keypoints=COCO_WHOLEBODY_133)
    evaluation = HandEvaluator().evaluate(poses(whole_body() + np.array((0, 10, 0))), truth)
    assert evaluation.metrics["hands"] == 2
    assert evaluation.metrics["PCK@0.2"] == 0.5
    assert evaluation.by_keypoint["left_thumb1"] == 1
    assert evaluation.by_keypoint["right_thumb1"] == 0
    assert "nose" not in evaluation.by_keypoint


def test_a_hand_without_a_box_is_left_out_and_counted() -> None:
    truth = scene(person(whole_body(), regions={"left_hand": (0, 0, 9, 9)}), keypoints=COCO_WHOLEBODY_133)
    metrics = measure(poses(whole_body()), truth)
    assert (metrics["hands"], metrics["hands_left_out"]) == (1, 1)
    flat = measure(poses(hand()), scene(person(hand(), box=(3, 4, 0, 0))))
    assert (flat["hands"], flat["hands_left_out"]) == (0, 1)
    assert math.isnan(flat["PCK@0.2"])


def test_crowds_and_hands_without_labels_do_not_count() -> None:
    absent = hand() * np.array((1, 1, 0))
    metrics = measure(poses(hand()), scene(person(hand(), crowd=True), person(absent)))
    assert (metrics["hands"], metrics["hands_left_out"]) == (0, 0)
    assert all(math.isnan(metrics[name]) for name in ("PCK@0.2", "AUC", "EPE"))


def test_a_hand_without_a_pose_is_wrong() -> None:
    metrics = measure(nobody(), scene(person(hand())))
    assert (metrics["PCK@0.2"], metrics["AUC"], metrics["EPE"]) == (0, 0, math.inf)


@pytest.mark.parametrize("side", ["left_", "right_"])
def test_one_hand_alone_has_the_box_of_the_person(side: str) -> None:
    sided = keypoint_set_from_names([f"{side}{name}" for name in HAND.names], pairs=())
    metrics = measure(poses(hand() + np.array((0, 9, 0))), scene(person(hand()), keypoints=sided))
    assert metrics["PCK@0.2"] == 1


def test_a_set_without_hands_is_refused() -> None:
    with pytest.raises(
        PosenasError, match=r"^hand: keypoint set 'coco-17' is no hand of hand_root to pinky4"
    ):
        measure(nobody(17), GroundTruth(COCO_17, []))
    other = keypoint_set_from_names([f"finger{index}" for index in range(21)], pairs=())
    with pytest.raises(PosenasError, match="is no hand"):
        measure(nobody(), GroundTruth(other, []))
