"""Costs against hand-counted layers and torch's own counter."""

from __future__ import annotations

import pytest
import torch
from posenas.networks.counting import Costs, measure
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
