"""Decoding: from the outputs of a grid to objects in pixels.

Objectness is looked at first: at 1280 x 1280 there are 102,000 rows, and few are worth decoding.

Source: KAPAO (McNally, thesis, 2022), equations 4.2 to 4.4 and 4.10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from head_kapao.channels import Channels


@dataclass(frozen=True)
class Rows:
    """R detected objects of a batch of views.

    Attributes:
        image: (R,) int64.
        boxes: (R, 4) x1, y1, x2, y2, pixels of the view.
        category: (R,) int64, 0 for a pose, k for keypoint k, counted from 1.
        scores: (R,) objectness times the category's score.
        keypoints: (R, K, 2) pixels of the view; mean nothing where the category is not 0.
        confidences: (R, K), or None where the network gives none.
    """

    image: Tensor
    boxes: Tensor
    category: Tensor
    scores: Tensor
    keypoints: Tensor
    confidences: Tensor | None = None


def decode(
    outputs: Tensor,
    *,
    anchors: Tensor,
    stride: int,
    channels: Channels,
    pose_threshold: float = 0.001,
    keypoint_threshold: float = 0.2,
) -> Rows:
    """Return the objects of one grid whose scores are above their category's threshold.

    They are ordered by image, then by anchor, row and column.

    Args:
        outputs: (N, A, H, W, C) as the network made them, C = `channels.count`.
        anchors: (A, 2) width and height, pixels.
        stride: the grid's.
        channels: the meaning of the C outputs.
        pose_threshold: the score above which a pose is found.
        keypoint_threshold: the score above which a keypoint object is found.
    """
    objectness = _sigmoid(outputs[..., channels.objectness])
    candidates = (objectness > min(pose_threshold, keypoint_threshold)).nonzero(as_tuple=True)
    likeliest, category = outputs[..., channels.classes][candidates].max(1)
    scores = objectness[candidates] * _sigmoid(likeliest)
    above = torch.where(category == 0, scores > pose_threshold, scores > keypoint_threshold)
    wanted = above.nonzero()[:, 0]  # the host waits once for their number, not for each index
    place = (image, anchor, row, column) = tuple(index[wanted] for index in candidates)
    sizes = anchors.to(scores)[anchor]
    cells = torch.stack([column, row], dim=1)
    return Rows(
        image=image,
        boxes=boxes_of(_sigmoid(outputs[..., channels.box][place]), cells, sizes, stride),
        category=category[wanted],
        scores=scores[wanted],
        keypoints=keypoints_of(_sigmoid(outputs[..., channels.offsets][place]), cells, sizes, stride),
        confidences=_sigmoid(outputs[..., channels.confidences][place]) if channels.confidence else None,
    )


def join(parts: Sequence[Rows]) -> Rows:
    """Join all rows of at least one part, such as grids or passes, in their order."""
    confidences = [part.confidences for part in parts if part.confidences is not None]
    return Rows(
        image=torch.cat([part.image for part in parts]),
        boxes=torch.cat([part.boxes for part in parts]),
        category=torch.cat([part.category for part in parts]),
        scores=torch.cat([part.scores for part in parts]),
        keypoints=torch.cat([part.keypoints for part in parts]),
        confidences=torch.cat(confidences) if confidences else None,
    )


def boxes_of(values: Tensor, cells: Tensor, sizes: Tensor, stride: int | Tensor) -> Tensor:
    """Return corners in pixels, by equations 4.2, 4.3 and 4.10: (..., R, 4) x1, y1, x2, y2.

    Args:
        values: (..., R, 4) after the sigmoid.
        cells: (R, 2) column and row of each.
        sizes: (R, 2) width and height of its anchor, pixels.
        stride: of the grid, or (R, 1) of each row's.
    """
    centres = (2 * values[..., :2] - 0.5 + cells) * stride
    half = (2 * values[..., 2:]).square() * sizes / 2
    return torch.cat([centres - half, centres + half], dim=-1)


def keypoints_of(values: Tensor, cells: Tensor, sizes: Tensor, stride: int | Tensor) -> Tensor:
    """Return pixels, by equations 4.4 and 4.10, from values relative to the cell's origin: (..., R, K, 2).

    Args:
        values: (..., R, 2 K) after the sigmoid.
        cells: (..., R, 2) column and row of each.
        sizes: (..., R, 2) width and height of its anchor, pixels.
        stride: of the grid, or (..., R, 1) of each row's.
    """
    points = torch.unflatten(values, -1, (values.shape[-1] // 2, 2))
    offsets = (4 * points - 2) * sizes.unsqueeze(-2)
    return offsets + (cells * stride).unsqueeze(-2)


def _sigmoid(values: Tensor) -> Tensor:
    """Return the sigmoid, in float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32)).sigmoid()
