"""Weighted sums, and the weights that a fabric's alpha and beta stand for.

Weights are numbers if the architecture is given, and tensors while it is learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from posenas.training import in_one_copy
from torch import Tensor

Weight: TypeAlias = float | Tensor


@dataclass(frozen=True)
class Mixture:
    """The weights of one fabric.

    Attributes:
        operations: the weight of each operation on each edge.
        sources: the weights of each cell's parallel, finer and coarser source, layer after layer.
    """

    operations: Sequence[Sequence[Weight]]
    sources: Sequence[Sequence[Weight]]

    @classmethod
    def of_numbers(cls, alpha: Tensor, beta: Tensor) -> Mixture:
        """Return the weights of a given architecture, as numbers."""
        host = torch.device("cpu")
        operations, sources = in_one_copy((scaled_softmax(alpha), scaled_softmax(beta)), host)
        return cls(operations.tolist(), sources.tolist())

    @classmethod
    def of_tensors(cls, alpha: Tensor, beta: Tensor) -> Mixture:
        """Return the weights of an architecture that is learnt, as tensors."""
        operations, sources = scaled_softmax(alpha), scaled_softmax(beta)
        return cls([row.unbind() for row in operations], [row.unbind() for row in sources])


def scaled_softmax(values: Tensor) -> Tensor:
    """Return weights of (rows, n) values, with a mean of 1 in every row.

    Eq. 1 and 2 have the softmax alone; the authors' code multiplies it by n, as is done here.
    """
    return values.softmax(1) * values.shape[1]


def shares_in_networks(values: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return the softmax of each row in the networks' precision: what is exactly 0 here is 0 there too."""
    shares: list[list[float]] = torch.tensor(values, dtype=torch.float32, device="cpu").softmax(1).tolist()
    return shares


def is_nothing(weight: Weight) -> bool:
    """Tell whether what a weight stands for need not be computed.

    A learnt weight may change, and has a gradient, so it never is nothing.
    """
    return isinstance(weight, float) and weight == 0.0


def weighted_sum(terms: Iterable[tuple[Tensor, Weight]]) -> Tensor | None:
    """Return the weighted sum of maps of one shape, or None if there are no maps."""
    total = None
    for term, weight in terms:
        if total is None:
            total = term * weight
        elif isinstance(weight, Tensor):
            total = total + term * weight
        else:
            total = torch.add(total, term, alpha=weight)
    return total
