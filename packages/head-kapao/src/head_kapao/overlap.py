"""Complete intersection over union: overlap, distance and shape of two boxes in one number.

Source: Zheng et al., Distance-IoU loss (AAAI 2020), equations 8 to 11.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TINY = 1e-7


def complete_iou(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return the complete intersection over union of M pairs of boxes.

    The weight of the shape's difference takes no gradient.

    Args:
        predicted: (M, 4) centre x, y, width, height.
        truth: (M, 4) centre x, y, width, height, with positive sizes.

    Returns:
        (M,) at most 1, which is a perfect match; below 0 for boxes that are far apart.
    """
    centre, size = predicted[:, :2], predicted[:, 2:].clamp(min=_TINY)
    true_centre, true_size = truth[:, :2], truth[:, 2:]
    low, high = centre - size / 2, centre + size / 2
    true_low, true_high = true_centre - true_size / 2, true_centre + true_size / 2
    shared = _area((torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp(min=0))
    iou = shared / (_area(size) + _area(true_size) - shared + _TINY)
    around = torch.maximum(high, true_high) - torch.minimum(low, true_low)
    distance = (centre - true_centre).square().sum(1) / (around.square().sum(1) + _TINY)
    shape = 4 / math.pi**2 * (_angle(true_size) - _angle(size)).square()
    with torch.no_grad():
        weight = shape / (shape - iou + 1).clamp(min=_TINY)
    return iou - distance - weight * shape


def _area(size: Tensor) -> Tensor:
    """Return the product of (M, 2) widths and heights.

    To differentiate `prod` the host would wait until a GPU tells whether there are zeros. On a CPU it stays,
    since its gradients are rounded otherwise.
    """
    return size.prod(1) if size.device.type == "cpu" else size[:, 0] * size[:, 1]


def _angle(size: Tensor) -> Tensor:
    return torch.atan(size[:, 0] / size[:, 1])
