"""A space that is relaxed and shares weights: networks compute with their genotype's real values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.contract.components import Relaxed, WeightSharing
from posenas.contract.genotype import Choice, Dimension, Genotype, Real
from posenas.contract.levels import Level
from posenas.contract.problem import Weights
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.real_values import relax
from posenas.runs.checkpoint import save_weights
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import Run
from posenas.searching.loading import fresh_shared_network, load_network, trained_shared_network
from posenas.searching.resources import Resources, make_resources
from torch import Tensor, nn

ALPHA = [[5.0, -5.0]]
OTHER = [[-1.0, 2.0]]


class MixedNetwork(nn.Module):
    """A convolution at a quarter of the image; its output and that squared, by the softmax of alpha."""

    alpha: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, width, 4, 4)
        self.register_buffer("alpha", torch.zeros(1, 2))
        self.levels = (Level("features", stride=4, channels=width),)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.convolution(images)
        first, second = torch.softmax(self.alpha, 1)[0]
        return {"features": first * features + second * features**2}


@dataclass(frozen=True)
class MixedSpace:
    def dimensions(self) -> dict[str, Dimension]:
        return {"width": Choice((2, 4)), "alpha": Real((1, 2))}

    def sample(self, rng: Random) -> Genotype:
        return {"width": rng.choice((2, 4)), "alpha": [[rng.gauss(0, 1), rng.gauss(0, 1)]]}

    def largest(self) -> Genotype:
        return {"width": 4, "alpha": [[0.0, 0.0]]}

    def smallest(self) -> Genotype:
        return {"width": 2, "alpha": [[0.0, 0.0]]}

    def build(self, genotype: Genotype) -> MixedNetwork:
        network = MixedNetwork(genotype["width"])
        self.set_values(network, genotype)
        return network

    def relax(self, backbone: Any) -> Mapping[str, Tensor]:
        if "alpha" not in backbone._parameters:
            value = backbone._buffers.pop("alpha")
            backbone.register_parameter("alpha", nn.Parameter(value.detach().clone()))
        return {"alpha": backbone.alpha}

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        with torch.no_grad():
            backbone.alpha.copy_(torch.tensor(genotype["alpha"]))

    def discrete(self, genotype: Genotype) -> Genotype:
        return genotype

    def prune(self, genotype: Genotype, threshold: float) -> Genotype:  # noqa: ARG002
        return genotype


@pytest.fixture(scope="module")
def composition() -> Composition:
    tables = {
        "dataset": {"name": "synthetic", "train_images": 6, "val_images": 3},
        "head": {"name": "heatmap", "input_size": [64, 64]},
        "strategy": {"name": "random"},
        "space": {"name": "fixed", "width": 0.125},
        "precision": "32",
    }
    return replace(compose(recipe_from_tables(tables)), space=MixedSpace())


def resources_of(composition: Composition, folder: Path, *needs: type) -> Resources:
    strategy = cast(Any, SimpleNamespace(requires=lambda: needs))
    return make_resources(
        replace(composition, strategy=strategy),
        Run(folder),
        warn=pytest.fail,
        advance=lambda _task, _done, _total: None,
    )


def expected(network: PoseNetwork, images: Tensor, alpha: Any) -> Tensor:
    """The features by the definition, with these values."""
    convolution = network.backbone.get_submodule("convolution")
    features = torch.nn.functional.conv2d(images, convolution.weight, convolution.bias, stride=4)
    first, second = torch.tensor(alpha).softmax(1)[0]
    return first * features + second * features**2


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("needs", [(WeightSharing,), (WeightSharing, Relaxed)])
def test_a_network_from_shared_weights_computes_with_its_genotypes_values(
    composition: Composition, tmp_path: Path, needs: tuple[type, ...], width: int
) -> None:
    resources = resources_of(composition, tmp_path, *needs)
    file = save_weights(resources.run.weights, fresh_shared_network(resources))
    images = torch.randn(2, 3, 64, 64)
    for alpha in (ALPHA, OTHER):
        network = load_network(resources, {"width": width, "alpha": alpha}, Weights(file, shared=True))
        found = network.backbone(images)["features"]
        torch.testing.assert_close(found, expected(network, images, alpha))
        assert "alpha" not in dict(network.backbone.named_parameters())


def test_an_active_network_has_its_genotypes_values_each_time(
    composition: Composition, tmp_path: Path
) -> None:
    shared = fresh_shared_network(resources_of(composition, tmp_path, WeightSharing))
    images = torch.randn(2, 3, 64, 64)
    genotype = {"width": 2, "alpha": ALPHA}
    for _ in range(2):  # made, and then filled anew
        network = shared.activate(genotype)
        torch.testing.assert_close(network.backbone(images)["features"], expected(network, images, ALPHA))
    assert "alpha" not in dict(shared.named_parameters())


def test_gradients_of_a_genotypes_values_reach_the_shared_ones(
    composition: Composition, tmp_path: Path
) -> None:
    resources = resources_of(composition, tmp_path, WeightSharing, Relaxed)
    fresh = fresh_shared_network(resources)
    assert_alphas_gradient(fresh)
    file = save_weights(resources.run.weights, fresh)
    assert_alphas_gradient(trained_shared_network(resources, file))


def assert_alphas_gradient(shared: SharedPoseNetwork) -> None:
    images = torch.randn(2, 3, 64, 64)
    network = shared.activate({"width": 2, "alpha": OTHER})
    relax(MixedSpace(), network)  # as a step does; it is relaxed already
    network.backbone(images)["features"].sum().backward()
    found = relax(MixedSpace(), shared.shared.largest)["alpha"].grad
    alpha = torch.tensor(OTHER, requires_grad=True)
    with torch.no_grad():
        features = network.backbone.get_submodule("convolution")(images)
    first, second = alpha.softmax(1)[0]
    (first * features + second * features**2).sum().backward()
    torch.testing.assert_close(found, alpha.grad)
