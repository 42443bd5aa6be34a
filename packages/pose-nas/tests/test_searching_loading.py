"""Networks with their weights, from wherever these are; and with their genotypes' real values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.components import Relaxed, WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.problem import Weights
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.real_values import relax
from posenas.runs.checkpoint import save_weights
from posenas.searching.loading import (
    fresh_network,
    fresh_shared_network,
    inherit_network,
    load_network,
    load_part,
    read_tensors,
    trained_shared_network,
)
from posenas.searching.resources import Resources, make_resources
from safetensors.torch import save_file
from torch import Tensor, nn
from toy_search import SMALL, WIDE, MixedSpace, Strategy, ToyBackbone, composed, resources_in

ALPHA = [[5.0, -5.0]]
OTHER = [[-1.0, 2.0]]


def saved(resources: Resources, network: nn.Module) -> Weights:
    return Weights(save_weights(resources.run.weights, network), shared=False)


def same(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_fresh_network_is_drawn_from_torchs_generator(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    networks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        networks.append(fresh_network(resources, WIDE))
    assert same(networks[0], networks[1])
    assert not same(networks[0], networks[2])


def test_initial_weights_of_the_recipe_fill_networks_and_super_networks_and_are_told_once(
    tmp_path: Path,
) -> None:
    given = fresh_network(resources_in(tmp_path), WIDE)
    save_file(given.state_dict(), tmp_path / "given.safetensors")
    recipe = replace(composed().recipe, init=str(tmp_path / "given.safetensors"))
    told: list[str] = []
    composition = composed(recipe=recipe)
    run = resources_in(tmp_path).run
    resources = make_resources(composition, run, warn=told.append, advance=lambda *_: None)
    assert same(fresh_network(resources, WIDE), given)
    assert same(fresh_shared_network(resources).shared.holder, given)
    small = fresh_network(resources, SMALL).backbone.get_submodule("convolution")
    assert torch.equal(small.weight, given.backbone.get_submodule("convolution").weight[:2])
    (text,) = told
    assert text.endswith("100.0 % of the parameters taken from it")


def test_a_network_has_the_weights_of_its_file(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    network = fresh_network(resources, WIDE)
    weights = saved(resources, network)
    assert same(load_network(resources, WIDE, weights), network)
    assert read_tensors(resources, weights.file).keys() == network.state_dict().keys()
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_network(resources, SMALL, weights)


def test_a_network_from_shared_weights_is_a_part_of_them(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    shared = fresh_shared_network(resources)
    weights = Weights(save_weights(tmp_path / "weights", shared), shared=True)
    network = load_network(resources, SMALL, weights)
    largest = shared.shared.holder.backbone.get_submodule("convolution")
    found = network.backbone.get_submodule("convolution")
    assert torch.equal(found.weight, largest.weight[:2])
    assert found.weight.data_ptr() != largest.weight.data_ptr()
    assert same(trained_shared_network(resources, weights.file), shared)


def test_the_last_super_network_is_read_once_for_all_its_candidates(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    files = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        files.append(save_weights(tmp_path / "weights", fresh_shared_network(resources)))
    read: list[str] = []

    def reading(file: str) -> bytes:
        read.append(file)
        return (tmp_path / "weights" / file).read_bytes()

    resources = replace(resources, read=reading)
    for file in (files[0], files[0], files[1], files[1], files[0]):
        load_network(resources, SMALL, Weights(file, shared=True))
    assert read == [files[0], files[1], files[0]]
    assert list(resources.shared) == [files[0]]


@dataclass(frozen=True)
class AloneSpace:
    """Networks that share nothing."""

    def sample(self, _rng: Random) -> Genotype:
        return SMALL

    def build(self, genotype: Genotype) -> ToyBackbone:
        return ToyBackbone(genotype["width"])


def test_a_space_without_shared_weights_has_no_super_network(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="has no shared weights; the strategy must require WeightSharing"):
        fresh_shared_network(resources_in(tmp_path, space=AloneSpace()))


def test_a_part_has_the_tensors_that_it_still_needs(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    whole = fresh_network(resources, WIDE)
    tensors = {**whole.state_dict(), "more": torch.zeros(1)}
    assert same(load_part(resources, WIDE, tensors), whole)
    with pytest.raises(KeyError, match=r"backbone\.convolution"):
        load_part(resources, WIDE, {"more": torch.zeros(1)})


def test_a_child_inherits_what_fits_and_tells_the_share(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    parent = fresh_network(resources, SMALL)
    file = saved(resources, parent).file
    network, took = inherit_network(resources, SMALL, file)
    assert took.share == 1.0
    assert same(network, parent)
    wide, took = inherit_network(resources, WIDE, file)
    assert 0 < took.share < 1
    weight = wide.backbone.get_submodule("convolution").weight
    assert torch.equal(weight[:2], parent.backbone.get_submodule("convolution").weight)


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PosenasError, match="this weights file is missing"):
        load_network(resources_in(tmp_path), WIDE, Weights("none.safetensors", shared=False))


def relaxed_in(folder: Path, *needs: type) -> Resources:
    """Resources of a strategy with these needs, in a space of real values."""
    return resources_in(folder, space=MixedSpace(), strategy=Strategy(None, needs))


def expected(network: PoseNetwork, images: Tensor, alpha: Any) -> Tensor:
    """The features by the definition, with these values."""
    convolution = network.backbone.get_submodule("convolution")
    features = torch.nn.functional.conv2d(images, convolution.weight, convolution.bias, stride=4)
    first, second = torch.tensor(alpha).softmax(1)[0]
    return first * features + second * features**2


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("needs", [(WeightSharing,), (WeightSharing, Relaxed)])
def test_a_network_from_shared_weights_computes_with_its_genotypes_values(
    tmp_path: Path, needs: tuple[type, ...], width: int
) -> None:
    resources = relaxed_in(tmp_path, *needs)
    file = save_weights(resources.run.weights, fresh_shared_network(resources))
    images = torch.randn(2, 3, 16, 16)
    for alpha in (ALPHA, OTHER):
        network = load_network(resources, {"width": width, "alpha": alpha}, Weights(file, shared=True))
        found = network.backbone(images)["features"]
        torch.testing.assert_close(found, expected(network, images, alpha))
        assert "alpha" not in dict(network.backbone.named_parameters())


def test_a_network_with_weights_of_its_own_computes_with_its_genotypes_values(tmp_path: Path) -> None:
    """Fresh, read from a file that was saved with other values, and as a part of another network."""
    resources = relaxed_in(tmp_path)
    images = torch.randn(2, 3, 16, 16)
    genotype = {"width": 4, "alpha": ALPHA}
    saved = fresh_network(resources, {"width": 4, "alpha": OTHER})
    file = save_weights(resources.run.weights, saved)
    for network in (
        fresh_network(resources, genotype),
        load_network(resources, genotype, Weights(file, shared=False)),
        load_part(resources, genotype, saved.state_dict()),
        inherit_network(resources, genotype, file)[0],
    ):
        found = network.backbone(images)["features"]
        torch.testing.assert_close(found, expected(network, images, ALPHA))


def test_an_active_network_has_its_genotypes_values_each_time(tmp_path: Path) -> None:
    shared = fresh_shared_network(relaxed_in(tmp_path, WeightSharing))
    images = torch.randn(2, 3, 16, 16)
    genotype = {"width": 2, "alpha": ALPHA}
    for _ in range(2):  # made, and then filled anew
        network = shared.activate(genotype)
        torch.testing.assert_close(network.backbone(images)["features"], expected(network, images, ALPHA))
    assert "alpha" not in dict(shared.named_parameters())


def test_gradients_of_a_genotypes_values_reach_the_shared_ones(tmp_path: Path) -> None:
    resources = relaxed_in(tmp_path, WeightSharing, Relaxed)
    fresh = fresh_shared_network(resources)
    assert_alphas_gradient(fresh)
    file = save_weights(resources.run.weights, fresh)
    assert_alphas_gradient(trained_shared_network(resources, file))


def assert_alphas_gradient(shared: SharedPoseNetwork) -> None:
    images = torch.randn(2, 3, 16, 16)
    network = shared.activate({"width": 2, "alpha": OTHER})
    relax(MixedSpace(), network)  # as a step does; it is relaxed already
    network.backbone(images)["features"].sum().backward()
    found = relax(MixedSpace(), shared.shared.holder)["alpha"].grad
    alpha = torch.tensor(OTHER, requires_grad=True)
    with torch.no_grad():
        features = network.backbone.get_submodule("convolution")(images)
    first, second = alpha.softmax(1)[0]
    (first * features + second * features**2).sum().backward()
    torch.testing.assert_close(found, alpha.grad)
