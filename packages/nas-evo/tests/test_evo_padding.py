"""Keras's padding against loops that follow its rule, output pixel by output pixel."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from nas_evo.block import Convolving, Padding, normalised
from nas_evo.space import EvoSpace
from torch import nn


def convolved(values: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """Return a map (H, W) by a kernel (k, k): so many zeros that H / stride rows fit, half of them before."""
    size = len(kernel)
    output = np.zeros([math.ceil(side / stride) for side in values.shape])
    before = [
        max((count - 1) * stride + size - side, 0) // 2
        for count, side in zip(output.shape, values.shape, strict=True)
    ]
    for row, column, i, j in itertools.product(*map(range, output.shape), range(size), range(size)):
        y, x = row * stride + i - before[0], column * stride + j - before[1]
        if 0 <= y < values.shape[0] and 0 <= x < values.shape[1]:
            output[row, column] += values[y, x] * kernel[i, j]
    return output


def spread(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return a map (H, W) spread over (2 H, 2 W): each value adds its kernel, from its own pixel on."""
    output = np.zeros([2 * side + len(kernel) for side in values.shape])
    for row, column, i, j in itertools.product(*map(range, values.shape), range(3), range(3)):
        output[2 * row + i, 2 * column + j] += values[row, column] * kernel[i, j]
    return output[: 2 * values.shape[0], : 2 * values.shape[1]]


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_convolutions_look_where_kerass_do(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 1, kernel, stride, kernel // 2, bias=False).double()
    made = normalised(layer, Convolving(0.1, "keras")).double().eval()
    values = torch.randn(8, 6, dtype=torch.float64)
    wanted = convolved(values.numpy(), layer.weight.detach().numpy()[0, 0], stride) / math.sqrt(1.001)
    np.testing.assert_allclose(made(values[None, None]).detach().numpy()[0, 0], wanted, atol=1e-12)


def test_transposed_convolutions_crop_the_last_row_and_column() -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(1, 1, 3, 2, 1, output_padding=1, bias=False).double()
    made = normalised(layer, Convolving(0.1, "keras")).double().eval()
    values = torch.randn(4, 3, dtype=torch.float64)
    wanted = spread(values.numpy(), layer.weight.detach().numpy()[0, 0]) / math.sqrt(1.001)
    np.testing.assert_allclose(made(values[None, None]).detach().numpy()[0, 0], wanted, atol=1e-12)


def test_both_paddings_have_the_same_tensors_and_shapes() -> None:
    def described(padding: Padding) -> dict[str, object]:
        space = EvoSpace(width=0.25, padding=padding)
        torch.manual_seed(0)
        network = space.build(space.ancestor())
        levels = network.eval()(torch.ones(1, 3, 64, 64))
        shapes = {name: tuple(level.shape) for name, level in levels.items()}
        return {"levels": shapes, **{name: value.tolist() for name, value in network.state_dict().items()}}

    assert described("keras") == described("symmetric")
