"""The super-network as a search uses it: networks by genotype."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.networks.without_values import WithoutValues
from torch import Tensor, nn

SIZES = [{"width": width} for width in (2, 3, 4, 5, 6, 8)]


class Head(nn.Conv2d):
    def forward(self, features: Tensor, targets: Any | None = None) -> Tensor:  # noqa: ARG002
        return super().forward(features)


def build(genotype: Any) -> PoseNetwork:
    width = genotype["width"]
    backbone = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU())
    return PoseNetwork(backbone, Head(width, 2, 1))


@pytest.fixture
def shared() -> SharedPoseNetwork:
    torch.manual_seed(0)
    return SharedPoseNetwork(build, build(SIZES[-1]))


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(1))


def test_a_genotype_asked_for_again_has_the_present_weights(
    shared: SharedPoseNetwork, images: Tensor
) -> None:
    for _ in range(3):
        for genotype in SIZES:  # more than are kept
            active = shared.activate(genotype)
            torch.testing.assert_close(active(images), shared.derive(genotype)(images), rtol=0, atol=0)
            active(images).sum().backward()
        with torch.no_grad():
            for parameter in shared.parameters():
                assert parameter.grad is not None
                parameter.sub_(parameter.grad, alpha=0.01)


def test_weights_that_moved_are_followed(shared: SharedPoseNetwork, images: Tensor) -> None:
    shared.activate(SIZES[0])
    shared.double()
    assert shared.activate(SIZES[0])(images.double()).dtype == torch.float64


def test_a_copy_gets_gradients_of_its_own(shared: SharedPoseNetwork, images: Tensor) -> None:
    shared.activate(SIZES[0])
    other = copy.deepcopy(shared)
    other.activate(SIZES[0])(images).sum().backward()
    assert all(parameter.grad is not None for parameter in other.parameters())
    assert all(parameter.grad is None for parameter in shared.parameters())


def test_networks_without_values_are_on_the_meta_device() -> None:
    def build_each_layer() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.ConvTranspose2d(4, 4, 2),
            nn.BatchNorm2d(4),
            nn.LayerNorm(3),
            nn.Linear(3, 2),
        )

    before = torch.random.get_rng_state()
    with WithoutValues():
        made = build_each_layer()
    with torch.device("meta"):
        expected = build_each_layer()
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, tensor in expected.state_dict().items():
        other = made.state_dict()[name]
        assert (other.device, other.shape, other.dtype) == (tensor.device, tensor.shape, tensor.dtype), name
    assert [type(module) for module in made.modules()] == [type(module) for module in expected.modules()]


def test_tensors_with_values_keep_them_in_networks_without_values() -> None:
    tensor = torch.zeros(3)
    with WithoutValues():
        nn.init.constant_(tensor, 2.0)
        made = torch.zeros(2, device="cpu")
    assert tensor.tolist() == [2.0] * 3
    assert made.tolist() == [0.0] * 2
