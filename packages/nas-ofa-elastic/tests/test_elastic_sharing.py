"""Sub-networks of the elastic spaces against a dynamic forward pass written out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
import torch
from nas_ofa_elastic.space import ElasticSpace
from posenas import Genotype
from posenas.networks.sharing import SharedWeights
from torch import Tensor, nn
from torch.nn import functional

SPACES = [ElasticSpace("tiny"), ElasticSpace("resnet50")]
GROUP_VALUES = {"tiny": (4, 2, 1), "resnet50": (64, 48, 32, 16)}


def shared_weights(space: ElasticSpace, dtype: torch.dtype) -> SharedWeights:
    """Random weights everywhere, so that no part is the identity."""
    torch.manual_seed(0)
    shared = SharedWeights(space.build(space.largest()).to(dtype))
    with torch.no_grad():
        for parameter in shared.parameters():
            fan_in = max(1, parameter[0].numel())
            parameter.normal_(0.1, fan_in**-0.5)
    return shared


def without_values(space: ElasticSpace, genotype: Genotype) -> nn.Module:
    with torch.device("meta"):
        return space.build(genotype)


class Dynamic:
    """The super-network as one dynamic network, which slices its weights in every forward pass."""

    def __init__(self, space: ElasticSpace, weights: Mapping[str, Tensor]) -> None:
        self.values = GROUP_VALUES[space.backbone]
        self.resnet = space.backbone == "resnet50"
        self.weights = weights

    def normalise(self, name: str, features: Tensor) -> Tensor:
        channels = features.shape[1]
        weight, bias = self.weights[f"{name}.weight"][:channels], self.weights[f"{name}.bias"][:channels]
        return functional.batch_norm(features, None, None, weight, bias, training=True)

    def groups(self, asked: int, *channels: int) -> int:
        return next(g for g in self.values if g <= asked and all(channel % g == 0 for channel in channels))

    def convolve(self, name: str, features: Tensor, width: int, **how: Any) -> Tensor:
        weight = self.weights[f"{name}.weight"][:width, : features.shape[1] // how.get("groups", 1)]
        kernel = how.pop("kernel", weight.shape[-1])
        rim = (weight.shape[-1] - kernel) // 2
        weight = weight[:, :, rim : rim + kernel, rim : rim + kernel]
        bias = self.weights.get(f"{name}.bias")
        return functional.conv2d(
            features, weight, None if bias is None else bias[:width], padding=kernel // 2, **how
        )

    def attend(self, name: str, features: Tensor) -> Tensor:
        channels = features.shape[1]
        hidden = int(channels * max(1 / 16, 16 / channels) + 1e-9)
        mask = self.convolve(f"{name}.mask", features, 1).flatten(1).softmax(1)
        context = torch.einsum("ncp,np->nc", features.flatten(2), mask)[:, :, None, None]
        context = self.convolve(f"{name}.squeeze", context, hidden)
        scale, shift = (self.weights[f"{name}.norm.{part}"][:hidden] for part in ("weight", "bias"))
        context = functional.layer_norm(context, (hidden, 1, 1), scale, shift).relu()
        return features + self.convolve(f"{name}.expand", context, channels)

    def stem(self, features: Tensor, width: int) -> Tensor:
        features = self.convolve("stem.0.0", features, width, stride=2)
        return functional.max_pool2d(self.normalise("stem.0.1", features).relu(), 3, 2, 1)

    def tiny(self, images: Tensor, genotype: Genotype) -> dict[str, Tensor]:
        features = self.normalise("stem.0.1", self.convolve("stem.0.0", images, 16, stride=2)).relu()
        features = self.convolve("stem.1.0", features, genotype["stem.width"], stride=2)
        outputs = {"stem": self.normalise("stem.1.1", features).relu()}
        features = outputs["stem"]
        for number in (0, 1):
            stage = f"stage{number + 1}"
            width = genotype[f"{stage}.width"]
            for block in range(genotype[f"{stage}.depth"]):
                name, before = f"stages.{number}.{block}", features
                features = self.convolve(
                    f"{name}.conv1",
                    features,
                    width,
                    kernel=genotype[f"{stage}.kernel"],
                    groups=self.groups(genotype[f"{stage}.groups"], features.shape[1], width),
                    stride=1 if block else 2,
                )
                features = self.normalise(f"{name}.norm1", features).relu()
                features = self.normalise(f"{name}.norm2", self.convolve(f"{name}.conv2", features, width))
                if genotype[f"{stage}.attention"]:
                    features = self.attend(f"{name}.attention", features)
                if block == 0:
                    before = self.convolve(f"{name}.shortcut.0", before, width, stride=2)
                    before = self.normalise(f"{name}.shortcut.1", before)
                features = (features + before).relu()
            outputs[stage] = features
        for number, below in ((1, outputs["stage1"]), (0, outputs["stem"])):
            features = self.convolve(f"back.{number}.0", features, below.shape[1])
            features = self.normalise(f"back.{number}.1", features).relu()
            features = below + functional.interpolate(features, scale_factor=2.0, mode="bilinear")
        return outputs | {"top": features}

    def __call__(self, images: Tensor, genotype: Genotype) -> dict[str, Tensor]:
        if not self.resnet:
            return self.tiny(images, genotype)
        features, outputs = self.stem(images, genotype["stem.width"]), {}
        for stage in ("stage1", "stage2", "stage3", "stage4"):
            width = genotype[f"{stage}.width"]
            for block in range(genotype[f"{stage}.depth"]):
                name, before = f"{stage}.{block}", features
                stride = 2 if block == 0 and stage != "stage1" else 1
                features = self.normalise(f"{name}.norm1", self.convolve(f"{name}.conv1", features, width))
                features = self.convolve(
                    f"{name}.conv2",
                    features.relu(),
                    width,
                    kernel=genotype[f"{stage}.kernel"],
                    groups=self.groups(genotype[f"{stage}.groups"], width),
                    stride=stride,
                )
                features = self.normalise(f"{name}.norm2", features).relu()
                features = self.normalise(f"{name}.norm3", self.convolve(f"{name}.conv3", features, width))
                if genotype[f"{stage}.attention"]:
                    features = self.attend(f"{name}.attention", features)
                if block == 0:
                    before = self.convolve(f"{name}.shortcut.0", before, width, stride=stride)
                    before = self.normalise(f"{name}.shortcut.1", before)
                features = (features + before).relu()
            outputs[stage] = features
        width = genotype["deconv.width"]
        for layer in range(3):
            groups = self.groups(genotype["deconv.groups"], features.shape[1], width)
            weight = self.weights[f"deconv.{layer}.0.weight"][: features.shape[1], : width // groups]
            features = functional.conv_transpose2d(features, weight, stride=2, padding=1, groups=groups)
            features = self.normalise(f"deconv.{layer}.1", features).relu()
        return outputs | {"deconv": features}


def last(features: Mapping[str, Tensor]) -> Tensor:
    return list(features.values())[-1]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.backbone)
def test_thirty_active_networks_are_the_dynamic_and_the_derived_ones(space: ElasticSpace) -> None:
    shared = shared_weights(space, torch.float64)
    dynamic = Dynamic(space, dict(shared.holder.named_parameters()))
    images = torch.randn(2, 3, 32, 48, dtype=torch.float64)
    rng = Random(1)
    drawn = [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(28))]
    with torch.no_grad():
        for genotype in drawn:
            active = shared.activate(without_values(space, genotype))(images)
            derived = shared.derive(without_values(space, genotype))(images)
            by_hand = dynamic(images, genotype)
            for level, features in active.items():
                assert torch.equal(features, derived[level])
                torch.testing.assert_close(features, by_hand[level])


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.backbone)
def test_gradients_are_those_of_the_dynamic_network(space: ElasticSpace) -> None:
    shared = shared_weights(space, torch.float64)
    weights = dict(shared.holder.named_parameters())
    dynamic = Dynamic(space, weights)
    images = torch.randn(2, 3, 32, 48, dtype=torch.float64)
    rng = Random(2)
    drawn = [space.smallest(), *(space.sample(rng) for _ in range(2)), space.largest()]
    losses = [last(dynamic(images, genotype)).square().mean() for genotype in drawn]
    expected = torch.autograd.grad(torch.stack(losses).sum(), list(weights.values()))
    for genotype in drawn:
        last(shared.activate(without_values(space, genotype))(images)).square().mean().backward()
    for (name, parameter), gradient in zip(weights.items(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, msg=name)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.backbone)
def test_every_weight_of_the_largest_network_gets_a_gradient(space: ElasticSpace) -> None:
    shared = shared_weights(space, torch.float32)
    images = torch.randn(2, 3, 64, 64)
    last(shared.activate(without_values(space, space.largest()))(images)).square().mean().backward()
    for name, parameter in shared.named_parameters():
        assert parameter.grad is not None, name
        assert name.endswith("mask.bias") or parameter.grad.abs().max() > 0, name


def test_fresh_weights_come_from_torchs_generator() -> None:
    space = SPACES[0]
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(space.build(space.smallest()).state_dict())
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])
    assert not torch.equal(networks[0]["stem.0.0.weight"], networks[2]["stem.0.0.weight"])
