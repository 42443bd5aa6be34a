"""How undecided real values are: the entropy of the choices that their rows weigh."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor


def mean_entropy(values: Iterable[Tensor]) -> Tensor:
    """Return the mean entropy of the softmax over each row: 1 where all weigh alike, 0 where one weighs all.

    Args:
        values: rows are along the last axis; those of one entry are no choice and do not count.

    Returns:
        A scalar; 0 where there is no choice.
    """
    rows = [
        row
        for value in values
        if value.dim() and value.shape[-1] > 1
        for row in value.reshape(-1, value.shape[-1])
    ]
    if not rows:
        return torch.zeros(())
    return torch.stack([_entropy(row) / math.log(len(row)) for row in rows]).mean()


def _entropy(row: Tensor) -> Tensor:
    """Return the entropy by way of logarithms: the gradient is finite too where a share is exactly 0."""
    logarithms = row.log_softmax(0)
    return -(logarithms.exp() * logarithms).sum()
