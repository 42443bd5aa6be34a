"""PCKh against published figures, against a literal implementation, and at the edges."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from posenas.contract.components import Evaluator
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, CROWDPOSE_14, LSP_14, MPII_16, POSETRACK_15
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.standard.evaluators.pckh import PckhEvaluator

PUBLISHED = {
    "head": 95.80,
    "shoulder": 94.57,
    "elbow": 88.12,
    "wrist": 83.31,
    "hip": 86.24,
    "knee": 80.88,
    "ankle": 77.44,
}
HRNET, PYTORCH_POSE = PckhEvaluator(), PckhEvaluator(protocol="pytorch-pose")


@dataclass(frozen=True)
class NoImage:
    def read(self) -> NDArray[np.uint8]:
        raise NotImplementedError


def keypoint_set(*names: str) -> KeypointSet:
    return KeypointSet("some", names, (), (0.05,) * len(names), ())


FEW = keypoint_set("upper_neck", "head_top", "left_hip", "right_hip", "pelvis")


def person(visibility: Sequence[int] = (2, 2, 2, 2, 2), **changes: Any) -> Person:
    """A head of 40 pixels from neck to top, so of size 30."""
    positions = np.array([(0, 40), (0, 0), (30, 140), (0, 140), (15, 140)], dtype=np.float64)
    return replace(Person((0, 0, 60, 200), np.column_stack([positions, visibility]), 6000), **changes)


def scene(*people: Person, keypoints: KeypointSet = FEW) -> GroundTruth:
    return GroundTruth(keypoints, [Sample(7, NoImage(), 64, 64, people)])


def moved(*distances: float) -> Predictions:
    """One pose, each keypoint that far to the right."""
    return predicted([person().keypoints[:, :2] + np.column_stack([distances, np.zeros(5)])])


def predicted(poses: Sequence[NDArray[np.float64]]) -> Predictions:
    array = np.array(poses, dtype=np.float64)
    return Predictions(np.full(len(array), 7), array, np.ones(array.shape[:2]), np.ones(len(array)))


def mpii_validation() -> tuple[Predictions, GroundTruth, Mapping[str, Any]]:
    """Every annotated person as an image of its own, in the order of the files."""
    beside = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("POSENAS_TEST_DATA", beside)) / "mpii-eval"
    if not folder.exists():
        pytest.skip(f"no {folder}; set POSENAS_TEST_DATA to the folder of real data")
    matlab = pytest.importorskip("scipy.io", reason="MATLAB files are read with scipy")
    truth = matlab.loadmat(folder / "detections_our_format.mat")
    poses = matlab.loadmat(folder / "bearpaw-hg_s2_b1.mat")["preds"].astype(np.float64)
    positions, missing = truth["pos_gt_src"].transpose(2, 0, 1), truth["jnt_missing"].T
    rows = np.concatenate([positions, 2.0 * (1 - missing[..., None])], axis=2)
    corners = truth["headboxes_src"].transpose(2, 0, 1)
    samples = [
        Sample(
            number, NoImage(), 1, 1, (Person((0, 0, 1, 1), row, 1, regions={"head": (*low, *(high - low))}),)
        )
        for number, (row, (low, high)) in enumerate(zip(rows, corners, strict=True))
    ]
    predictions = Predictions(np.arange(len(poses)), poses, np.ones(poses.shape[:2]), np.ones(len(poses)))
    return predictions, GroundTruth(MPII_16, samples), truth


def test_gives_the_published_figures() -> None:
    predictions, truth, _ = mpii_validation()
    metrics = PYTORCH_POSE.evaluate(predictions, truth).metrics
    expected = {"PCKh@0.5": 86.76} | PUBLISHED
    assert {name: 100 * value for name, value in metrics.items()} == pytest.approx(expected, abs=0.01)


def test_the_protocol_of_hrnet_weights_keypoints_by_their_labels() -> None:
    predictions, truth, arrays = mpii_validation()
    metrics = HRNET.evaluate(predictions, truth).metrics
    columns = {name: 100 * value for name, value in metrics.items() if name in PUBLISHED}
    assert columns == pytest.approx(PUBLISHED, abs=0.01)
    error = np.linalg.norm(predictions.keypoints - arrays["pos_gt_src"].transpose(2, 0, 1), axis=2)
    diagonal = np.linalg.norm(arrays["headboxes_src"][1] - arrays["headboxes_src"][0], axis=0)
    labelled = arrays["jnt_missing"].T == 0
    correct = (error <= 0.5 * 0.6 * diagonal[:, None]) & labelled
    counted = [index for index, name in enumerate(MPII_16.names) if name not in ("pelvis", "thorax")]
    pooled = correct[:, counted].sum() / labelled[:, counted].sum()
    assert metrics["PCKh@0.5"] == pytest.approx(pooled, abs=1e-12)
    assert round(100 * pooled, 2) == 87.30


def test_the_head_size_without_a_box_is_that_of_the_box() -> None:
    predictions, truth, _ = mpii_validation()
    neck, top = MPII_16.names.index("upper_neck"), MPII_16.names.index("head_top")
    boxed = [each for each in truth.samples if each.people[0].keypoints[[neck, top], 2].all()]
    bare = [replace(each, people=(replace(each.people[0], regions={}),)) for each in boxed]
    assert 0.99 * len(truth.samples) < len(bare) < len(truth.samples)
    chosen = [sample.id for sample in boxed]
    kept = predictions.chosen(np.array(chosen))
    with_box = HRNET.evaluate(kept, GroundTruth(MPII_16, boxed)).metrics
    without = HRNET.evaluate(kept, GroundTruth(MPII_16, bare)).metrics
    assert dict(without) == pytest.approx(dict(with_box), abs=0.001)


def literal_pckh(predictions: Predictions, truth: GroundTruth, evaluator: PckhEvaluator) -> dict[str, float]:
    """Every share counted one by one, and the mean as `mean`."""
    names = truth.keypoints.names
    correct, labelled = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for sample in truth.samples:
        for each in sample.people:
            x, y, v = (dict(zip(names, column, strict=True)) for column in each.keypoints.T)
            if "head" in each.regions:
                head = 0.6 * math.hypot(*each.regions["head"][2:])
            elif v["upper_neck"] and v["head_top"]:
                head = 0.75 * math.hypot(x["upper_neck"] - x["head_top"], y["upper_neck"] - y["head_top"])
            else:
                continue
            if each.crowd:
                continue
            least, nearest = math.inf, dict.fromkeys(names, math.inf)
            for image, pose in zip(predictions.image_ids, predictions.keypoints, strict=True):
                if image == sample.id:
                    distances = {
                        name: math.hypot(pose[k][0] - x[name], pose[k][1] - y[name])
                        for k, name in enumerate(names)
                        if v[name] > 0
                    }
                    if distances and sum(distances.values()) / len(distances) < least:
                        least, nearest = sum(distances.values()) / len(distances), distances
            for name in names:
                if v[name] > 0:
                    labelled[name] += 1
                    share = nearest[name] / head
                    correct[name] += share <= 0.5 if evaluator.protocol == "hrnet" else share < 0.5
    shares = {name: correct[name] / labelled[name] for name in names}
    kept = [name for name in names if name not in ("pelvis", "thorax")]
    if evaluator.protocol == "hrnet":
        return shares | {"mean": sum(correct[name] for name in kept) / sum(labelled[name] for name in kept)}
    return shares | {"mean": sum(shares[name] for name in kept) / len(kept)}


def random_problem(rng: np.random.Generator) -> tuple[Predictions, GroundTruth]:
    samples, image_ids, poses = [], [], []
    for image in rng.permutation(12).tolist():
        people = []
        for _ in range(rng.integers(0, 4)):
            rows = np.column_stack([rng.integers(0, 10, (16, 2)) * 4.0, rng.integers(0, 3, 16)])
            regions = {"head": (0.0, 0.0, 6.0, 8.0)} if rng.random() < 0.5 else {}
            crowd = bool(rng.random() < 0.1)
            people.append(Person((0, 0, 60, 60), rows, 2000, crowd=crowd, regions=regions))
            for _ in range(rng.integers(0, 3)):
                image_ids.append(image)
                poses.append(rows[:, :2] + rng.integers(-3, 4, (16, 2)))
        samples.append(Sample(image, NoImage(), 100, 100, tuple(people)))
    array = np.array(poses)
    predictions = Predictions(np.array(image_ids), array, np.ones(array.shape[:2]), np.ones(len(array)))
    return predictions, GroundTruth(MPII_16, samples)


@pytest.mark.parametrize("evaluator", [HRNET, PYTORCH_POSE], ids=lambda evaluator: evaluator.protocol)
@pytest.mark.parametrize("seed", range(5))
def test_equals_a_literal_implementation(seed: int, evaluator: PckhEvaluator) -> None:
    predictions, truth = random_problem(np.random.default_rng(seed))
    expected = literal_pckh(predictions, truth, evaluator)
    evaluation = evaluator.evaluate(predictions, truth)
    assert 0 < expected["mean"] < 1
    assert evaluation.metrics["PCKh@0.5"] == pytest.approx(expected.pop("mean"), abs=1e-12)
    assert dict(evaluation.by_keypoint) == pytest.approx(expected)
    elbows = (expected["left_elbow"] + expected["right_elbow"]) / 2
    assert evaluation.metrics["elbow"] == pytest.approx(elbows)
    assert evaluation.metrics["head"] == pytest.approx(expected["head_top"])


def test_is_named_after_its_threshold() -> None:
    evaluator: Evaluator = PckhEvaluator(threshold=0.1)
    names = [metric.name for metric in evaluator.metrics()]
    assert names == ["PCKh@0.1", "head", *list(PUBLISHED)[1:]]
    assert list(evaluator.evaluate(moved(0, 0, 0, 0, 0), scene(person())).metrics) == names


def test_only_the_limit_itself_tells_the_protocols_apart_on_one_keypoint() -> None:
    truth = scene(person(regions={"head": (0, 0, 30, 40)}))  # 0.6 x 50: size 30
    exactly, beyond = moved(0, 15, 0, 0, 0), moved(0, 15.001, 0, 0, 0)
    assert HRNET.evaluate(exactly, truth).metrics["head"] == 1
    assert PYTORCH_POSE.evaluate(exactly, truth).metrics["head"] == 0
    assert HRNET.evaluate(beyond, truth).metrics["head"] == 0


def test_the_mean_weighs_rare_keypoints_as_the_protocol_says() -> None:
    often, rarely = person((2, 2, 2, 0, 0)), person((2, 2, 2, 2, 0))
    truth = scene(often, rarely)
    predictions = moved(0, 0, 0, 99, 0)
    assert HRNET.evaluate(predictions, truth).metrics["PCKh@0.5"] == pytest.approx(6 / 7)
    assert PYTORCH_POSE.evaluate(predictions, truth).metrics["PCKh@0.5"] == pytest.approx(3 / 4)


@pytest.mark.parametrize("evaluator", [HRNET, PYTORCH_POSE], ids=lambda evaluator: evaluator.protocol)
def test_the_pelvis_is_not_in_the_mean(evaluator: PckhEvaluator) -> None:
    evaluation = evaluator.evaluate(moved(0, 0, 0, 0, 99), scene(person()))
    assert evaluation.metrics["PCKh@0.5"] == 1
    assert evaluation.by_keypoint["pelvis"] == 0


def test_columns_are_the_mean_of_left_and_right_or_nothing() -> None:
    metrics = HRNET.evaluate(moved(0, 0, 99, 0, 0), scene(person(), person((2, 2, 0, 2, 2)))).metrics
    assert metrics["hip"] == 0.5
    assert math.isnan(metrics["knee"])
    one_sided = HRNET.evaluate(moved(0, 0, 99, 0, 0), scene(person((2, 2, 0, 2, 2)))).metrics
    assert one_sided["hip"] == 1


def test_a_person_without_a_head_does_not_count() -> None:
    truth = scene(person(), person((2, 0, 2, 2, 2)), person(crowd=True))
    evaluation = HRNET.evaluate(moved(0, 0, 0, 14.99, 0), truth)
    assert evaluation.metrics["PCKh@0.5"] == 1
    alone = HRNET.evaluate(moved(0, 0, 0, 0, 0), scene(person((2, 0, 2, 2, 2))))
    assert math.isnan(alone.metrics["PCKh@0.5"])
    assert not alone.by_keypoint


def test_people_without_poses_are_missed() -> None:
    nothing = predicted([])
    nothing = replace(nothing, keypoints=np.zeros((0, 5, 2)), image_ids=np.zeros(0, dtype=np.int64))
    metrics = HRNET.evaluate(nothing, scene(person())).metrics
    assert metrics["PCKh@0.5"] == metrics["head"] == 0


@pytest.mark.parametrize(
    "keypoints", [MPII_16, LSP_14, CROWDPOSE_14, POSETRACK_15], ids=lambda keypoints: keypoints.name
)
def test_knows_the_head_of_the_known_sets(keypoints: KeypointSet) -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.uniform(0, 100, (len(keypoints), 2)), np.full(len(keypoints), 2)])
    truth = scene(Person((0, 0, 100, 100), rows, 5000), keypoints=keypoints)
    metrics = HRNET.evaluate(predicted([rows[:, :2]]), truth).metrics
    assert set(metrics.values()) == {1.0}


def test_a_set_without_a_head_needs_boxes() -> None:
    rows = np.column_stack([np.zeros((17, 2)), np.full(17, 2)])
    bare = Person((0, 0, 9, 9), rows, 81)
    predictions = predicted([rows[:, :2]])
    with pytest.raises(PosenasError, match=r"'coco-17' has no neck or no head top.*`bbox_head`.*oks"):
        HRNET.evaluate(predictions, scene(bare, keypoints=COCO_17))
    boxed = scene(replace(bare, regions={"head": (0, 0, 3, 4)}), bare, keypoints=COCO_17)
    evaluation = HRNET.evaluate(predictions, boxed)
    assert evaluation.metrics["PCKh@0.5"] == 1
    assert math.isnan(evaluation.metrics["head"])


def test_refuses_poses_of_other_images() -> None:
    with pytest.raises(PosenasError, match="id 9 the first"):
        HRNET.evaluate(replace(moved(0, 0, 0, 0, 0), image_ids=np.array([9])), scene(person()))


def test_a_negative_visibility_is_no_label():
    """A head whose top is missing has no size, so its person does not count."""
    metrics = [
        HRNET.evaluate(moved(0, 0, 0, 0, 0), scene(person((2, missing, 2, 2, 2)), person())).metrics
        for missing in (0, -1)
    ]
    assert repr(metrics[0]) == repr(metrics[1])
    assert HRNET.evaluate(moved(0, 99, 0, 0, 0), scene(person((2, -1, 2, 2, 2)))).by_keypoint == {}
