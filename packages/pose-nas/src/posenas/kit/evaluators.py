"""Checks of every evaluator, on the built-in people."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np

from posenas.composing.checks.evaluators import check_metrics, order_problem, shares_problem
from posenas.composing.plugins import Owner
from posenas.contract.components import Evaluator
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133, KEYPOINT_SETS
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.kit.check import Check, require
from posenas.kit.people import drawn_samples

_ERRORS = (0.02, 0.1, 0.5)
"""Standard deviations of keypoints' errors, as shares of the box's longer side."""


def metrics_are_declared(evaluator: Evaluator) -> None:
    """Check that each metric has a name of its own, and that evaluate gives these and no others."""
    declared = check_metrics(evaluator, owner=Owner("evaluator", type(evaluator).__name__))
    truth = _truth(evaluator)
    for predictions in (_perfect(truth), _perfect(truth).chosen(np.arange(0))):
        found, wanted = set(evaluator.evaluate(predictions, truth).metrics), {each.name for each in declared}
        require(found == wanted, f"evaluate gives {sorted(found)}, and metrics declares {sorted(wanted)}")


def figures_are_plain_numbers(evaluator: Evaluator) -> None:
    """Check that figures are Python's own numbers, finite for perfect predictions where there is a truth."""
    truth = _truth(evaluator)
    evaluation = evaluator.evaluate(_perfect(truth), truth)
    for name, figure in {**evaluation.metrics, **evaluation.by_keypoint}.items():
        require(type(figure) in (int, float), f"{name} is {type(figure).__name__}, expected float")
        require(not math.isinf(figure), f"{name} is {figure} for perfect predictions")
    first = evaluator.metrics()[0].name
    require(math.isfinite(evaluation.metrics[first]), f"{first} is not finite for perfect predictions")


def keypoints_have_shares(evaluator: Evaluator) -> None:
    """Check that figures by keypoint are shares of known keypoints, and 1 for perfect predictions."""
    truth = _truth(evaluator)
    perfect = _perfect(truth)
    for predictions in (perfect, _worse(perfect, truth, _ERRORS[-1])):
        shares = evaluator.evaluate(predictions, truth).by_keypoint
        problem = shares_problem(shares, truth.keypoints)
        require(not problem, problem)
        low = [name for name, share in shares.items() if predictions is perfect and share < 1 - 1e-6]
        require(not low, f"by_keypoint is below 1 for perfect predictions: {', '.join(low[:3])}")


def worse_predictions_score_worse(evaluator: Evaluator) -> None:
    """Check that the first metric falls as errors grow, and that no metric likes them better than none."""
    truth = _truth(evaluator)
    perfect = _perfect(truth)
    evaluations = [
        evaluator.evaluate(each, truth) for each in (perfect, *(_worse(perfect, truth, e) for e in _ERRORS))
    ]
    for metric in evaluator.metrics():
        sign = 1 if metric.higher_is_better else -1
        figures = [sign * float(each.metrics[metric.name]) for each in evaluations]
        better = [
            error for error, figure in zip(_ERRORS, figures[1:], strict=True) if figure > figures[0] + 1e-9
        ]
        require(not better, f"{metric.name} is better with errors of {better[:1]} of a box than with none")
        if metric.name == evaluator.metrics()[0].name:
            require(figures[-1] < figures[0], f"{metric.name} is as good with large errors as with none")


def order_does_not_matter(evaluator: Evaluator) -> None:
    """Check that predictions in another order score the same."""
    truth = _truth(evaluator)
    predictions = _worse(_perfect(truth), truth, _ERRORS[1])
    problem = order_problem(evaluator, predictions, truth)
    require(not problem, problem)


def inputs_stay_as_they_were(evaluator: Evaluator) -> None:
    """Check that evaluate changes neither the predictions nor the truth."""
    truth = _truth(evaluator)
    predictions = _worse(_perfect(truth), truth, _ERRORS[1])
    before = copy.deepcopy((predictions, [sample.people for sample in truth.samples]))
    evaluator.evaluate(predictions, truth)
    for name in ("image_ids", "keypoints", "keypoint_scores", "scores"):
        same = np.array_equal(getattr(predictions, name), getattr(before[0], name))
        require(same, f"evaluate changes predictions.{name}")
    for sample, people in zip(truth.samples, before[1], strict=True):
        same = all(
            np.array_equal(a.keypoints, b.keypoints) for a, b in zip(sample.people, people, strict=True)
        )
        require(same, "evaluate changes the true keypoints")


def _truth(evaluator: Evaluator) -> GroundTruth:
    """Return built-in people in the first keypoint set that the evaluator takes.

    Raises:
        PosenasError: where it takes none of the known ones.
    """
    errors = []
    for keypoints in (COCO_17, COCO_WHOLEBODY_133, *KEYPOINT_SETS.values()):
        truth = _people_in(keypoints)
        try:
            evaluator.evaluate(_perfect(truth), truth)
        except PosenasError as error:
            errors.append(error)
            continue
        return truth
    raise errors[0]


def _people_in(keypoints: KeypointSet) -> GroundTruth:
    """Return the built-in people with as many of their keypoints as the set has: of body, face or hands."""
    source = 17 if len(keypoints) <= 17 else 133
    first = {68: 23, 42: 91}.get(len(keypoints), 0)
    taken = slice(first, first + len(keypoints))
    return GroundTruth(keypoints, [_with(sample, taken) for sample in drawn_samples(source)])


def _with(sample: Sample, taken: slice) -> Sample:
    """Return the sample whose people have some of their keypoints, all labelled, and a box of the head."""
    people: list[Any] = []
    for person in sample.people:
        left, top, width, height = person.box
        points = person.keypoints[taken].copy()
        unlabelled = points[:, 2] == 0
        points[unlabelled, :2] = left + width / 2, top + height / 2
        points[:, 2] = 2.0
        regions = {"head": (left, top, width / 2, height / 4), **person.regions}
        people.append(replace(person, keypoints=points, regions=regions))
    return replace(sample, people=tuple(people))


def _perfect(truth: GroundTruth) -> Predictions:
    """Return the truth as predictions, each with a score of its own."""
    rows = [(sample.id, person.keypoints) for sample in truth.samples for person in sample.people]
    keypoints = np.array([each for _, each in rows], dtype=np.float64)
    scores = 1.0 - np.arange(len(rows)) / (2 * len(rows))
    return Predictions(
        image_ids=np.array([image for image, _ in rows], dtype=np.int64),
        keypoints=keypoints[:, :, :2],
        keypoint_scores=np.repeat(scores[:, None], keypoints.shape[1], axis=1),
        scores=scores,
    )


def _worse(perfect: Predictions, truth: GroundTruth, error: float) -> Predictions:
    """Return the predictions with random errors of a share of the box's longer side."""
    sides = np.array([max(person.box[2:]) for sample in truth.samples for person in sample.people])
    noise = np.random.default_rng(0).normal(size=perfect.keypoints.shape)
    return replace(perfect, keypoints=perfect.keypoints + error * sides[:, None, None] * noise)


EVALUATOR_CHECKS = (
    Check(metrics_are_declared, "give every metric of metrics() a figure, NaN where there is none"),
    Check(
        figures_are_plain_numbers, "convert figures by float(), and give NaN where nothing is to be divided"
    ),
    Check(keypoints_have_shares, "give a share such as 1 - error / most, or leave by_keypoint out"),
    Check(
        worse_predictions_score_worse, "look at the direction that Metric declares, and at how errors count"
    ),
    Check(order_does_not_matter, "sort by score, or match by image_ids"),
    Check(inputs_stay_as_they_were, "work on copies of the arrays"),
)
