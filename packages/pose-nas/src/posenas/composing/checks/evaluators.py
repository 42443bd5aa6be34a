"""Checks that an evaluator keeps the contract's word: its metrics, and the figures of a few people."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from posenas.composing.checks.conformity import blamed, failed, refuse
from posenas.composing.plugins import Owner
from posenas.contract.components import Evaluator
from posenas.contract.errors import PosenasError
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import Evaluation, GroundTruth, Metric, Predictions

_NEAR = 1e-6


def check_metrics(evaluator: Evaluator, *, owner: Owner) -> Sequence[Metric]:
    """Return the metrics that the evaluator declares.

    Raises:
        PosenasError: if there is none, or one twice.
    """
    with blamed(owner, "metrics"):
        metrics = tuple(evaluator.metrics())
    names = [getattr(metric, "name", metric) for metric in metrics]
    if (
        not metrics
        or not all(isinstance(metric, Metric) for metric in metrics)
        or len(set(names)) < len(names)
    ):
        refuse(owner, f"metrics gives {names}, expected one or more Metric, each of a name of its own")
    return metrics


def check_scores(
    evaluator: Evaluator, truth: GroundTruth, predictions: Sequence[Predictions], *, owner: Owner
) -> None:
    """Check that the evaluator scores predictions with every metric that it declares, and no other.

    Args:
        evaluator: the one that is tried.
        truth: the people that predictions are compared with.
        predictions: each of them is scored; the first also in the reverse order.
        owner: the evaluator's plugin.

    Raises:
        PosenasError: if it does not. If the evaluator cannot read the dataset, the reason is in its own
            words.
    """
    declared = {metric.name: metric for metric in check_metrics(evaluator, owner=owner)}
    for each in predictions:
        try:
            evaluation = evaluator.evaluate(each, truth)
        except PosenasError as error:
            raise PosenasError(f"evaluator {owner.name!r} does not fit this dataset: {error}") from error
        except Exception as error:
            raise failed(owner, f"evaluate of {len(each.scores)} predictions", error) from error
        check_evaluation(evaluation, declared, owner=owner)
        refuse(owner, _infinite(evaluation.metrics, declared, nobody=not len(each.scores)))
        refuse(owner, shares_problem(evaluation.by_keypoint, truth.keypoints))
    with blamed(owner, "evaluate of predictions in another order"):
        refuse(owner, order_problem(evaluator, predictions[0], truth))


def check_evaluation(evaluation: object, declared: Collection[str], *, owner: Owner) -> None:
    """Check that an answer of `evaluate` has a number for every declared metric, and for no other.

    Args:
        evaluation: the answer.
        declared: the names of the metrics that the evaluator declares.
        owner: the evaluator's plugin.

    Raises:
        PosenasError: if it has not.
    """
    if not isinstance(evaluation, Evaluation):
        refuse(owner, f"evaluate gives {type(evaluation).__name__}, expected Evaluation")
    else:
        refuse(owner, _metrics_problem(evaluation.metrics, set(declared)))


def order_problem(evaluator: Evaluator, predictions: Predictions, truth: GroundTruth) -> str:
    """Say which metrics change when the same predictions come in the reverse order; "" if none does.

    Args:
        evaluator: the one that is tried.
        predictions: those that are reversed; no two have the same score.
        truth: the people that predictions are compared with.
    """
    backwards = predictions.chosen(np.arange(len(predictions.scores))[::-1].copy())
    first, second = (evaluator.evaluate(each, truth).metrics for each in (predictions, backwards))
    wrong = [name for name, figure in first.items() if not _same(figure, second[name])]
    return f"{', '.join(wrong[:3])} depend on the order of the predictions" if wrong else ""


def _same(first: float, second: float) -> bool:
    return math.isclose(first, second, abs_tol=1e-9) or (math.isnan(first) and math.isnan(second))


def _metrics_problem(metrics: Mapping[str, float], declared: set[str]) -> str:
    if set(metrics) != declared:
        found, wanted = (", ".join(sorted(names)) or "none" for names in (metrics, declared))
        return f"evaluate gives metrics {found}, and metrics declares {wanted}"
    for name, value in metrics.items():
        if not isinstance(value, float | int | np.number):
            return f"evaluate gives {name} as {type(value).__name__}, expected a number"
    return ""


def _infinite(metrics: Mapping[str, float], declared: Mapping[str, Metric], *, nobody: bool) -> str:
    """Say which figure is infinite; "" if none is. Only errors may be, where nobody is predicted.

    Args:
        metrics: figures by name. NaN is the figure of what is not there.
        declared: the metrics by name.
        nobody: whether there are no predictions.
    """
    wrong = [
        name
        for name, value in metrics.items()
        if np.isinf(value) and not (nobody and value > 0 and not declared[name].higher_is_better)
    ]
    return f"evaluate gives {wrong[0]} as {metrics[wrong[0]]}, expected a finite number" if wrong else ""


def shares_problem(shares: Mapping[str, float], keypoints: KeypointSet) -> str:
    """Say what is wrong with an evaluation's figures by keypoint; "" if nothing is.

    Args:
        shares: figures by the keypoint's name. NaN is the figure of what is not there.
        keypoints: the dataset's.
    """
    strange = sorted(set(shares) - set(keypoints.names))
    if strange:
        return f"evaluate has figures of {', '.join(strange[:3])}, which are no keypoints of the dataset"
    wrong = [
        name for name, share in shares.items() if not (-_NEAR <= share <= 1 + _NEAR or math.isnan(share))
    ]
    return f"by_keypoint of {wrong[0]} is {shares[wrong[0]]:g}, expected 0 to 1" if wrong else ""
