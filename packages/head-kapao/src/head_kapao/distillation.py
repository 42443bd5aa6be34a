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
) -> Tensor:
    """Return the loss against a larger network's outputs, on the scale of the loss against the truth.

    Everything but objectness counts as much as the teacher's objectness says that there is something.

    Args:
        outputs: of each grid, (N, A, H, W, C) before the sigmoid.
        teacher: the larger network's, of the same shapes; takes no gradient.
        balance: the weight of each grid in the objectness loss.
        channels: the meaning of the C outputs.
        gains: the weights of the losses.
    """
    terms = [
        _grid_loss(student.float(), taught.detach().float(), weight, channels=channels, gains=gains)
        for student, taught, weight in zip(outputs, teacher, balance, strict=True)
    ]
    return torch.stack(terms).sum()


def _grid_loss(
    student: Tensor, teacher: Tensor, weight: float, *, channels: Channels, gains: Gains
) -> Tensor:
    sure = teacher[..., channels.objectness].sigmoid()
    objectness = binary_cross_entropy_with_logits(student[..., channels.objectness], sure)
    shares = sure / sure.sum().clamp(min=1e-6)
    places = (student.sigmoid() - teacher.sigmoid()).square()
    soft = binary_cross_entropy_with_logits(student, teacher.sigmoid(), reduction="none")
    per_place = (
        gains.box * places[..., channels.box].sum(-1)
        + gains.category * soft[..., channels.classes].mean(-1)
        + gains.keypoints * places[..., channels.offsets].sum(-1)
    )
    if channels.confidence:
        per_place = per_place + gains.confidence * soft[..., channels.confidences].mean(-1)
    return gains.objectness * weight * objectness + (shares * per_place).sum()
