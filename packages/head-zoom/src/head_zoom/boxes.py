"""Boxes of regions: around points, larger, and true ones where the own ones are poor. All are (N, R, 4)."""

from __future__ import annotations

import torch
from torch import Tensor

_GOOD = 0.5
"""The intersection over union with the true box from which on a training trusts its own boxes."""


def around(points: Tensor) -> Tensor:
    """Return the least rectangles around (N, R, P, 2) points: left, top, right, bottom."""
    return torch.cat([points.amin(2), points.amax(2)], dim=2)


def enlarge(boxes: Tensor, factor: float, *, least: float, most: float) -> Tensor:
    """Return boxes about the same centres.

    Args:
        boxes: (N, R, 4).
        factor: times the sides.
        least: no side becomes shorter, pixels.
        most: no side becomes longer, pixels.
    """
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    halves = ((boxes[..., 2:] - boxes[..., :2]) * factor).clamp(least, most) / 2
    return torch.cat([centres - halves, centres + halves], dim=2)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of boxes with area, (N, R)."""
    sides = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])
    common = sides.clamp(min=0).prod(2)
    return common / (_areas(first) + _areas(second) - common)


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(2)


def trained(own: Tensor, true: Tensor, known: Tensor) -> Tensor:
    """Return the boxes that a training crops: its own ones, and the true ones where those are poor.

    Args:
        own: (N, R, 4) as they were found.
        true: (N, R, 4), anything where they are not known.
        known: (N, R) 1.0 where the truth is known, else 0.0.
    """
    poor = (known > 0) & (overlap(own, true) < _GOOD)
    return torch.where(poor.unsqueeze(2), true, own)
