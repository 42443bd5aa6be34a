"""The layer library: blocks against their definitions, written out."""

from __future__ import annotations

import pytest
import torch
from posenas.networks.layers.attention import GlobalContext, SqueezeExcitation
from posenas.networks.layers.convolution import convolution, pooled_stem, upsampling
from posenas.networks.layers.initialisation import initialise
from posenas.networks.layers.inverted import InvertedResidual
from posenas.networks.layers.residual import BasicBlock, Bottleneck
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d


def test_global_context_by_its_definition() -> None:
    torch.manual_seed(0)
    attention = GlobalContext(32).double()
    for layer in (attention.squeeze, attention.expand):
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    features = torch.randn(1, 32, 2, 3, dtype=torch.float64)
    scores = [
        (features[0, :, y, x] @ attention.mask.weight[0, :, 0, 0]).exp() for y in range(2) for x in range(3)
    ]
    pixels = [features[0, :, y, x] for y in range(2) for x in range(3)]
    context = sum(score * pixel for score, pixel in zip(scores, pixels, strict=True)) / sum(scores)
    hidden = attention.squeeze.weight[:, :, 0, 0] @ context
    hidden = (hidden - hidden.mean()) / (hidden.var(correction=0) + 1e-5).sqrt()
    added = attention.expand.weight[:, :, 0, 0] @ hidden.relu()
    torch.testing.assert_close(attention(features), features + added[None, :, None, None])


def test_squeeze_excitation_by_its_definition() -> None:
    torch.manual_seed(0)
    attention = SqueezeExcitation(8, 2).double()
    for parameter in attention.parameters():
        nn.init.normal_(parameter)
        parameter.requires_grad_(False)
    features = torch.randn(3, 8, 2, 3, dtype=torch.float64)
    outputs = attention(features)
    gates = set()
    for image in range(3):
        mean = torch.stack([features[image, :, y, x] for y in range(2) for x in range(3)]).mean(dim=0)
        squeezed = [
            max(0.0, float(weight[:, 0, 0] @ mean + bias))
            for weight, bias in zip(attention.squeeze.weight, attention.squeeze.bias, strict=True)
        ]
        for channel in range(8):
            score = float(attention.expand.bias[channel])
            score += sum(
                float(attention.expand.weight[channel, index, 0, 0]) * value
                for index, value in enumerate(squeezed)
            )
            gate = min(1.0, max(0.0, (score + 1) / 2))
            gates.add(gate)
            torch.testing.assert_close(outputs[image, channel], gate * features[image, channel])
    assert {0.0, 1.0} < gates


def settings(**changed: object) -> dict[str, object]:
    usual = {"mid": 24, "kernel": 5, "groups": 6, "stride": 1, "attention": True, "expand": True}
    return {**usual, "activation": nn.Hardswish, **changed}


@pytest.mark.parametrize(
    ("out_channels", "changed", "shortcut"),
    [
        (8, {}, True),
        (12, {}, False),
        (8, {"stride": 2}, False),
        (8, {"mid": 8, "groups": 8, "expand": False}, True),
    ],
)
def test_inverted_residual_by_its_parts(
    out_channels: int, changed: dict[str, object], shortcut: bool
) -> None:
    torch.manual_seed(0)
    options = settings(**changed)
    block = InvertedResidual(8, out_channels, **options)  # type: ignore[arg-type]
    weights = dict(block.named_parameters())
    features = torch.randn(2, 8, 6, 4)

    def convolve(name: str, inputs: Tensor, **how: int) -> Tensor:
        outputs = conv2d(inputs, weights[f"{name}.0.weight"], **how)  # type: ignore[arg-type]
        return batch_norm(outputs, None, None, weights[f"{name}.1.weight"], weights[f"{name}.1.bias"], True)

    def activate(inputs: Tensor) -> Tensor:
        return inputs * ((inputs + 3) / 6).clamp(0, 1)

    hidden = activate(convolve("expand", features)) if options["expand"] else features
    hidden = activate(
        convolve("convolve", hidden, stride=options["stride"], padding=2, groups=options["groups"])  # type: ignore[arg-type]
    )
    assert weights["attention.squeeze.weight"].shape[0] == hidden.shape[1] // 4
    expected = convolve("project", block.attention(hidden))
    torch.testing.assert_close(block(features), expected + features if shortcut else expected)


def test_parts_of_inverted_residuals_keep_their_names() -> None:
    names = {
        (attention, expand): set(
            InvertedResidual(
                8,
                8,
                **settings(mid=8, groups=1, attention=attention, expand=expand),  # type: ignore[arg-type]
            ).state_dict()
        )
        for attention in (False, True)
        for expand in (False, True)
    }
    assert names[False, False] < names[False, True] < names[True, True]
    assert names[False, False] < names[True, False] < names[True, True]


@pytest.mark.parametrize("attention", [None, SqueezeExcitation(16, 4)])
def test_basic_block_by_its_parts(attention: nn.Module | None) -> None:
    torch.manual_seed(0)
    block = BasicBlock(16, groups=4, attention=attention)
    features = torch.randn(2, 16, 5, 3)
    hidden = block.norm2(block.conv2(block.norm1(block.conv1(features)).relu()))
    hidden = hidden if attention is None else attention(hidden)
    torch.testing.assert_close(block(features), (features + hidden).relu())


@pytest.mark.parametrize("project", [False, True])
def test_bottleneck_by_its_parts(project: bool) -> None:
    torch.manual_seed(0)
    outputs, stride = (32, 2) if project else (16, 1)
    attention = SqueezeExcitation(outputs, 4)
    block = Bottleneck(
        16, outputs, mid=8, kernel=5, groups=2, stride=stride, attention=attention, project=project
    )
    features = torch.randn(2, 16, 6, 4)
    hidden = block.norm2(block.conv2(block.norm1(block.conv1(features)).relu())).relu()
    hidden = attention(block.norm3(block.conv3(hidden)))
    assert hidden.shape == (2, outputs, 6 // stride, 4 // stride)
    torch.testing.assert_close(block(features), (hidden + block.shortcut(features)).relu())
    assert len(list(block.shortcut.parameters())) == (3 if project else 0)


def test_convolution_by_its_parts() -> None:
    torch.manual_seed(0)
    layers = convolution(4, 8, kernel=3, stride=2, groups=2, activation=nn.Hardswish)
    plain = convolution(4, 8, kernel=3, stride=2, groups=2, activation=None)
    assert [len(layers), len(plain)] == [3, 2]
    plain.load_state_dict(layers.state_dict())
    images = torch.randn(2, 4, 6, 8)
    hidden = conv2d(images, layers.get_parameter("0.weight"), stride=2, padding=1, groups=2)
    expected = batch_norm(hidden, None, None, training=True)
    torch.testing.assert_close(plain(images), expected)
    torch.testing.assert_close(layers(images), expected * (expected / 6 + 0.5).clamp(0, 1))


def test_stem_and_upsampling_change_sizes_by_four_and_two() -> None:
    features = pooled_stem(8)(torch.randn(2, 3, 32, 24))
    assert features.shape == (2, 8, 8, 6)
    assert upsampling(8, 4, groups=2)(features).shape == (2, 4, 16, 12)


def test_initialise_fills_every_convolution_and_zeroes_biases() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 4, 4), SqueezeExcitation(4, 2), GlobalContext(4)
    )
    initialise(network, nn.init.ones_)
    for name, parameter in network.named_parameters():
        if name == "3.mask.weight":
            assert not (parameter == 1).any()
        elif name == "3.expand.weight" or name.endswith("bias"):
            assert (parameter == 0).all(), name
        else:
            assert (parameter == 1).all(), name


def test_initialise_leaves_the_meta_device_alone() -> None:
    def refuse(_weight: Tensor) -> Tensor:
        raise AssertionError

    with torch.device("meta"):
        initialise(nn.Sequential(nn.Conv2d(3, 4, 1)), refuse)
