"""What the steps of a decoding are worth: the outputs of one pass are decoded with and without each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from posenas.contract.components import Ablatable
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.similarity import people_of
from posenas.data.views import EvaluatedViews
from posenas.learning.inference import EvaluationSettings, compute_outputs, predict
from posenas.networks.pose_network import PoseNetwork

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PredictionsWithout:
    """Predictions as they are without one step of the decoding.

    Attributes:
        predictions: without the step.
        replaced: (K,) int64, how many of each keypoint the step replaced in all predicted poses; None where
            it does not replace keypoints.
    """

    predictions: Predictions
    replaced: NDArray[np.int64] | None


@torch.no_grad()
def predict_ablated(
    network: PoseNetwork, views: EvaluatedViews, *, settings: EvaluationSettings, device: torch.device
) -> tuple[Predictions, Mapping[str, PredictionsWithout]]:
    """Return what `predict` gives, and the predictions without each step of the decoding, by the step's name.

    There is no step where the head does not tell them apart.

    Args:
        network: can only be evaluated from now on.
        views: what is shown to the network.
        settings: batch size, mirrored and resized images.
        device: where the network is.
    """
    head = network.head
    if not isinstance(head, Ablatable):
        return predict(network, views, settings=settings, device=device), {}
    decoded = [
        head.decode_ablated(outputs, batch)
        for batch, outputs in compute_outputs(network, views, settings=settings, device=device)
    ]
    steps = dict.fromkeys(step for _, without in decoded for step in without)
    ablated = {}
    for step in steps:
        parts = [without[step] for _, without in decoded]
        counts = [part.replaced.cpu() for part in parts if part.replaced is not None]
        replaced = torch.stack(counts).sum(0).numpy() if counts else None
        ablated[step] = PredictionsWithout(views.locate([part.poses for part in parts]), replaced)
    return views.locate([poses for poses, _ in decoded]), ablated


def replacement_rates(replaced: NDArray[np.int64] | None, truth: GroundTruth) -> Mapping[str, float]:
    """Return how many of each labelled keypoint were replaced, over how many are labelled.

    Crowds do not count. More poses may be predicted than people are annotated, so a rate may exceed 1.

    Args:
        replaced: (K,), or None for no rates.
        truth: the annotated people.

    Source: KAPAO (McNally, thesis, 2022), section 4.3.5, figure 4.10.
    """
    if replaced is None:
        return {}
    people = people_of(truth)
    labelled = (people.labelled & ~people.crowd[:, None]).sum(axis=0)
    return {
        name: int(count) / int(total)
        for name, count, total in zip(truth.keypoints.names, replaced, labelled, strict=True)
        if total
    }
