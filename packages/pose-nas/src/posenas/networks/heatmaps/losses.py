"""Losses of heat maps: as images of values, or as distributions over pixels.

All compute in float32, whatever type the outputs have and whether autocast is on or not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from posenas.networks.devices import full_precision
from posenas.networks.heatmaps.encoding import HeatmapTargets


def mean_squared_error(outputs: Tensor, targets: HeatmapTargets) -> Tensor:
    """Return the mean over N, K, H and W of weight x (output - target)^2.

    Args:
        outputs: (N, K, H, W).
        targets: the maps to compare with, and the weights of their keypoints.
    """
    errors = ((outputs.float() - targets.maps()) ** 2).mean((2, 3))
    return (targets.weights * errors).mean()


def divergence(outputs: Tensor, targets: HeatmapTargets) -> Tensor:
    """Return the mean over the counted keypoints of sum_pixels p log (p / q), in nats; 0 where none counts.

    p is the Gaussian normalised to a sum of 1, q the outputs' spatial softmax. The divergence is the
    cross-entropy minus the target's own entropy: 0 for perfect maps, so that maps of different resolution can
    be compared. As p's factors sum to 1, the cross-entropy is log sum exp(output) - rows' output columns. The
    entropy is the sum of the factors' entropies, which needs no target map.

    Args:
        outputs: (N, K, H, W) logits.
        targets: the Gaussians, and the weights of their keypoints.
    """
    with full_precision(outputs):
        logits = outputs.float()
        rows, columns = (normalize(factor, p=1.0, dim=2) for factor in (targets.rows, targets.columns))
        expected = ((logits @ columns.unsqueeze(3)).squeeze(3) * rows).sum(2)
        entropy = torch.special.entr(rows).sum(2) + torch.special.entr(columns).sum(2)
        errors = logits.logsumexp((2, 3)) - expected - entropy
        loss: Tensor = (targets.weights * errors).sum() / counted(targets).clamp(min=1.0)
        return loss


def counted(targets: HeatmapTargets) -> Tensor:
    """Return how many keypoints count, a scalar."""
    return targets.weights.sum()


def mean_squared_difference(outputs: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean over everything of (output - teacher)^2; both are (N, K, H, W)."""
    return mse_loss(outputs.float(), teacher.detach().float())


def cross_entropy_to_teacher(outputs: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean over N and K of - sum_pixels p log q, in nats; p and q are the spatial softmaxes.

    Args:
        outputs: (N, K, H, W) logits, q's.
        teacher: (N, K, H, W) logits, p's.
    """
    expected = probabilities(teacher.detach()) * log_probabilities(outputs)
    return -expected.sum((2, 3)).mean()


def probabilities(outputs: Tensor) -> Tensor:
    """Return the spatial softmax of (N, K, H, W) logits."""
    return outputs.float().flatten(2).softmax(2).view_as(outputs)


def log_probabilities(outputs: Tensor) -> Tensor:
    """Return the logarithm of the spatial softmax of (N, K, H, W) logits."""
    return outputs.float().flatten(2).log_softmax(2).view_as(outputs)
