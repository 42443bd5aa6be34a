"""The four losses, and a fifth one for the confidences of a pose's keypoints.

Source: KAPAO (McNally, thesis, 2022), equations 4.2 to 4.9 and table 4.1. Where they leave it open, means
are taken as in its public code: the class loss over targets and classes, that of keypoints over visible ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import torch
from posenas.training import constant
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from head_kapao.channels import Channels
from head_kapao.overlap import complete_iou
from head_kapao.targets import Targets


@dataclass(frozen=True)
class Gains:
    """The weights of the losses, for three grids, an input of 640 pixels and 80 classes."""

    box: float = 0.05
    objectness: float = 0.7
    category: float = 0.3
    keypoints: float = 0.025
    confidence: float = 0.3


class LossRules(TypedDict):
    """The rules that a loss is made by.

    Attributes:
        anchors: (L, A, 2) width and height, pixels.
        strides: the strides of the L grids.
        balance: the weight of each grid in the objectness loss.
        channels: the meaning of an anchor's outputs.
        gains: the weights of the losses, as of `scaled_gains`.
    """

    anchors: Tensor
    strides: Sequence[int]
    balance: Sequence[float]
    channels: Channels
    gains: Gains


@dataclass(frozen=True)
class Losses:
    """Weighted means of one batch, and `total`: their sum times the number of images (equation 4.9)."""

    box: Tensor
    objectness: Tensor
    category: Tensor
    keypoints: Tensor
    confidence: Tensor
    total: Tensor


def scaled_gains(gains: Gains, *, grids: int, input_size: int, keypoints: int) -> Gains:
    """Return the gains of table 4.1 for a number of grids, an input size and K + 1 classes.

    The confidences' gain follows that of the classes, as both average over about K outputs.

    Args:
        gains: those for three grids, an input of 640 pixels and 80 classes.
        grids: how many grids there are.
        input_size: the longer side of the input, pixels.
        keypoints: K.
    """
    share = 3 / grids
    return replace(
        gains,
        box=gains.box * share,
        objectness=gains.objectness * share * (input_size / 640) ** 2,
        category=gains.category * share * (keypoints + 1) / 80,
        keypoints=gains.keypoints * share,
        confidence=gains.confidence * share * keypoints / 80,
    )


def compute_losses(
    outputs: Sequence[Tensor],
    targets: Sequence[Targets],
    **rules: Unpack[LossRules],
) -> Losses:
    """Return the losses of one batch.

    Args:
        outputs: of each of the L grids, (N, A, H, W, C) as the network made them.
        targets: the targets of each grid.
        rules: see `LossRules`.
    """
    gains, balance = rules["gains"], rules["balance"]
    terms = _all_losses(outputs, targets, rules)
    box, objectness, category, keypoints, confidence = terms.unbind(1)
    weighted = (
        gains.box * box.sum(),
        gains.objectness * (objectness * constant(balance, objectness)).sum(),
        gains.category * category.sum(),
        gains.keypoints * keypoints.sum(),
        gains.confidence * confidence.sum(),
    )
    return Losses(*weighted, total=len(outputs[0]) * torch.stack(weighted).sum())


def compute_means(
    outputs: Sequence[Tensor],
    targets: Sequence[Targets],
    **rules: Unpack[LossRules],
) -> tuple[Tensor, Tensor]:
    """Return the weighted means that a batch's loss is the sum of, and their counts.

    Args:
        outputs: of each of the L grids, (N, A, H, W, C) as the network made them.
        targets: the targets of each grid.
        rules: see `LossRules`.

    Returns:
        (5 L,) means, and (5 L,) over how many targets, cells or keypoints each is taken.
    """
    gains, balance = rules["gains"], rules["balance"]
    terms = _all_losses(outputs, targets, rules)
    weights = constant(
        [
            [gains.box, gains.objectness * share, gains.category, gains.keypoints, gains.confidence]
            for share in balance
        ],
        terms,
    )
    counts = [
        [
            len(each.assigned.image),
            output[..., 0].numel(),
            len(each.assigned.image),
            len(each.visible),
            len(each.judged),
        ]
        for output, each in zip(outputs, targets, strict=True)
    ]
    return (terms * weights).flatten(), constant(counts, terms, dtype=torch.float64).flatten()


def _all_losses(outputs: Sequence[Tensor], targets: Sequence[Targets], rules: LossRules) -> Tensor:
    """Return the (L, 5) unweighted losses of each grid, as of `_grid_losses`."""
    return torch.stack(
        [
            _grid_losses(output, each, anchors=sizes / stride, channels=rules["channels"])
            for output, each, sizes, stride in zip(
                outputs, targets, rules["anchors"], rules["strides"], strict=True
            )
        ]
    )


def _grid_losses(outputs: Tensor, targets: Targets, *, anchors: Tensor, channels: Channels) -> Tensor:
    """Return the (5,) unweighted losses of a grid: box, objectness, category, keypoints, confidence.

    Args:
        outputs: (N, A, H, W, C) as the network made them.
        targets: those of the grid.
        anchors: (A, 2) in cells.
        channels: the meaning of the C outputs.
    """
    assigned = targets.assigned
    found = _full_precision(outputs[assigned.place])
    sizes = anchors.to(found)[assigned.anchor]
    overlap = complete_iou(_boxes(found[:, channels.box], sizes), assigned.box.to(found))
    objectness = _full_precision(outputs[..., channels.objectness])
    zero = objectness.new_zeros(())
    classes = found[:, channels.classes]
    truth = one_hot(assigned.category, channels.keypoints + 1).to(found)
    return torch.stack(
        [
            (1 - overlap).mean() if len(found) else zero,
            binary_cross_entropy_with_logits(objectness, _objectness_targets(objectness, overlap, targets)),
            binary_cross_entropy_with_logits(classes, truth) if len(found) else zero,
            _keypoint_loss(found[:, channels.offsets], targets, sizes),
            _confidence_loss(found[:, channels.confidences], targets) if channels.confidence else zero,
        ]
    )


def _boxes(logits: Tensor, sizes: Tensor) -> Tensor:
    """Return (M, 4) centres and sizes in cells, by equations 4.2 and 4.3."""
    doubled = 2 * logits.sigmoid()
    return torch.cat([doubled[:, :2] - 0.5, doubled[:, 2:].square() * sizes], dim=1)


def _objectness_targets(objectness: Tensor, overlap: Tensor, targets: Targets) -> Tensor:
    """Return (N, A, H, W): the overlap where there is a target, the last one's where there are several."""
    filled = objectness.new_zeros(objectness.shape)  # its own layout may be a permuted one
    image, anchor, row, column = (index[targets.last] for index in targets.assigned.place)
    last = overlap.detach()[targets.last].clamp(min=0)
    return filled.index_put_((image, anchor, row, column), last.to(filled))


def _keypoint_loss(logits: Tensor, targets: Targets, sizes: Tensor) -> Tensor:
    """Return the visible keypoints' mean distance in cells, by equations 4.4 and 4.8; 0 without any."""
    truth = targets.assigned.keypoints
    points = (4 * logits.sigmoid() - 2).reshape(truth.shape) * sizes.unsqueeze(1)
    row, keypoint = targets.visible.unbind(1)
    distances: Tensor = torch.linalg.vector_norm(
        points[row, keypoint] - truth.to(points)[row, keypoint], dim=1
    )
    return distances.sum() / max(1, len(targets.visible))


def _confidence_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Return the loss of whether keypoints are labelled and inside, over poses that can tell.

    It is 0 without any.
    """
    truth = targets.assigned.visible[targets.judged].to(logits)
    loss = binary_cross_entropy_with_logits(logits[targets.judged], truth, reduction="sum")
    return loss / truth.numel() if truth.numel() else loss


def _full_precision(values: Tensor) -> Tensor:
    """Return half precision, as of autocast, as float32, and other precisions as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
