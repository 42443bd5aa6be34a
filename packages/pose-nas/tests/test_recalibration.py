"""Batch norm's statistics taken anew."""

from __future__ import annotations

import torch
from posenas.learning.inference import recalibrate
from torch import nn


def test_batches_weigh_as_much_as_they_have_images() -> None:
    """Groups of whole images of one shape have any size."""
    norm = nn.BatchNorm2d(2)
    batches = [torch.randn(size, 2, 4, 5) + size for size in (3, 1, 2)]
    recalibrate(norm, batches)
    total = sum(map(len, batches))
    means = sum(len(images) / total * images.mean((0, 2, 3)) for images in batches)
    variances = sum(len(images) / total * images.var((0, 2, 3)) for images in batches)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert not norm.training
    assert norm.momentum == 0.1
