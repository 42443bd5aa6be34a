"""Each check of evaluators and datasets finds the one that is wrong in what it asks, and no other does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from posenas.composing.checks.evaluators import check_scores
from posenas.composing.plugins import Owner
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Sample
from posenas.contract.scores import Evaluation, GroundTruth, Metric, Predictions
from posenas.kit import evaluators as kit_evaluators
from posenas.kit.people import drawn_samples
from posenas.standard.synthetic.dataset import SyntheticDataset
from posenas.testing import checks_for
from toy_kit import failures


@dataclass(frozen=True)
class MeanDistance:
    """The mean distance to the only person in an image, in sides of the box; lower is better."""

    def metrics(self) -> Sequence[Metric]:
        return (Metric("error", higher_is_better=False),)

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        samples = {sample.id: sample for sample in truth.samples}
        errors = [
            self._error(samples[int(image)], keypoints)
            for image, keypoints in zip(predictions.image_ids, predictions.keypoints, strict=True)
        ]
        return Evaluation({"error": self._figure(errors)})

    def _error(self, sample: Sample, keypoints: Any) -> float:
        (person,) = sample.people
        return float(np.linalg.norm(keypoints - person.keypoints[:, :2], axis=1).mean() / max(person.box[2:]))

    def _figure(self, errors: Sequence[float]) -> float:
        return float(np.mean(errors)) if errors else float("nan")


class Misspelt(MeanDistance):
    def section(self, results: object) -> Sequence[Any]:  # noqa: ARG002
        return ()


class SaysMore(MeanDistance):
    def metrics(self) -> Sequence[Metric]:
        return (*super().metrics(), Metric("median"))

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        figures = super().evaluate(predictions, truth).metrics
        return Evaluation({**figures, **({"median": 0.0} if len(predictions.scores) else {})})


class Narrow(MeanDistance):
    def _figure(self, errors: Sequence[float]) -> Any:
        return np.float32(super()._figure(errors))


class Percent(MeanDistance):
    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        evaluation = super().evaluate(predictions, truth)
        return replace(evaluation, by_keypoint={"nose": 100.0})


class Upside(MeanDistance):
    def metrics(self) -> Sequence[Metric]:
        return (Metric("error"),)


class FirstCounts(MeanDistance):
    def _figure(self, errors: Sequence[float]) -> float:
        return errors[0] if errors else float("nan")


class Rounds(MeanDistance):
    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        evaluation = super().evaluate(predictions, truth)
        predictions.keypoints[:] = predictions.keypoints.round()
        return evaluation


EVALUATORS: dict[str, Any] = {
    "methods_are_the_contracts": Misspelt(),
    "metrics_are_declared": SaysMore(),
    "figures_are_plain_numbers": Narrow(),
    "keypoints_have_shares": Percent(),
    "worse_predictions_score_worse": Upside(),
    "order_does_not_matter": FirstCounts(),
    "inputs_stay_as_they_were": Rounds(),
}


@dataclass(frozen=True)
class Small(SyntheticDataset):
    train_images: int = 8
    val_images: int = 3
    height: int = 64
    width: int = 96


class Nearly(Small):
    def notice(self, split: str) -> Sequence[Any]:  # noqa: ARG002
        return ()


class Lenient(Small):
    def split(self, name: str) -> Sequence[Sample]:
        return super().split(name if name == "train" else "val")


class OneId(Small):
    def split(self, name: str) -> Sequence[Sample]:
        return [replace(sample, id=7) for sample in super().split(name)]


class Shuffled(Small):
    def split(self, name: str) -> Sequence[Sample]:
        return random.sample(super().split(name), len(super().split(name)))


class Turned(Small):
    def split(self, name: str) -> Sequence[Sample]:
        return [replace(each, width=each.height, height=each.width) for each in super().split(name)]


class Boundless(Small):
    def split(self, name: str) -> Sequence[Sample]:
        samples = super().split(name)
        return [
            replace(each, people=tuple(replace(one, box=(0.0, 0.0, -1.0, 5.0)) for one in each.people))
            for each in samples
        ]


class Mute(Small):
    def instructions(self) -> str:
        return " "


DATASETS: dict[str, Any] = {
    "methods_are_the_contracts": Nearly(),
    "splits_are_there": Lenient(),
    "ids_are_unique": OneId(),
    "splits_stay_the_same": Shuffled(),
    "sizes_are_true": Turned(),
    "people_are_whole": Boundless(),
    "instructions_help": Mute(),
}


@pytest.mark.parametrize(
    ("kind", "sound", "broken"),
    [("evaluator", MeanDistance(), EVALUATORS), ("dataset", Small(), DATASETS)],
    ids=["evaluator", "dataset"],
)
def test_a_sound_one_passes_every_check(kind: str, sound: Any, broken: dict[str, Any]) -> None:
    assert failures(kind, sound) == {}
    assert {check.name for check in checks_for(kind, sound)} == set(broken)


@pytest.mark.parametrize("name", EVALUATORS)
def test_one_check_alone_finds_what_is_wrong_with_an_evaluator(name: str) -> None:
    assert list(failures("evaluator", EVALUATORS[name])) == [name]


@pytest.mark.parametrize("name", DATASETS)
def test_one_check_alone_finds_what_is_wrong_with_a_dataset(name: str) -> None:
    random.seed(1)
    assert list(failures("dataset", DATASETS[name])) == [name]


@pytest.mark.parametrize(
    ("keypoints", "share", "words"),
    [
        ("nose", 37.0, "by_keypoint of nose is 37, expected 0 to 1"),
        ("snout", 0.5, "evaluate has figures of snout, which are no keypoints"),
        ("nose", 0.5, "by_keypoint is below 1 for perfect predictions: nose"),
    ],
)
def test_a_figure_by_keypoint_is_a_share_that_perfect_predictions_have_whole(
    keypoints: str, share: float, words: str
) -> None:
    class Wrong(MeanDistance):
        def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
            return replace(super().evaluate(predictions, truth), by_keypoint={keypoints: share})

    assert words in failures("evaluator", Wrong())["keypoints_have_shares"]


@pytest.mark.parametrize(
    ("higher", "figure", "refused"),
    [
        (False, float("inf"), False),
        (False, float("-inf"), True),
        (True, float("inf"), True),
    ],
)
def test_only_an_error_may_be_infinite_where_nobody_is_predicted(
    higher: bool, figure: float, refused: bool
) -> None:
    class Endless(MeanDistance):
        def metrics(self) -> Sequence[Metric]:
            return (Metric("error", higher_is_better=higher),)

        def _figure(self, errors: Sequence[float]) -> float:
            return super()._figure(errors) if errors else figure

    truth = GroundTruth(COCO_17, drawn_samples(17))
    perfect = kit_evaluators._perfect(truth)
    tried = (perfect, perfect.chosen(np.arange(0)))
    with pytest.raises(PosenasError, match="expected a finite number") if refused else nullcontext():
        check_scores(Endless(), truth, tried, owner=Owner("evaluator", "endless"))
