"""Costs against hand-counted layers and torch's own counter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from posenas.networks.counting import Costs, measure, measure_parts
from posenas.networks.multiplications import KnownCalls
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class Mixed(nn.Module):
    """Grouped, strided and transposed convolutions, a matrix product, a linear layer, in a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 12, 5, 1, 2, groups=4, bias=False)
        self.deconv = nn.ConvTranspose2d(12, 6, 4, 2, 1, groups=2, bias=False)
        self.linear = nn.Linear(12, 7)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.grouped(torch.relu(self.norm(self.conv(images))))
        flat = features.flatten(2)
        return self.deconv(features), self.linear(flat @ flat.transpose(1, 2))


HEIGHT, WIDTH = 10, 14
CELLS = (HEIGHT // 2) * (WIDTH // 2)
CONV, GROUPED, DECONV, LINEAR = 8 * 3 * 9, 12 * 2 * 25, 12 * 3 * 16, 12 * 7


@pytest.fixture
def network() -> nn.Module:
    with torch.device("meta"):
        return Mixed()


def test_known_calls_change_no_count(network: nn.Module) -> None:
    known: KnownCalls = {}
    measure(network, (2 * HEIGHT, WIDTH), known=known)
    for _ in range(2):  # what is known is of another size first, then of this one
        assert measure(network, (HEIGHT, WIDTH), known=known) == measure(network, (HEIGHT, WIDTH))
    assert known


def test_mixed_network_counted_by_hand(network: nn.Module) -> None:
    costs = measure(network, (HEIGHT, WIDTH))
    assert costs.parameters == CONV + 8 + 16 + GROUPED + DECONV + LINEAR + 7
    assert costs.parameters_with_statistics == costs.parameters + 16
    assert costs.macs == CELLS * (CONV + GROUPED + DECONV) + 12 * 12 * CELLS + 12 * LINEAR
    summary = CELLS * (CONV + GROUPED + 4 * DECONV) + 12 * LINEAR
    assert costs.paper_gflops == pytest.approx(summary / 2**30, rel=1e-12)


def test_macs_are_half_of_torchs_flops_on_real_tensors() -> None:
    network = Mixed().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, HEIGHT, WIDTH))
    assert measure(network, (HEIGHT, WIDTH)).macs == counter.get_total_flops() // 2


def test_measuring_leaves_the_network_as_it_was() -> None:
    network = Mixed()
    network.norm.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    measure(network, (HEIGHT, WIDTH))
    assert network.training
    assert not network.norm.training
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in network.modules())


def test_hooks_and_modes_are_undone_when_the_network_fails(network: nn.Module) -> None:
    with pytest.raises(RuntimeError):
        measure(nn.Sequential(network, nn.Linear(3, 3)).to("meta").append(nn.Flatten()), (1, -1))
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_network_of_one_pixel_maps_and_without_parameters() -> None:
    with torch.device("meta"):
        network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3, track_running_stats=False))
        assert measure(network, (8, 8)) == Costs(6, 6, 0, 0.0, thesis_gflops=3 * 64 / 2e9)
        assert measure(nn.Sequential(nn.ReLU(), nn.LayerNorm(8)), (8, 8)).macs == 0
        assert measure(nn.ReLU(), (8, 8)) == Costs(0, 0, 0, 0.0, 0.0)


def test_a_layer_used_twice_counts_twice() -> None:
    with torch.device("meta"):
        layer = nn.Conv2d(3, 3, 1)
        once, twice = measure(layer, (4, 4)), measure(nn.Sequential(layer, layer), (4, 4))
    assert (twice.macs, twice.paper_gflops) == (2 * once.macs, 2 * once.paper_gflops)
    assert twice.parameters == once.parameters


class Regions(nn.Module):
    """Runs a network on two crops of each image in one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.hand = nn.Conv2d(3, 5, 3)
        self.up = nn.ConvTranspose2d(5, 2, 2, 2)

    def forward(self, images: Tensor) -> Tensor:
        crops = torch.cat([images[..., :4, :4], images[..., 4:8, 4:8]])
        return self.up(self.hand(crops))


def test_a_layer_that_sees_two_crops_of_an_image_counts_twice() -> None:
    with torch.device("meta"):
        costs = measure(Regions(), (HEIGHT, WIDTH))
    products = 2 * (5 * 3 * 9 * 2 * 2 + 5 * 2 * 4 * 4 * 4)
    assert costs.paper_gflops == products / 2**30
    assert costs.macs == 2 * (5 * 3 * 9 * 2 * 2 + 5 * 2 * 4 * 2 * 2)


def test_units_and_dictionary() -> None:
    costs = Costs(
        parameters=1,
        parameters_with_statistics=3,
        macs=2_500_000_000,
        paper_gflops=0.5,
        thesis_gflops=2.75,
    )
    assert costs.gmacs == 2.5
    assert costs.as_dict() == {
        "parameters": 1,
        "parameters_with_statistics": 3,
        "macs": 2_500_000_000,
        "paper_gflops": 0.5,
        "thesis_gflops": 2.75,
        "gmacs": 2.5,
    }


class Halves(nn.Module):
    """A backbone whose modules are called in and out of a list, and which multiplies outside them; a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.head = nn.Sequential(nn.Conv2d(8, 5, 1), nn.ReLU(), nn.ConvTranspose2d(5, 2, 4, 2, 1))

    def forward(self, images: Tensor) -> Any:
        return self.head(self.backbone(images))


class Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.BatchNorm2d(8))
        self.blocks = nn.ModuleList(nn.Conv2d(8, 8, 1, bias=False) for _ in range(2))
        self.matrix = nn.Parameter(torch.zeros(8, 8))

    def forward(self, images: Tensor) -> Tensor:
        features = self.mixed(images)
        for block in self.blocks:
            features = block(features)
        return (self.matrix @ features.flatten(2)).unflatten(2, images.shape[2:]) * 2


def test_parts_counted_by_hand() -> None:
    with torch.device("meta"):
        parts = measure_parts(Halves(), (HEIGHT, WIDTH))
    pixels = HEIGHT * WIDTH
    assert list(parts) == [
        "backbone",
        "backbone.mixed",
        "backbone.blocks",
        "head",
        "head.0",
        "head.1",
        "head.2",
    ]
    assert {part: costs.parameters for part, costs in parts.items()} == {
        "backbone": 3 * 8 * 9 + 8 + 16 + 128 + 64,
        "backbone.mixed": 3 * 8 * 9 + 8 + 16,
        "backbone.blocks": 128,
        "head": 45 + 5 * 2 * 16 + 2,
        "head.0": 45,
        "head.1": 0,
        "head.2": 5 * 2 * 16 + 2,
    }
    assert {part: costs.macs for part, costs in parts.items()} == {
        "backbone": pixels * (3 * 8 * 9 + 128 + 64),
        "backbone.mixed": pixels * 3 * 8 * 9,
        "backbone.blocks": pixels * 128,
        "head": pixels * (40 + 5 * 2 * 16),
        "head.0": pixels * 40,
        "head.1": 0,
        "head.2": pixels * 5 * 2 * 16,
    }
    assert parts["backbone.mixed"].parameters_with_statistics == parts["backbone.mixed"].parameters + 16
    assert parts["head.2"].paper_gflops == 4 * pixels * 5 * 2 * 16 / 2**30


def test_parts_add_up_to_the_whole_and_leave_the_network_as_it_was() -> None:
    with torch.device("meta"):
        network = Halves()
    known: KnownCalls = {}
    for _ in range(2):  # counted anew, then from what is known
        parts, whole = measure_parts(network, (HEIGHT, WIDTH), known=known), measure(network, (HEIGHT, WIDTH))
        for name, figure in whole.as_dict().items():
            halves = parts["backbone"].as_dict()[name] + parts["head"].as_dict()[name]
            assert halves == pytest.approx(figure, rel=1e-12)
    assert whole.macs == parts["backbone"].macs + parts["head"].macs
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_parameter_of_two_parts_counts_once() -> None:
    with torch.device("meta"):
        network = Halves()
        network.backbone.blocks[1].weight = network.backbone.blocks[0].weight
        parts, whole = measure_parts(network, (HEIGHT, WIDTH)), measure(network, (HEIGHT, WIDTH))
    assert parts["backbone"].parameters + parts["head"].parameters == whole.parameters
    assert parts["backbone.blocks"].parameters == 64
