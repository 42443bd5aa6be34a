"""Gumbel-softmax samples, against the softmax, and against numerical integration in float64."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest
import torch
from nas_autopose.gumbel_softmax import annealed, gumbel_noise, perturbed, straight_through
from torch import Tensor

VALUES = torch.tensor([[0.0, 1.0, -0.5], [2.0, 0.0, 0.3]], dtype=torch.float64)
DRAWS = 20_000


def many(values: Tensor, temperature: float, *, seed: int = 0) -> Tensor:
    """(draws, rows, n) perturbed values, drawn in one call: rows are independent."""
    return perturbed(values.expand(DRAWS, *values.shape), Random(seed), temperature=temperature)


def test_noise_has_the_moments_of_the_gumbel_distribution() -> None:
    noise = gumbel_noise(Random(1), torch.zeros(100_000, dtype=torch.float64))
    variance = math.pi**2 / 6
    assert float(noise.mean()) == pytest.approx(0.5772156649, abs=5 * math.sqrt(variance / 100_000))
    assert float(noise.var()) == pytest.approx(variance, rel=0.03)


def test_noise_is_finite_at_both_ends_of_the_generator() -> None:
    class End(Random):
        def __init__(self, bits: int) -> None:
            super().__init__()
            self._bits = bits

        def getrandbits(self, k: int, /) -> int:
            return self._bits & (2**k - 1)

    for bits in (0, -1):
        assert bool(gumbel_noise(End(bits), torch.zeros(2, dtype=torch.float64)).isfinite().all())


def test_the_same_generator_gives_the_same_noise_in_any_type() -> None:
    double = gumbel_noise(Random(2), torch.zeros(3, 4, dtype=torch.float64))
    assert torch.equal(gumbel_noise(Random(2), torch.zeros(3, 4)), double.float())


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_a_single_operation_is_drawn_as_often_as_the_softmax_says(temperature: float) -> None:
    chosen = straight_through(many(VALUES, temperature))
    assert set(chosen.unique().tolist()) == {0.0, 1.0}
    assert bool((chosen.sum(-1) == 1).all())
    expected = VALUES.softmax(1)
    deviation = (expected * (1 - expected) / DRAWS).sqrt()
    assert bool(((chosen.mean(0) - expected).abs() < 4.5 * deviation).all())


def integrated(difference: float, temperature: float, power: int) -> float:
    """The mean of the first soft weight of two, to a power: the noises' difference is logistic."""
    noise = torch.linspace(-60, 60, 400_001, dtype=torch.float64)
    density = torch.exp(-noise.abs()) / (1 + torch.exp(-noise.abs())) ** 2
    weight = torch.sigmoid((difference + noise) / temperature) ** power
    return float(torch.trapezoid(density * weight, noise))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("power", [1, 2])
def test_the_mean_of_soft_weights_is_that_of_numerical_integration(temperature: float, power: int) -> None:
    values = torch.tensor([[0.8, 0.0]], dtype=torch.float64)
    weights = many(values, temperature).softmax(-1)[:, 0, 0] ** power
    expected = integrated(0.8, temperature, power)
    assert float(weights.mean()) == pytest.approx(expected, abs=4.5 * float(weights.std()) / math.sqrt(DRAWS))


@pytest.mark.parametrize("power", [1, 2])
def test_the_gradient_of_soft_weights_is_unbiased_for_any_loss(power: int) -> None:
    """It is the derivative of the integral, by the value."""
    value = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    values = torch.stack([value.expand(DRAWS), torch.zeros(DRAWS, dtype=torch.float64)], 1)
    values.retain_grad()
    (perturbed(values, Random(3), temperature=0.7).softmax(1)[:, 0] ** power).sum().backward()
    assert values.grad is not None
    slopes = values.grad[:, 0]
    step = 1e-4
    expected = (integrated(0.8 + step, 0.7, power) - integrated(0.8 - step, 0.7, power)) / (2 * step)
    assert float(slopes.mean()) == pytest.approx(expected, abs=4.5 * float(slopes.std()) / math.sqrt(DRAWS))


def straight_slopes(power: int) -> Tensor:
    values = torch.tensor([[0.8, 0.0]], dtype=torch.float64).expand(DRAWS, 2).clone().requires_grad_()
    chosen = straight_through(perturbed(values, Random(4), temperature=0.7))
    (chosen[:, 0] ** power).sum().backward()
    assert values.grad is not None
    return values.grad[:, 0]


def test_a_straight_through_gradient_is_that_of_soft_weights_for_a_linear_loss() -> None:
    slopes = straight_slopes(1)
    step = 1e-4
    expected = (integrated(0.8 + step, 0.7, 1) - integrated(0.8 - step, 0.7, 1)) / (2 * step)
    assert float(slopes.mean()) == pytest.approx(expected, abs=4.5 * float(slopes.std()) / math.sqrt(DRAWS))


def test_a_straight_through_gradient_is_biased_for_another_loss() -> None:
    """Powers of 0 and 1 are the same 0 and 1, so the true slope is that of the first power."""
    share = 1 / (1 + math.exp(-0.8))
    slopes = straight_slopes(4)
    assert float(slopes.mean()) - share * (1 - share) > 20 * float(slopes.std()) / math.sqrt(DRAWS)


def test_straight_through_rows_are_exact_and_have_the_gradient_of_the_softmax() -> None:
    logits = (VALUES * 3).requires_grad_()
    row = straight_through(logits)
    assert row.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    factors = torch.tensor([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]], dtype=torch.float64)
    (found,) = torch.autograd.grad((row * factors).sum(), logits)
    (expected,) = torch.autograd.grad((logits.softmax(1) * factors).sum(), logits)
    torch.testing.assert_close(found, expected)


def test_temperatures_fall_by_the_same_factor_in_equal_times() -> None:
    found = [annealed(5.0, 0.1, progress) for progress in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert (found[0], found[-1]) == (5.0, pytest.approx(0.1))
    factors = [after / before for before, after in itertools.pairwise(found)]
    assert factors == pytest.approx([0.02**0.25] * 4)
