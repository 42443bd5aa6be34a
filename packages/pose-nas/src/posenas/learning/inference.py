"""From trained networks to predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from posenas.contract.batches import Batch, Look
from posenas.contract.components import FlipTest, HeadModule, ScaleTest
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import Predictions
from posenas.data.detected_poses import DetectionRules
from posenas.data.letterbox import GREY
from posenas.data.views import EvaluatedViews
from posenas.networks.folding import fold_normalisations
from posenas.networks.pose_network import PoseNetwork, parts_of

FEWEST_RANKING = 256
RANKING_SHARE = 0.05
"""The share of the training people below which more could rank candidates for little."""
MANY_RANKING = 3_000
"""People from whose number on chance moves a score by less than 0.01: 0.5 / sqrt(people) at most."""


@dataclass(frozen=True)
class EvaluationSettings:
    """The `[evaluation]` table of a recipe."""

    held_out: Annotated[
        float,
        "share of the training images that candidates are ranked on; 0 ranks them on `val`, as the papers do",
        Ge(0),
        Lt(1),
    ] = 0.1
    ranking_people: Annotated[
        Annotated[int, Gt(0)] | Literal["auto"],
        "largest number of people that rank the candidates; auto takes 5 % of the training people, but at "
        "least 256 and at most 3,000",
    ] = "auto"
    flip_test: Annotated[bool, "average the outputs with those of the mirrored image"] = True
    batch_size: Annotated[int, "people in a forward pass", Gt(0)] = 64
    scales: Annotated[
        tuple[float, ...], "times the input size at which whole images are looked at; mirrored ones only at 1"
    ] = (1.0,)
    rectangular: Annotated[
        bool,
        "whole images in batches of like shapes, with little grey around; false: of the input size",
    ] = True
    boxes: Annotated[
        str, "a detector's boxes for `val`, a COCO results file; empty uses the annotated ones"
    ] = ""
    box_threshold: Annotated[float, "detections with a lower score are left out", Ge(0)] = 0.0
    keypoint_threshold: Annotated[
        float,
        "a pose in a detector's box scores the box's score times the mean of its keypoints' above this",
        Ge(0),
        Lt(1),
    ] = 0.2
    oks_nms: Annotated[
        float,
        "of two poses in an image, from a detector's boxes, that are more alike than this by OKS only the "
        "better one stays; 1 keeps all",
        Gt(0),
        Le(1),
    ] = 0.9
    example_people: Annotated[
        int, "people whose poses are kept of every candidate, for the report; 0 keeps none", Ge(0)
    ] = 4

    def __post_init__(self) -> None:
        if not self.scales or min(self.scales) <= 0:
            raise ValueError("scales must be one or more numbers above 0")

    def most_ranking(self, people: int) -> int:
        """Return how many people rank the candidates at most.

        Args:
            people: in the training images, with a labelled keypoint.
        """
        if self.ranking_people != "auto":
            return self.ranking_people
        return min(max(FEWEST_RANKING, round(RANKING_SHARE * people)), MANY_RANKING)


def detection_rules(settings: EvaluationSettings, keypoints: KeypointSet) -> DetectionRules:
    """Return by which rules poses in a detector's boxes are scored and left out."""
    return DetectionRules(settings.keypoint_threshold, settings.oks_nms, keypoints.sigmas)


@torch.no_grad()
def predict(
    network: PoseNetwork, views: EvaluatedViews, *, settings: EvaluationSettings, device: torch.device
) -> Predictions:
    """Return the poses in every view, in pixels of its image.

    Args:
        network: can only be evaluated from now on; its batch norms become part of its convolutions.
        views: what is shown to the network.
        settings: batch size, mirrored and resized images.
        device: where the network is.
    """
    head = cast(HeadModule, network.head)
    return views.locate(
        [
            head.decode(outputs, batch)
            for batch, outputs in compute_outputs(network, views, settings=settings, device=device)
        ]
    )


def compute_outputs(
    network: PoseNetwork, views: EvaluatedViews, *, settings: EvaluationSettings, device: torch.device
) -> Iterator[tuple[Batch, Any]]:
    """Yield every batch with the head's outputs for it; the caller switches gradients off.

    Args:
        network: can only be evaluated from now on.
        views: what is shown to the network.
        settings: batch size, mirrored and resized images.
        device: where the network is.
    """
    prepare(network)
    for batch in views.batches(settings.batch_size, device=device):
        yield batch, outputs_of(network, batch.images, settings, stride=views.stride)


def prepare(network: PoseNetwork) -> None:
    """Fold batch norms into convolutions, after which a network can only be evaluated."""
    network.eval()
    for part in parts_of(network):
        fold_normalisations(part)


def outputs_of(network: PoseNetwork, images: Tensor, settings: EvaluationSettings, *, stride: int) -> Any:
    """Return the head's outputs for images, put together with those for mirrored and resized ones.

    Args:
        network: a pose network in evaluation mode.
        images: (N, 3, H, W).
        settings: which mirrored and resized images are looked at.
        stride: the sides of resized images are filled up to multiples of it.
    """
    head = network.head
    if settings.scales != (1.0,) and isinstance(head, ScaleTest):
        return head.combine(list(_looks(network, images, settings, stride=stride)), _sides(images))
    outputs = network(images)
    if settings.flip_test and isinstance(head, FlipTest):
        return head.average_mirrored(outputs, network(images.flip(3)))
    return outputs


def _looks(
    network: PoseNetwork, images: Tensor, settings: EvaluationSettings, *, stride: int
) -> Iterator[Look]:
    height, width = _sides(images)
    for scale in settings.scales:
        size = max(1, round(scale * height)), max(1, round(scale * width))
        resized = interpolate(images, size, mode="bilinear", align_corners=False)
        grey = (0, -size[1] % stride, 0, -size[0] % stride)
        yield Look(network(pad(resized, grey, value=GREY / 255)), size, mirrored=False)
    if settings.flip_test:
        yield Look(network(images.flip(3)), (height, width), mirrored=True)


def _sides(images: Tensor) -> tuple[int, int]:
    return images.shape[2], images.shape[3]


@torch.no_grad()
def recalibrate(network: nn.Module, batches_of_images: Iterable[Tensor]) -> None:
    """Replace batch norm's running statistics by the mean over these batches, weighted by their images.

    A sub-network's statistics differ from every other's, so shared ones serve none
    (Yu and Huang, Universally Slimmable Networks, section 3.3).
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    seen = 0
    for images in batches_of_images:
        seen += len(images)
        for norm in norms:
            norm.momentum = len(images) / seen  # so that the average is cumulative
        network(images)
    for norm in norms:
        norm.momentum = 0.1
        norm.eval()
