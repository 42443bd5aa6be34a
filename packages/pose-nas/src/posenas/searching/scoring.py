"""Networks run and scored on the people of a search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor

from posenas.composing.building import qualified
from posenas.composing.checks.evaluators import check_evaluation
from posenas.composing.composition import Composition
from posenas.composing.plugins import Owner
from posenas.contract.components import Averaging, HeadModule
from posenas.contract.genotype import Genotype
from posenas.contract.goals import Objective
from posenas.contract.problem import Weights
from posenas.contract.scores import Evaluation, GroundTruth, Predictions
from posenas.contract.trial import Trial
from posenas.data.crops import EvaluatedCrops
from posenas.data.views import EvaluatedViews
from posenas.learning.ablation import predict_ablated, replacement_rates
from posenas.learning.inference import predict, recalibrate
from posenas.networks.devices import place
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.predictions_file import keep_predictions
from posenas.searching.effects import Effect, NetworkFailedError, or_failure
from posenas.searching.example_poses import EXAMPLE_POSES, example_poses
from posenas.searching.frame_scores import scores_by_frame
from posenas.searching.loading import load_network
from posenas.searching.resources import Resources

ABLATIONS, BY_FRAME = "ablations", "by_frame"
"""What a trial notes of its scores beside them: without a step of the decoding, and by frame of a clip."""


def final_evaluation(resources: Resources, genotype: Genotype, weights: Weights) -> Effect:
    """Return the effect that scores a genotype with its own weights on `val` and keeps its predictions.

    Its result has the scores, the name of the predictions file, and what the steps of the decoding are worth;
    or the `failure`.

    Args:
        resources: what the work is done with.
        genotype: what is scored.
        weights: its own.
    """
    inputs = {"genotype": dict(genotype), "weights": weights.file, "on": "val"}

    def compute() -> Mapping[str, Any]:
        return score_and_keep(resources, load_network(resources, genotype, weights), on="val")

    return Effect("evaluate", inputs, or_failure(compute))


def candidate_evaluation(
    resources: Resources, genotype: Genotype, weights: Weights, *, calibration_people: int
) -> Effect:
    """Return the effect that scores a genotype with its part of shared weights on the ranking people.

    Its result has the scores and the poses of a few people, or the `failure`.

    Args:
        resources: what the work is done with.
        genotype: what is scored.
        weights: shared; or its own, with 0 calibration people.
        calibration_people: batch norm is recalibrated with so many training people first; 0 keeps it.
    """
    on = resources.splits.ranking_split
    inputs = {
        "genotype": dict(genotype),
        "weights": weights.file,
        "on": on,
        "calibration_people": calibration_people,
    }

    def compute() -> Mapping[str, Any]:
        network = load_network(resources, genotype, weights)
        return score(resources, network, on=on, calibration_people=calibration_people)

    return Effect("evaluate", inputs, or_failure(compute))


def score(
    resources: Resources, network: PoseNetwork, *, on: str, calibration_people: int = 0
) -> dict[str, Any]:
    """Return the network's metrics, its keypoints' figures and its poses of a few people.

    The network can only be evaluated afterwards.

    A network for clips has its scores by frame too.

    Args:
        resources: what the work is done with.
        network: of any device; it is moved to the run's.
        on: the split to score it on.
        calibration_people: batch norm is recalibrated with so many training people first; 0 keeps it.

    Raises:
        NetworkFailedError: where it cannot be run.
    """
    composition, splits = resources.composition, resources.splits
    device = composition.compute.device
    truth, views = splits.evaluated(on, frames=network.frames)
    calibration = (
        splits.calibration(calibration_people, frames=network.frames) if calibration_people else None
    )
    with _failures():
        place(network, device)
        if calibration is not None:
            recalibrate(network, images_of(composition, calibration))
        predictions = predict(network, views, settings=composition.evaluation, device=device)
    by_frame = _by_frame(composition, predictions, truth, views, frames=network.frames)
    number = composition.evaluation.example_people
    kept = {EXAMPLE_POSES: example_poses(predictions, truth, number=number)} if number else {}
    return _scores(composition, predictions, truth) | by_frame | kept


def ranking_score(resources: Resources, network: PoseNetwork) -> float:
    """Return the first objective that is a metric, on the ranking people; NaN where it is not a number.

    Args:
        resources: what the work is done with.
        network: stays as it is: a copy is scored.
    """
    objective = first_metric(resources.composition)
    result = score(resources, deepcopy(network), on=resources.splits.ranking_split)
    return float(result["metrics"].get(objective.name, math.nan))


def first_metric(composition: Composition) -> Objective:
    """Return the first objective that is a metric; there is always one."""
    return next(objective for objective in composition.objectives if not objective.is_cost)


def score_and_keep(resources: Resources, network: PoseNetwork, *, on: str) -> dict[str, Any]:
    """Return the network's scores with all that can be told, and the name of the file of its predictions.

    That is also what the steps of its decoding are worth, where the head tells them apart, and the scores by
    frame of a network for clips. The network can only be evaluated afterwards.

    Args:
        resources: what the work is done with.
        network: of any device; it is moved to the run's.
        on: the split to score it on.

    Raises:
        NetworkFailedError: where it cannot be run.
    """
    composition = resources.composition
    device = composition.compute.device
    truth, views = resources.splits.evaluated(on, frames=network.frames)
    with _failures():
        place(network, device)
        predictions, without = predict_ablated(network, views, settings=composition.evaluation, device=device)
    ablations = {
        step: {
            "metrics": _scores(composition, ablated.predictions, truth)["metrics"],
            "rates": replacement_rates(ablated.replaced, truth),
        }
        for step, ablated in without.items()
    }
    file = keep_predictions(
        resources.run.predictions,
        predictions,
        keypoints=composition.keypoints,
        samples=[each for each in composition.dataset.split(on) if each.file_id is not None],
    )
    told: dict[str, Any] = {ABLATIONS: ablations} if ablations else {}
    told |= _by_frame(composition, predictions, truth, views, frames=network.frames)
    return _scores(composition, predictions, truth) | told | {"predictions": file}


def validation_loss(composition: Composition, network: PoseNetwork, views: EvaluatedViews) -> float:
    """Return the head's loss of all views together, however they are divided into batches.

    Args:
        composition: tells batch size and device.
        network: in evaluation mode.
        views: those to compute the loss of.
    """
    head = cast(HeadModule, network.head)
    size, device = composition.evaluation.batch_size, composition.compute.device
    with torch.no_grad():
        return pooled_loss(
            _means(head, network(batch.images), head.targets(batch), views=len(batch.images))
            for batch in views.batches(size, device=device)
        )


def pooled_loss(batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Return the sum of M means over all batches together, from each batch's means and their counts."""
    totals, counts = torch.zeros(1), torch.zeros(1)
    for means, numbers in batches:
        numbers = numbers.double().cpu()
        totals, counts = totals + means.double().cpu() * numbers, counts + numbers
    return float((totals / counts.clamp(min=1.0)).sum())


def make_trial(
    composition: Composition,
    genotype: Genotype,
    result: Mapping[str, Any],
    *,
    costs: Mapping[str, float],
    weights: str | None,
    stage: str,
    split: str,
) -> Trial:
    """Return the trial that an effect's result tells of.

    Args:
        composition: tells the order of the metrics: the objective comes first, from the journal too, which
            sorts its keys.
        genotype: what was tried.
        result: plain data: scores, and what the training told; or the `failure`.
        costs: by name.
        weights: name of the weights file.
        stage: the strategy's word for this part of the search.
        split: the people it was scored on.
    """
    declared = [qualified(composition.recipe, metric.name) for metric in composition.evaluator.metrics()]
    metrics = result.get("metrics", {})
    return Trial(
        genotype=genotype,
        stage=stage,
        split=split,
        metrics={name: metrics[name] for name in (*declared, *metrics) if name in metrics},
        by_keypoint=result.get("by_keypoint", {}),
        costs=costs,
        weights=weights,
        predictions=result.get("predictions"),
        failure=result.get("failure"),
        loss=result.get("loss"),
        inherited=result.get("inherited"),
        notes={name: result[name] for name in (ABLATIONS, BY_FRAME, EXAMPLE_POSES) if name in result},
    )


def in_one_line(error: BaseException) -> str:
    """Return an error's type and words, without line breaks."""
    return " ".join([f"{type(error).__name__}:", *str(error).split()])


def _scores(composition: Composition, predictions: Predictions, truth: GroundTruth) -> dict[str, Any]:
    """Return finite figures alone: JSON has no others."""
    evaluation = evaluated(composition, predictions, truth)
    metrics = {
        qualified(composition.recipe, metric): value
        for metric, value in evaluation.metrics.items()
        if math.isfinite(value)
    }
    by_keypoint = {name: value for name, value in evaluation.by_keypoint.items() if math.isfinite(value)}
    return {"metrics": metrics, "by_keypoint": by_keypoint}


def _by_frame(
    composition: Composition,
    predictions: Predictions,
    truth: GroundTruth,
    views: EvaluatedViews,
    *,
    frames: int,
) -> dict[str, Any]:
    """Return the first objective by frame of a clip; nothing for a network of single images."""
    if frames == 1:
        return {}
    name = first_metric(composition).name

    def measure(found: Predictions, of_frame: GroundTruth) -> float | None:
        return cast("float | None", _scores(composition, found, of_frame)["metrics"].get(name))

    scored = cast(EvaluatedCrops, views).scored
    return {BY_FRAME: scores_by_frame(measure, predictions, truth, scored=scored, frames=frames)}


def evaluated(composition: Composition, predictions: Predictions, truth: GroundTruth) -> Evaluation:
    """Return the evaluator's answer.

    Raises:
        PosenasError: where its metrics are not those that it declares.
    """
    evaluation = composition.evaluator.evaluate(predictions, truth)
    declared = [metric.name for metric in composition.evaluator.metrics()]
    check_evaluation(evaluation, declared, owner=Owner("evaluator", composition.recipe.evaluator.name))
    return evaluation


def images_of(composition: Composition, views: EvaluatedViews) -> Iterator[Tensor]:
    """Yield the images of the views in batches, on the run's device."""
    batches = views.batches(composition.evaluation.batch_size, device=composition.compute.device)
    yield from (batch.images for batch in batches)


def _means(head: HeadModule, outputs: object, targets: object, *, views: int) -> tuple[Tensor, Tensor]:
    """Return what `Averaging` gives; other heads' loss is a mean over views."""
    if isinstance(head, Averaging):
        return head.loss_means(outputs, targets)
    return head.loss(outputs, targets).reshape(1), torch.tensor([views])


@contextmanager
def _failures() -> Iterator[None]:
    """Torch's word for everything from a wrong shape to a full memory is RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise NetworkFailedError(in_one_line(error)) from error
