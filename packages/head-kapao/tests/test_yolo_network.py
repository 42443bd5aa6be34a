"""KAPAO's network against a literal forward pass in float64: layer by layer, features joined end to end.

The same forward pass takes a narrower network's weights out of a wider one's, so it also judges which part of
the shared weights an active network uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from random import Random

import pytest
import torch
from head_kapao.blocks import join
from head_kapao.network import YoloNetwork
from head_kapao.space import YoloSpace
from posenas import Genotype
from posenas.networks.sharing import SharedWeights
from posenas.networks.transfer import transfer
from torch import Tensor, nn
from torch.nn import functional

SPACE = YoloSpace()


class Literal:
    """The network by the authors' numbers of layers, with any weights that contain the genotype's.

    Weights of a convolution on joined features lie channel by channel: of S sources, channel c of source s is
    the (c S + s)-th. Here they are brought into the customary order, one source after the other.

    Args:
        weights: a state dict, or the parameters alone; with batch norm's statistics they are used.
    """

    def __init__(self, weights: Mapping[str, Tensor], genotype: Genotype) -> None:
        self.weights = weights
        self.genotype = genotype

    def convolve(
        self, name: str, *sources: Tensor, width: int, kernel: int | None = None, stride: int = 1
    ) -> Tensor:
        weight = self.weights[f"{name}.0.weight"][:width]
        parts = [weight[:, place :: len(sources)] for place in range(len(sources))]
        weight = torch.cat(
            [part[:, : source.shape[1]] for part, source in zip(parts, sources, strict=True)], 1
        )
        rim = (weight.shape[-1] - (kernel or weight.shape[-1])) // 2
        weight = weight[:, :, rim : weight.shape[2] - rim, rim : weight.shape[3] - rim]
        hidden = functional.conv2d(
            torch.cat(sources, 1), weight, stride=stride, padding=weight.shape[-1] // 2
        )
        scale, shift = (self.weights[f"{name}.1.{part}"][:width] for part in ("weight", "bias"))
        if f"{name}.1.running_mean" in self.weights:
            mean, variance = (self.weights[f"{name}.1.running_{part}"][:width] for part in ("mean", "var"))
        else:
            mean, variance = hidden.mean((0, 2, 3)), hidden.var((0, 2, 3), correction=0)
        scale = scale / (variance + 0.001).sqrt()
        hidden = (hidden - mean[:, None, None]) * scale[:, None, None] + shift[:, None, None]
        return hidden * torch.sigmoid(hidden)

    def width(self, stage: str) -> int:
        width: int = self.genotype[f"{stage}.width"]
        return width

    def c3(self, name: str, stage: str, *sources: Tensor, shortcut: bool = False) -> Tensor:
        width, half = self.width(stage), self.width(stage) // 2
        hidden = self.convolve(f"{name}.enter", *sources, width=half)
        for block in range(self.genotype[f"{stage}.depth"]):
            before = hidden
            hidden = self.convolve(f"{name}.bottlenecks.{block}.reduce", hidden, width=half)
            kernel = self.genotype[f"{stage}.kernel"]
            hidden = self.convolve(f"{name}.bottlenecks.{block}.convolve", hidden, width=half, kernel=kernel)
            hidden = before + hidden if shortcut else hidden
        bypass = self.convolve(f"{name}.bypass", *sources, width=half)
        return self.convolve(f"{name}.merge", hidden, bypass, width=width)

    def pool(self, name: str, features: Tensor, width: int) -> Tensor:
        features = self.convolve(f"{name}.enter", features, width=width // 2)
        pooled = [features]
        for side in (3, 5, 7):
            rim = side // 2
            padded = functional.pad(features, (rim, rim, rim, rim), value=-torch.inf)
            pooled.append(padded.unfold(2, side, 1).unfold(3, side, 1).amax((4, 5)))
        return self.convolve(f"{name}.merge", *pooled, width=width)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        width, c3 = self.width, self.c3
        halve = partial(self.convolve, stride=2)
        corners = [
            images[:, :, 0::2, 0::2],
            images[:, :, 1::2, 0::2],
            images[:, :, 0::2, 1::2],
            images[:, :, 1::2, 1::2],
        ]
        layer0 = self.convolve("stem.convolve", torch.cat(corners, 1), width=width("stem"))
        layer1 = halve("backbone.p2.0", layer0, width=width("backbone.p2"))
        layer2 = c3("backbone.p2.1", "backbone.p2", layer1, shortcut=True)
        layer3 = halve("backbone.p3.0", layer2, width=width("backbone.p3"))
        layer4 = c3("backbone.p3.1", "backbone.p3", layer3, shortcut=True)
        layer5 = halve("backbone.p4.0", layer4, width=width("backbone.p4"))
        layer6 = c3("backbone.p4.1", "backbone.p4", layer5, shortcut=True)
        layer7 = halve("backbone.p5.0", layer6, width=width("backbone.p5"))
        layer8 = c3("backbone.p5.1", "backbone.p5", layer7, shortcut=True)
        layer9 = halve("backbone.p6.0", layer8, width=width("backbone.p6"))
        layer10 = self.pool("backbone.p6.1", layer9, width("backbone.p6"))
        layer11 = c3("backbone.p6.2", "backbone.p6", layer10)
        layer12 = self.convolve("narrow.p5", layer11, width=width("backbone.p5"))
        layer15 = c3("top_down.p5", "top_down.p5", doubled(layer12), layer8)
        layer16 = self.convolve("narrow.p4", layer15, width=width("backbone.p4"))
        layer19 = c3("top_down.p4", "top_down.p4", doubled(layer16), layer6)
        layer20 = self.convolve("narrow.p3", layer19, width=width("backbone.p3"))
        layer23 = c3("top_down.p3", "top_down.p3", doubled(layer20), layer4)
        layer24 = halve("halve.p4", layer23, width=width("backbone.p3"))
        layer26 = c3("bottom_up.p4", "bottom_up.p4", layer24, layer20)
        layer27 = halve("halve.p5", layer26, width=width("backbone.p4"))
        layer29 = c3("bottom_up.p5", "bottom_up.p5", layer27, layer16)
        layer30 = halve("halve.p6", layer29, width=width("backbone.p5"))
        layer32 = c3("bottom_up.p6", "bottom_up.p6", layer30, layer12)
        return {"p3": layer23, "p4": layer26, "p5": layer29, "p6": layer32}


def doubled(features: Tensor) -> Tensor:
    return features.repeat_interleave(2, 2).repeat_interleave(2, 3)


def drawn(number: int) -> list[Genotype]:
    rng = Random(3)
    return [SPACE.largest(), SPACE.smallest(), *(SPACE.sample(rng) for _ in range(number))]


def without_values(genotype: Genotype) -> YoloNetwork:
    with torch.device("meta"):
        return SPACE.build(genotype)


def randomised(network: YoloNetwork) -> YoloNetwork:
    """Random weights and statistics everywhere, so that no layer is the identity or alike to another."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in network.double().state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.is_floating_point():
                value.normal_(0.1, max(1, value[0].numel()) ** -0.5)
    return network


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(2, 3, 128, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def shared() -> SharedWeights:
    return SharedWeights(randomised(SPACE.build(SPACE.largest())))


@pytest.mark.parametrize(
    "genotype", [SPACE.ancestor(), *drawn(1)], ids=["ancestor", "largest", "smallest", "random"]
)
def test_evaluated_network_is_the_literal_one(genotype: Genotype) -> None:
    """On an image whose coarsest level is wider than all pooling windows."""
    images = torch.rand(1, 3, 512, 576, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    network = randomised(SPACE.build(genotype)).eval()
    with torch.no_grad():
        features = network(images)
        by_hand = Literal(network.state_dict(), genotype)(images)
    assert list(features) == list(by_hand)
    for name, value in by_hand.items():
        torch.testing.assert_close(features[name], value, rtol=1e-10, atol=1e-10)
        assert value.std() > 0.01


def test_thirty_active_networks_are_the_literal_and_the_derived_ones(
    shared: SharedWeights, images: Tensor
) -> None:
    weights = dict(shared.holder.named_parameters())
    with torch.no_grad():
        for genotype in drawn(28):
            network = without_values(genotype)
            active = shared.activate(network)(images)
            derived = shared.derive(network)(images)
            by_hand = Literal(weights, genotype)(images)
            for name, features in active.items():
                assert torch.equal(features, derived[name])
                torch.testing.assert_close(features, by_hand[name], rtol=1e-8, atol=1e-8)


def test_gradients_are_those_of_the_literal_network(shared: SharedWeights, images: Tensor) -> None:
    weights = dict(shared.holder.named_parameters())
    genotypes = [SPACE.largest(), SPACE.sample(Random(2))]
    losses = [total(Literal(weights, genotype)(images)) for genotype in genotypes]
    expected = torch.autograd.grad(torch.stack(losses).sum(), list(weights.values()))
    shared.zero_grad()
    for genotype in genotypes:
        total(shared.activate(without_values(genotype))(images)).backward()  # type: ignore[no-untyped-call]
    for (name, parameter), gradient in zip(weights.items(), expected, strict=True):
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(parameter.grad, gradient, msg=partial("{}: {}".format, name))


def total(features: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([value.square().mean() for value in features.values()]).sum()


def test_a_child_inherits_the_same_part_of_its_parents_weights(shared: SharedWeights) -> None:
    genotype = SPACE.sample(Random(5))
    child = SPACE.build(genotype).double()
    assert transfer(child, shared.holder.state_dict()).share == 1.0
    derived = shared.derive(without_values(genotype))
    for (name, own), (_, cut) in zip(child.named_parameters(), derived.named_parameters(), strict=True):
        assert torch.equal(own, cut), name


@pytest.mark.parametrize("sources", [2, 4])
def test_joined_features_lie_channel_by_channel(sources: int) -> None:
    features = [10.0 * place + torch.arange(3.0).view(1, 3, 1, 1) for place in range(sources)]
    expected = [10.0 * place + channel for channel in range(3) for place in range(sources)]
    assert join(*features).flatten().tolist() == expected


def test_every_convolution_has_the_authors_batch_norm_and_no_bias() -> None:
    network = without_values(SPACE.ancestor())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(norms) == len(convolutions) == 77
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.03)}
    assert {convolution.bias for convolution in convolutions} == {None}
