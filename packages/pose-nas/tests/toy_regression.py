"""A small regression that is trained in milliseconds, for tests of trainings."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from posenas.contract.batches import Batch
from torch import nn

BATCHES = 3


class StopError(Exception):
    """A training is stopped on its way."""


class Points:
    """Random batches that derive from the epoch's number; the sum of three inputs is to be found."""

    steps = BATCHES

    def epoch(self, number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(self.steps):
            inputs = torch.randn(8, 3, generator=generator)
            yield Batch(inputs, inputs.sum(1, keepdim=True), inputs)


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
