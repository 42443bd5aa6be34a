"""Gradients of weights and architecture, against autograd taken apart and finite differences in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from nas_cnf.entropy import mean_entropy
from nas_cnf.space import CnfSpace
from nas_cnf.steps import BilevelStep, SynchronousStep
from posenas import Batch
from posenas.training import PoseNetwork, relax
from torch import Tensor, nn

SPACE = CnfSpace(backbone="fabric-1", width=0.0625, parts=1, channels=2)
INNER_RATE = 0.05


class StubHead(nn.Module):
    """One 1x1 convolution and a squared error, in the type that it is given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, 3, 1)

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> Tensor:  # noqa: ARG002
        return self.convolution(features["part1"]).mean((2, 3))  # type: ignore[no-any-return]

    def targets(self, batch: Batch) -> Tensor:
        return batch.labelled

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return ((outputs - targets) ** 2).mean()


def make_network() -> PoseNetwork:
    torch.manual_seed(3)
    backbone = SPACE.build(SPACE.sample(Random(5)))
    channels = next(level.channels for level in backbone.levels if level.name == "part1")
    network = PoseNetwork(backbone, StubHead(channels)).double().train()
    relax(SPACE, network)
    return network


def make_batch(people: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(people, 3, 64, 64, generator=generator, dtype=torch.float64)
    labelled = torch.randn(people, 3, generator=generator, dtype=torch.float64)
    return Batch(images, torch.zeros(people, 3, 2, dtype=torch.float64), labelled)


def part(batch: Batch, start: int, stop: int) -> Batch:
    return Batch(batch.images[start:stop], batch.keypoints[start:stop], batch.labelled[start:stop])


def loss_of(network: PoseNetwork, batch: Batch) -> Tensor:
    head: Any = network.head
    return head.loss(network(batch.images), head.targets(batch))  # type: ignore[no-any-return]


def split(network: PoseNetwork) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    values = list(relax(SPACE, network).values())
    own = {id(value) for value in values}
    return [one for one in network.parameters() if id(one) not in own], values


def test_the_synchronous_gradient_is_that_of_one_loss_and_reaches_everything() -> None:
    network, batch = make_network(), make_batch()
    losses = SynchronousStep(SPACE, 0.3)(network, batch, Random(0), update=print, progress=0.0)
    weights, values = split(network)
    found = [parameter.grad for parameter in (*weights, *values)]
    total = loss_of(network, batch) + 0.3 * mean_entropy(values)
    expected = torch.autograd.grad(total, [*weights, *values])
    for own, other in zip(found, expected, strict=True):
        assert own is not None
        torch.testing.assert_close(own, other)
    assert all(value.grad is not None and bool((value.grad != 0).any()) for value in values)
    reached = [bool((weight.grad != 0).any()) for weight in weights if weight.grad is not None]
    assert len(reached) == len(weights)
    assert all(reached)
    assert float(losses["loss"] + 0.3 * losses["entropy"]) == pytest.approx(float(total.detach()))


def objective(network: PoseNetwork, batch: Batch) -> float:
    """The validation loss after a step of the weights, computed by really taking it."""
    weights, _ = split(network)
    gradients = torch.autograd.grad(loss_of(network, part(batch, 0, 4)), weights)
    before = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            weight -= INNER_RATE * gradient
        value = float(loss_of(network, part(batch, 4, 8)))
        for weight, kept in zip(weights, before, strict=True):
            weight.copy_(kept)
    return value


def test_the_second_order_gradient_is_a_finite_difference() -> None:
    network, batch = make_network(), make_batch()
    BilevelStep(SPACE, 2, INNER_RATE, 0.0)(network, batch, Random(0), update=print, progress=0.0)
    _, values = split(network)
    slopes = [value.grad.clone() for value in values if value.grad is not None]
    first = torch.autograd.grad(loss_of(network, part(batch, 4, 8)), values)
    step, far = 1e-7, 0
    for value, slope, first_order in zip(values, slopes, first, strict=True):
        for place in [(0, 0), (0, 1), (len(value) - 1, 2)]:
            value.data[place] += step
            above = objective(network, batch)
            value.data[place] -= 2 * step
            below = objective(network, batch)
            value.data[place] += step
            difference = (above - below) / (2 * step)
            assert float(slope[place]) == pytest.approx(difference, rel=1e-4, abs=1e-9)
            far += abs(float(first_order[place]) - difference) > 1e-3 * abs(difference) + 1e-9
    assert far  # the first order alone would not do


@pytest.mark.parametrize("order", [1, 2])
def test_weights_learn_from_the_first_half_alone(order: Any) -> None:
    network, batch = make_network(), make_batch()
    BilevelStep(SPACE, order, INNER_RATE, 0.0)(network, batch, Random(0), update=print, progress=0.0)
    weights, _ = split(network)
    expected = torch.autograd.grad(loss_of(network, part(batch, 0, 4)), weights)
    for weight, other in zip(weights, expected, strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad, other)


def test_the_first_order_gradient_is_that_of_the_second_half() -> None:
    network, batch = make_network(), make_batch()
    step = BilevelStep(SPACE, 1, INNER_RATE, 0.2)
    step(network, batch, Random(0), update=print, progress=0.0)
    _, values = split(network)
    total = loss_of(network, part(batch, 4, 8)) + 0.2 * mean_entropy(values)
    expected = torch.autograd.grad(total, values)
    for value, other in zip(values, expected, strict=True):
        assert value.grad is not None
        torch.testing.assert_close(value.grad, other)
    before = [value.grad.clone() for value in values if value.grad is not None]
    step(network, batch, Random(0), update=print, progress=0.0)  # gradients add up until they are cleared
    for value, once in zip(values, before, strict=True):
        assert value.grad is not None
        torch.testing.assert_close(value.grad, 2 * once)


def test_the_entropy_is_its_definition() -> None:
    values = [torch.randn(3, 4, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)]
    terms = []
    for value in values:
        for row in value.numpy():
            shares = np.exp(row) / np.exp(row).sum()
            terms.append(-sum(share * math.log(share) for share in shares) / math.log(len(row)))
    assert float(mean_entropy(values)) == pytest.approx(sum(terms) / len(terms))
    assert float(mean_entropy([torch.zeros(2, 4)])) == pytest.approx(1.0)
    assert float(mean_entropy([torch.tensor([[0.0, -1e4]])])) == 0.0
