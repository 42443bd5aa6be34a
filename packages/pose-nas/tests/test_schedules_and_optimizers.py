"""Schedules and optimisers against torch's own schedulers and against formulas written out by hand."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.learning.architecture import Architecture
from posenas.learning.optimizers import make_optimizers
from posenas.learning.schedule import learning_rate
from posenas.learning.settings import TrainingSettings
from torch import nn
from torch.optim import lr_scheduler

EPOCHS, STEPS_OF_AN_EPOCH = 10, 7
STEPS = EPOCHS * STEPS_OF_AN_EPOCH


def ours(settings: TrainingSettings) -> list[float]:
    return [learning_rate(step / STEPS, settings, epochs=EPOCHS, steps=STEPS) for step in range(STEPS)]


def torchs(make: Any, rate: float) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimiser never steps
        scheduler = make(optimizer)
        rates = []
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    return rates


def test_milestones_in_epochs_or_shares_are_those_of_torch() -> None:
    marks = [4 * STEPS_OF_AN_EPOCH, 8 * STEPS_OF_AN_EPOCH]
    expected = torchs(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, marks, gamma=0.3), 0.2)
    settings = {"learning_rate": 0.2, "warm_up": 0.0, "schedule": "step", "decay_factor": 0.3}
    for milestones in ((4.0, 8.0), (0.4, 0.8), (0.4, 8.0)):
        assert ours(TrainingSettings(milestones=milestones, **settings)) == pytest.approx(expected, rel=1e-12)
    floored = ours(TrainingSettings(milestones=(4.0, 8.0), least_rate=0.2, **settings))
    assert floored == pytest.approx(np.maximum(expected, 0.2 * 0.2), rel=1e-12)


def test_a_cosine_ends_at_the_least_rate_as_torchs_does() -> None:
    make = lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, STEPS, eta_min=0.02)  # noqa: E731
    settings = TrainingSettings(learning_rate=0.2, warm_up=0.0, least_rate=0.1)
    assert ours(settings) == pytest.approx(torchs(make, 0.2), rel=1e-9)


def test_a_warm_up_in_steps_is_that_of_torch_and_one_in_epochs_is_its_share() -> None:
    make = lambda optimizer: lr_scheduler.LinearLR(optimizer, start_factor=0.001, total_iters=14)  # noqa: E731
    settings = {"learning_rate": 0.2, "schedule": "constant", "warm_up_from": 0.001}
    steps = ours(TrainingSettings(warm_up=0.0, warm_up_steps=14, **settings))
    assert steps == pytest.approx(torchs(make, 0.2), rel=1e-9)
    assert ours(TrainingSettings(warm_up=2.0, **settings)) == pytest.approx(steps, rel=1e-12)
    assert ours(TrainingSettings(warm_up=0.2, **settings)) == pytest.approx(steps, rel=1e-12)


def test_the_default_steps_have_the_bits_of_before() -> None:
    rates = ours(TrainingSettings(learning_rate=1.0, warm_up=0.0, schedule="step"))
    assert set(rates) == {1.0, 0.1, 0.01}
    assert (rates.count(1.0), rates.count(0.1)) == (56, 9)


def moved(settings: TrainingSettings, gradients: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Where the optimiser of the settings takes a weight from 1, by these gradients."""
    network = nn.Linear(3, 2, bias=False).double()
    nn.init.ones_(network.weight)
    (optimizer,) = make_optimizers(network, settings).values()
    for gradient in gradients:
        network.weight.grad = torch.tensor(gradient)
        optimizer.step()
    return network.weight.detach().numpy()


GRADIENTS = np.random.default_rng(0).normal(size=(5, 2, 3))
RATE, DECAY = 0.1, 0.01


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_the_formula_of_sutskever_as_torch_writes_it(nesterov: bool) -> None:
    weight, velocity = np.ones((2, 3)), np.zeros((2, 3))
    for gradient in GRADIENTS:
        slope = gradient + DECAY * weight
        velocity = 0.8 * velocity + slope
        weight = weight - RATE * (slope + 0.8 * velocity if nesterov else velocity)
    settings = TrainingSettings(
        learning_rate=RATE, optimizer="sgd", momentum=0.8, nesterov=nesterov, weight_decay=DECAY
    )
    np.testing.assert_allclose(moved(settings, GRADIENTS), weight, rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adamw"])
def test_a_weight_whose_first_gradient_comes_late_moves_as_if_it_had_begun_then(optimizer: Any) -> None:
    network = nn.Linear(2, 3).double()
    settings = TrainingSettings(learning_rate=RATE, optimizer=optimizer, momentum=0.8, weight_decay=DECAY)
    (made,) = make_optimizers(network, settings).values()
    first = network.bias.detach().clone()
    network.weight.grad = torch.ones_like(network.weight)
    made.step()
    assert torch.equal(network.bias, first)
    network.bias.grad = torch.ones_like(network.bias)
    made.step()
    alone = nn.Linear(2, 3).double()
    with torch.no_grad():
        alone.bias.copy_(first)
    alone.bias.grad = torch.ones_like(alone.bias)
    (other,) = make_optimizers(alone, settings).values()
    other.step()
    torch.testing.assert_close(network.bias, alone.bias, rtol=0, atol=0)


def test_rmsprop_divides_by_the_root_of_the_mean_square() -> None:
    weight, square, velocity = np.ones((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for gradient in GRADIENTS:
        slope = gradient + DECAY * weight
        square = 0.99 * square + 0.01 * slope**2
        velocity = 0.7 * velocity + slope / (np.sqrt(square) + 1e-8)
        weight = weight - RATE * velocity
    settings = TrainingSettings(learning_rate=RATE, optimizer="rmsprop", momentum=0.7, weight_decay=DECAY)
    np.testing.assert_allclose(moved(settings, GRADIENTS), weight, rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adam_forgets_as_its_betas_say(optimizer: Any) -> None:
    weight, mean, square = np.ones((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))
    for step, gradient in enumerate(GRADIENTS, 1):
        slope = gradient + DECAY * weight if optimizer == "adam" else gradient
        weight = weight if optimizer == "adam" else weight * (1 - RATE * DECAY)
        mean, square = 0.5 * mean + 0.5 * slope, 0.9 * square + 0.1 * slope**2
        unbiased, root = mean / (1 - 0.5**step), np.sqrt(square / (1 - 0.9**step))
        weight = weight - RATE * unbiased / (root + 1e-8)
    settings = TrainingSettings(learning_rate=RATE, optimizer=optimizer, betas=(0.5, 0.9), weight_decay=DECAY)
    np.testing.assert_allclose(moved(settings, GRADIENTS), weight, rtol=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_an_architecture_learns_by_adam_all_the_same(optimizer: Any) -> None:
    network = nn.Linear(3, 2)
    architecture = Architecture([network.bias], 0.01, 0.0)
    made = make_optimizers(network, TrainingSettings(optimizer=optimizer, betas=(0.9, 0.999)), architecture)
    assert type(made["architecture"]) is torch.optim.Adam
    assert made["architecture"].param_groups[0]["betas"] == (0.9, 0.999)
    assert type(made["weights"]).__name__.lower() == optimizer
