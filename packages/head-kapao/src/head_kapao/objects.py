"""People as the objects that the network learns: poses, and keypoints as small squares.

Source: KAPAO (McNally, thesis, 2022), section 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Objects:
    """O objects of a batch of views: all poses, then all keypoints, person by person.

    Attributes:
        image: (O,) int64, the view's place in the batch.
        category: (O,) int64, 0 for a pose, k for keypoint k, counted from 1.
        centres: (O, 2) pixels of the view.
        sizes: (O, 2) width and height, pixels.
        keypoints: (O, K, 2) pixels; zeros for keypoint objects.
        visible: (O, K) bool: labelled and inside the view; never for keypoint objects.
        judged: (O,) bool: poses of people with a labelled keypoint, which teach the confidences.
    """

    image: Tensor
    category: Tensor
    centres: Tensor
    sizes: Tensor
    keypoints: Tensor
    visible: Tensor
    judged: Tensor


def make_objects(
    image: Tensor,
    boxes: Tensor,
    *,
    keypoints: Tensor,
    visibility: Tensor,
    view: tuple[int, int],
    keypoint_size: float = 0.05,
) -> Objects:
    """Return all objects of P people in a batch.

    A pose is left out if its box has no width or no height, or if its centre is outside the view, as no cell
    is responsible for it; the person's keypoints stay. A keypoint outside the view counts as not labelled.
    Nothing is clipped: a keypoint is the centre of its square even at the border.

    Args:
        image: (P,) int64, the view's place in the batch.
        boxes: (P, 4) x1, y1, x2, y2, pixels of the view.
        keypoints: (P, K, 2) pixels of the view.
        visibility: (P, K) COCO's 0, 1, 2.
        view: height and width, pixels.
        keypoint_size: the side of a keypoint's square, as a share of the view's longer side.
    """
    height, width = view
    corner = boxes.new_tensor([width - 1, height - 1])
    visible = (visibility > 0) & _inside(keypoints, corner)
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    poses = ((sizes > 0).all(1) & _inside(centres, corner)).nonzero()[:, 0]
    people, parts = visible.nonzero(as_tuple=True)
    count = len(people)
    return Objects(
        image=torch.cat([image[poses], image[people]]),
        category=torch.cat([torch.zeros_like(poses), parts + 1]),
        centres=torch.cat([centres[poses], keypoints[people, parts]]),
        sizes=torch.cat([sizes[poses], sizes.new_full((count, 2), keypoint_size * max(view))]),
        keypoints=torch.cat([keypoints[poses], keypoints.new_zeros(count, *keypoints.shape[1:])]),
        visible=torch.cat([visible[poses], visible.new_zeros(count, visible.shape[1])]),
        judged=torch.cat([(visibility[poses] > 0).any(1), visible.new_zeros(count)]),
    )


def _inside(points: Tensor, corner: Tensor) -> Tensor:
    """Tell, as (...) bool, which of (..., 2) points are inside.

    The corner is the centre of the last pixel.
    """
    return ((points >= 0) & (points <= corner)).all(-1)
