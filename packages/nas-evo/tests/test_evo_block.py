"""The block against a forward pass written by hand; drop-connect against its expectation; fresh weights."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from nas_evo.block import Convolving, DropConnect, InvertedResidual
from nas_evo.initialisation import fan_out, fill
from nas_evo.space import EvoSpace
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]


def block(**changes: int) -> InvertedResidual:
    """Of random weights and statistics everywhere, in double precision and evaluation mode."""
    torch.manual_seed(0)
    settings = {"in_channels": 8, "out_channels": 16, "expansion": 6, "kernel": 3, "stride": 1} | changes
    made = InvertedResidual(**settings, drop=0.3, convolving=Convolving(0.01)).double().eval()  # type: ignore[arg-type]
    for name, value in made.state_dict().items():
        if value.is_floating_point():
            value.uniform_(0.2, 1.5) if name.endswith("running_var") else value.normal_(std=0.5)
    return made


def swish(values: Array) -> Array:
    return values / (1 + np.exp(-values))


def normalise(values: Array, weights: dict[str, Array], name: str) -> Array:
    mean, variance, scale, shift = (
        weights[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (values - mean) / np.sqrt(variance + 0.001) * scale + shift


def depthwise(values: Array, kernels: Array, stride: int) -> Array:
    """(C, H, W) by (C, 1, k, k), one output pixel after another."""
    size = kernels.shape[-1]
    rim = size // 2
    padded = np.pad(values, ((0, 0), (rim, rim), (rim, rim)))
    height, width = (math.ceil(side / stride) for side in values.shape[1:])
    output = np.zeros((len(values), height, width))
    for channel, row, column in itertools.product(*map(range, output.shape)):
        patch = padded[channel, row * stride : row * stride + size, column * stride : column * stride + size]
        output[channel, row, column] = (patch * kernels[channel, 0]).sum()
    return output


def by_hand(values: Array, made: InvertedResidual, *, expansion: int, stride: int) -> Array:
    """A (C, H, W) map through facts of EfficientNet's block, with its weights."""
    weights = {name: value.numpy() for name, value in made.state_dict().items()}

    def pointwise(inputs: Array, name: str) -> Array:
        output: Array = np.einsum("oi,ihw->ohw", weights[f"{name}.weight"][:, :, 0, 0], inputs)
        return output + weights[f"{name}.bias"][:, None, None] if f"{name}.bias" in weights else output

    hidden = values
    if expansion > 1:
        hidden = swish(normalise(pointwise(hidden, "expand.0"), weights, "expand.1"))
        assert len(hidden) == expansion * len(values)
    hidden = depthwise(hidden, weights["depthwise.0.weight"], stride)
    hidden = swish(normalise(hidden, weights, "depthwise.1"))
    squeezed = swish(pointwise(hidden.mean((1, 2), keepdims=True), "excite.squeeze"))
    assert len(squeezed) == max(1, int(0.25 * len(values)))
    hidden = hidden / (1 + np.exp(-pointwise(squeezed, "excite.expand")))
    output = normalise(pointwise(hidden, "project.0"), weights, "project.1")
    return output + values if output.shape == values.shape and stride == 1 else output


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "expansion", "kernel", "stride"),
    [
        (8, 16, 6, 3, 1),
        (8, 8, 6, 5, 1),
        (16, 8, 6, 5, 2),
        (8, 8, 6, 3, 2),
        (32, 16, 1, 3, 1),
        (8, 8, 1, 5, 1),
    ],
)
def test_block_is_the_one_computed_by_hand(
    in_channels: int, out_channels: int, expansion: int, kernel: int, stride: int
) -> None:
    made = block(
        in_channels=in_channels, out_channels=out_channels, expansion=expansion, kernel=kernel, stride=stride
    )
    images = torch.randn(2, in_channels, 6, 4, dtype=torch.float64)
    with torch.no_grad():
        output = made(images.clone()).numpy()
    for image, features in zip(images.numpy(), output, strict=True):
        np.testing.assert_allclose(features, by_hand(image, made, expansion=expansion, stride=stride))


def test_drop_connect_keeps_the_expectation_and_drops_whole_samples() -> None:
    torch.manual_seed(0)
    samples = torch.rand(20_000, 2, 1, 3) + 0.5
    dropped = DropConnect(0.3).train()(samples)
    kept = (dropped != 0).all(dim=(1, 2, 3))
    assert torch.equal(kept, (dropped != 0).any(dim=3).any(dim=2).any(dim=1))
    assert kept.float().mean() == pytest.approx(0.7, abs=0.015)
    torch.testing.assert_close(dropped[kept], samples[kept] / 0.7)
    assert dropped.mean() == pytest.approx(float(samples.mean()), rel=0.03)


def test_drop_connect_is_off_in_evaluation_and_drawn_from_torchs_generator() -> None:
    features = torch.randn(64, 2, 2, 2)
    module = DropConnect(0.5)
    assert torch.equal(module.eval()(features), features)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(module.train()(features))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_a_dropped_block_is_its_shortcut() -> None:
    made = block(out_channels=8).train()
    made.drop.rate = 0.5
    features = torch.randn(32, 8, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        is_shortcut = (made(features) == features).flatten(1).all(dim=1)
    assert 4 < is_shortcut.sum() < 28


@pytest.mark.parametrize(("in_channels", "stride"), [(8, 1), (16, 2)])
def test_without_a_shortcut_nothing_is_dropped(in_channels: int, stride: int) -> None:
    made = block(in_channels=in_channels, stride=stride).train()
    assert not made.shortcut
    assert made.drop.rate == 0


@pytest.mark.parametrize(
    ("convolution", "fan"),
    [
        (nn.Conv2d(24, 144, 1), 144),
        (nn.Conv2d(3, 32, 3), 9 * 32),
        (nn.Conv2d(144, 144, 5, groups=144), 25),
        (nn.ConvTranspose2d(320, 128, 3), 9 * 320),
    ],
    ids=["pointwise", "stem", "depthwise", "transposed"],
)
def test_fan_out_is_kerass(convolution: nn.Conv2d | nn.ConvTranspose2d, fan: int) -> None:
    """By shape[-1] x area of kernels (k, k, I, O), depthwise (k, k, I, 1) and transposed (k, k, O, I)."""
    assert fan_out(convolution) == fan


def test_fresh_weights_have_the_deviation_and_no_tails() -> None:
    torch.manual_seed(0)
    weight = torch.empty(300_000)
    fill(weight, deviation=0.1)
    assert weight.std() == pytest.approx(0.1, rel=0.01)
    assert weight.mean() == pytest.approx(0, abs=1e-3)
    assert weight.abs().max() == pytest.approx(0.1 * 2 / 0.8796, rel=1e-3)
    assert weight.abs().max() <= 0.1 * 2 / 0.8796
    # A twentieth of a whole normal distribution lies beyond the cut; its quartiles are at 0.6745 deviations.
    cut = nn.init.trunc_normal_(torch.empty(300_000), std=0.1 / 0.8796, a=-0.2 / 0.8796, b=0.2 / 0.8796)
    quantiles = torch.linspace(0.05, 0.95, 19)
    assert (weight.quantile(quantiles) - cut.quantile(quantiles)).abs().max() < 2e-3


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d | nn.ConvTranspose2d]:
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return {name: module for name, module in network.named_modules() if isinstance(module, kinds)}


def test_networks_begin_with_these_weights() -> None:
    torch.manual_seed(0)
    space = EvoSpace(width=1.0)
    found = convolutions(space.build(space.ancestor()))
    for name, fan in {
        "module7.0.project.0": 320,
        "module6.3.depthwise.0": 25,
        "deconv1.0": 9 * 320,
        "module6.1.excite.expand": 1152,
    }.items():
        assert found[name].weight.detach().std() == pytest.approx((2 / fan) ** 0.5, rel=0.05), name
    biases: list[Tensor] = [module.bias for module in found.values() if module.bias is not None]
    assert len(biases) == 2 * 16
    assert not any(bias.any() for bias in biases)
