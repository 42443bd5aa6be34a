"""Losses that stay tensors until many of them are read together."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.learning.mean_losses import STEPS, MeanLosses
from posenas.learning.updates import DivergedError
from torch import Tensor


def test_means_are_those_of_floats_added_step_by_step() -> None:
    rng, steps = Random(0), 2 * STEPS + 7
    expected = {"single": 0.0, "double": 0.0, "number": 0.0}
    with MeanLosses(1, steps=steps) as losses:
        for _ in range(steps):
            single = torch.tensor(rng.random(), requires_grad=True)
            double = torch.tensor(rng.random(), dtype=torch.float64)
            step: dict[str, Tensor | float] = {"single": single, "double": double, "number": rng.random()}
            losses.add(step)
            for name, value in step.items():
                expected[name] += (value.item() if isinstance(value, Tensor) else value) / steps
    assert losses.means == expected
    assert list(losses.means) == list(expected)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("as_tensor", [True, False])
def test_the_first_step_that_is_not_finite_is_named_at_the_next_reading(
    value: float, *, as_tensor: bool
) -> None:
    losses = MeanLosses(3, steps=99)
    bad = torch.tensor(value) if as_tensor else value
    for step in range(1, STEPS):
        losses.add({"loss": bad if step >= 7 else 1.0})
    with pytest.raises(DivergedError, match=rf"^training diverged: loss is {value} in epoch 3, step 7; "):
        losses.add({"loss": bad})


def diverged_then(error: BaseException) -> None:
    with MeanLosses(1, steps=9) as losses:
        losses.add({"loss": torch.tensor(math.nan)})
        raise error


def test_a_loss_that_is_no_number_is_told_before_the_error_that_it_leads_to() -> None:
    with pytest.raises(DivergedError, match="loss is nan in epoch 1, step 1"):
        diverged_then(ValueError("a place that is no number"))
    with pytest.raises(KeyboardInterrupt):
        diverged_then(KeyboardInterrupt())


def test_a_loss_with_axes_is_refused() -> None:
    with pytest.raises(PosenasError, match=r"gives the loss 'a' as a tensor of shape \(2,\), expected one"):
        MeanLosses(1, steps=9).add({"a": torch.ones(2)})
