"""The head as one module from feature maps to poses, for files that run without torch.

Rows of all grids lie side by side, so that every view has the same number of them, R. Suppression is an
operator of ONNX. Its answer becomes a table of scores in which only the rows that stay are above 0. From
there on poses and objects are tables of M rows, best first, as many as the limit allows. Fusion takes one
turn for each rank: the best objects of all keypoints and views decide at once, then the second best. Only
objects of one keypoint in one view depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._higher_order_ops import while_loop

from head_kapao.channels import Channels
from head_kapao.decoding import boxes_of, keypoints_of
from head_kapao.detection import Detection


@dataclass(frozen=True)
class Scheme:
    """How a module's outputs become poses.

    Attributes:
        channels: the meaning of the outputs.
        strides: of the grids.
        anchors: width and height of each anchor of each grid, pixels.
        pose_threshold: the score above which a pose is found.
        keypoint_threshold: the score above which a keypoint object is found.
        detection: how objects become poses.
    """

    channels: Channels
    strides: Sequence[int]
    anchors: Sequence[Sequence[Sequence[float]]]
    pose_threshold: float
    keypoint_threshold: float
    detection: Detection


class DecodedObjects(nn.Module):
    """A module from feature maps to poses: the grids, their decoding, suppression and fusion.

    Args:
        head: the head module.
        scheme: how its outputs become poses.
    """

    def __init__(self, head: nn.Module, scheme: Scheme) -> None:
        super().__init__()
        self.head = head
        self._scheme = scheme

    def forward(self, features: Mapping[str, Tensor], pitch: Tensor) -> dict[str, Tensor]:
        """Return everybody's pose, view by view and best first, and the grids' outputs.

        Args:
            features: of N views.
            pitch: (N,) pixels of the image to one of the view, for the fusion's distance.
        """
        scheme, grids = self._scheme, self.head(features)
        channels, rules = scheme.channels, scheme.detection
        logits = torch.cat([grid.flatten(1, 3) for grid in grids], dim=1)
        values = logits.sigmoid()
        cells, sizes, strides = _layout(grids, scheme)
        boxes = boxes_of(values[..., channels.box], cells, sizes, strides)
        likeliest, category = logits[..., channels.classes].max(2)
        scores = (values[..., channels.objectness] * likeliest.sigmoid()).unsqueeze(1)
        classes = torch.arange(channels.keypoints + 1).view(1, -1, 1)
        by_class = torch.where(category.unsqueeze(1) == classes, scores, 0.0)
        pose_scores, rows = suppressed(
            boxes,
            by_class[:, :1],
            overlap=rules.pose_overlap,
            limit=rules.limit,
            threshold=scheme.pose_threshold,
        )
        pose_scores, rows = pose_scores[:, 0], rows[:, 0]
        offsets = _rows_of(values[..., channels.offsets], rows)
        keypoints = keypoints_of(offsets, cells[rows], sizes[rows], strides[rows])
        found = torch.zeros_like(keypoints[..., 0])
        if channels.confidence:
            found = _rows_of(values[..., channels.confidences], rows)
        if rules.fusion:
            object_scores, objects = suppressed(
                boxes,
                by_class[:, 1:],
                overlap=rules.keypoint_overlap,
                limit=rules.limit,
                threshold=scheme.keypoint_threshold,
            )
            corners = _rows_of(boxes, objects.flatten(1)).unflatten(1, objects.shape[1:])  # type: ignore[no-untyped-call]
            keypoints, put_in = fused(
                keypoints,
                pose_scores > rules.fusion_confidence,
                centres=(corners[..., :2] + corners[..., 2:]) / 2,
                scores=object_scores,
                distance=rules.fusion_distance / pitch,
            )
            found = torch.where(put_in > 0, put_in, found)
        views, ranks = (pose_scores > 0).nonzero(as_tuple=True)
        poses = {
            "keypoints": keypoints[views, ranks],
            "scores": found[views, ranks],
            "person_scores": pose_scores[views, ranks],
            "boxes": _rows_of(boxes, rows)[views, ranks],
            "views": views,
        }
        named = {f"maps_{stride}": grid for stride, grid in zip(scheme.strides, grids, strict=True)}
        return poses | named


def suppressed(
    boxes: Tensor, scores: Tensor, *, overlap: float, limit: int, threshold: float
) -> tuple[Tensor, Tensor]:
    """Return what stays of each class, best first: (N, C, M) scores, and (N, C, M) rows.

    A score is 0 where fewer stay.

    Args:
        boxes: (N, R, 4) x1, y1, x2, y2.
        scores: (N, C, R), 0 where a row is of another class.
        overlap: the intersection over union above which the worse of two boxes goes.
        limit: how many of each class stay at most.
        threshold: the score that a row must be above.
    """
    settings = [torch.tensor([limit]), torch.tensor([overlap]), torch.tensor([threshold])]
    views, classes, rows = scores.shape
    most = views * classes * min(limit, rows)
    # torch knows no length that depends on values here: it is told the most, and only the last shape matters.
    chosen = torch.onnx.ops.symbolic(
        "NonMaxSuppression", (boxes, scores, *settings), dtype=torch.int64, shape=(most, 3)
    )
    kept = torch.onnx.ops.symbolic("GatherND", (scores, chosen), dtype=scores.dtype, shape=(most,))
    stays = torch.onnx.ops.symbolic(
        "ScatterND", (torch.zeros_like(scores), chosen, kept), dtype=scores.dtype, shape=scores.shape
    )
    best, places = stays.topk(min(limit, rows), dim=2)
    return best, places


def fused(
    keypoints: Tensor, eligible: Tensor, *, centres: Tensor, scores: Tensor, distance: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the poses with the keypoint objects put in, as `fusion.fuse` does for one image.

    Args:
        keypoints: (N, M, K, 2) pixels of the view.
        eligible: (N, M) whether a pose takes part.
        centres: (N, K, M, 2) of the objects, pixels of the view.
        scores: (N, K, M) of the objects, best first; 0 where there is none.
        distance: (N,) pixels of the view.

    Returns:
        (N, M, K, 2) pixels, and (N, M, K) the scores of the objects that were put in, 0 elsewhere.
    """
    ranks = torch.arange(keypoints.shape[1]).view(1, -1, 1)
    turns = (scores > 0).sum(2).max()

    def goes_on(turn: Tensor, points: Tensor, put_in: Tensor) -> Tensor:  # noqa: ARG001
        return turn < turns

    def next_turn(turn: Tensor, points: Tensor, put_in: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        centre = centres.index_select(2, turn.view(1)).squeeze(2).unsqueeze(1)
        score = scores.index_select(2, turn.view(1)).squeeze(2)
        apart = (points - centre).square().sum(3).sqrt()
        apart = torch.where(eligible.unsqueeze(2), apart, torch.inf)
        least, nearest = apart.min(1)
        at = ranks == nearest.unsqueeze(1)
        is_free = ~((put_in > 0) & at).any(1)
        takes = (least < distance.unsqueeze(1)) & is_free & (score > 0)
        changed = at & takes.unsqueeze(1)
        moved = torch.where(changed.unsqueeze(3), centre, points)
        return turn + 1, moved, torch.where(changed, score.unsqueeze(1), put_in)

    start = torch.zeros((), dtype=torch.int64), keypoints, torch.zeros_like(keypoints[..., 0])
    _, points, put_in = while_loop(goes_on, next_turn, start)  # type: ignore[no-untyped-call]
    return points, put_in


def _layout(grids: Sequence[Tensor], scheme: Scheme) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cell (x, y), the anchor's size and the stride of each row: (R, 2), (R, 2) and (R, 1)."""
    cells, sizes, strides = [], [], []
    for grid, anchors, stride in zip(grids, scheme.anchors, scheme.strides, strict=True):
        count, height, width = grid.shape[1:4]
        row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        cells.append(torch.stack([column, row], dim=2).expand(count, height, width, 2).reshape(-1, 2))
        sizes.append(torch.tensor(anchors).view(count, 1, 2).expand(count, height * width, 2).reshape(-1, 2))
        strides.append(torch.full((count * height * width, 1), stride))
    return torch.cat(cells), torch.cat(sizes), torch.cat(strides)


def _rows_of(values: Tensor, rows: Tensor) -> Tensor:
    """Return (N, M, C) the rows (N, M) of (N, R, C) values."""
    return values.gather(1, rows.unsqueeze(2).expand(-1, -1, values.shape[2]))
