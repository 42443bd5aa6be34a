"""Distillation: a smaller network learns a larger one's probabilities, where that one sees something.

The thesis trains each network alone; this is for super-networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from head_kapao.channels import Channels
from head_kapao.losses import Gains


def distillation_loss(
    outputs: Sequence[Tensor],
    teacher: Sequence[Tensor],
    *,
    balance: Sequence[float],
    channels: Channels,
    gains: Gains,
    scale: float = 1.0,
) -> Tensor:
    """Return the loss against a larger network's outputs, on the scale of the loss against the truth.

    Everything but objectness counts as much as the teacher's objectness says that there is something. Grids
    that one of the two networks lacks are left out. Where the networks' anchors differ in size, the student
    learns the teacher's boxes and keypoints in its own anchors, as near as they can say them.

    Args:
        outputs: of each grid, (N, A, H, W, C) before the sigmoid.
        teacher: the larger network's, for the same images; takes no gradient.
        balance: the weight of each of the student's grids in the objectness loss.
        channels: the meaning of the C outputs.
        gains: the weights of the losses.
        scale: the size of the student's anchors, relative to the teacher's.
    """
    by_size = {each.shape[2:4]: each.detach().float() for each in teacher}
    terms = [
        _grid_loss(
            student.float(), by_size[student.shape[2:4]], weight, channels=channels, gains=gains, scale=scale
        )
        for student, weight in zip(outputs, balance, strict=True)
        if student.shape[2:4] in by_size
    ]
    return torch.stack(terms).sum() if terms else 0 * outputs[0].float().sum()


def _grid_loss(
    student: Tensor, teacher: Tensor, weight: float, *, channels: Channels, gains: Gains, scale: float
) -> Tensor:
    sure = teacher[..., channels.objectness].sigmoid()
    objectness = binary_cross_entropy_with_logits(student[..., channels.objectness], sure)
    shares = sure / sure.sum().clamp(min=1e-6)
    places = (student.sigmoid() - _in_own_anchors(teacher.sigmoid(), channels, scale)).square()
    soft = binary_cross_entropy_with_logits(student, teacher.sigmoid(), reduction="none")
    per_place = (
        gains.box * places[..., channels.box].sum(-1)
        + gains.category * soft[..., channels.classes].mean(-1)
        + gains.keypoints * places[..., channels.offsets].sum(-1)
    )
    if channels.confidence:
        per_place = per_place + gains.confidence * soft[..., channels.confidences].mean(-1)
    return gains.objectness * weight * objectness + (shares * per_place).sum()


def _in_own_anchors(values: Tensor, channels: Channels, scale: float) -> Tensor:
    """Return a teacher's outputs, in [0, 1], for anchors of another size, by equations 4.3 and 4.4."""
    if scale == 1.0:
        return values
    values = values.clone()
    values[..., channels.box][..., 2:] /= scale**0.5
    values[..., channels.offsets] = 0.5 + (values[..., channels.offsets] - 0.5) / scale
    return values.clamp(0, 1)
