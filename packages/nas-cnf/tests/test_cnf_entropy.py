"""The entropy of real values, against its definition in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nas_cnf.entropy import mean_entropy


def test_rows_are_along_the_last_axis_of_any_shape() -> None:
    values = [torch.randn(5, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64)]
    terms = []
    for row in [values[0].numpy(), *values[1].reshape(6, 4).numpy()]:
        shares = np.exp(row) / np.exp(row).sum()
        terms.append(-(shares * np.log(shares)).sum() / np.log(len(row)))
    assert float(mean_entropy(values)) == pytest.approx(np.mean(terms))


def test_what_is_no_choice_does_not_count() -> None:
    undecided, single, number = torch.zeros(2, 3), torch.randn(4, 1), torch.tensor(2.0)
    assert float(mean_entropy([single, undecided, number])) == pytest.approx(1.0)
    assert float(mean_entropy([single, number])) == 0.0
    assert float(mean_entropy([])) == 0.0


def test_the_gradient_is_finite_where_a_share_is_exactly_0() -> None:
    values = torch.tensor([[0.0, -1000.0, 0.5]], requires_grad=True)
    entropy = mean_entropy([values])
    entropy.backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert values.grad[0, 0] > 0 > values.grad[0, 2]
