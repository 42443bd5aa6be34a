"""HRNetV2 on a region: the published counts, and the concatenation that its sum stands for."""

from __future__ import annotations

import pytest
import torch
from head_zoom.families import region_family
from head_zoom.hrnet import W18, ZOOMNAS
from posenas.networks.counting import Costs, measure
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, relu

STEM = {"stem": 64}


class AtOnce(nn.Module):
    """A region's network as one of images, which is what `measure` counts: the image stands for a region."""

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network, self.channels = network, channels

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network(images.new_zeros(1, self.channels, *images.shape[-2:]))
        return maps


def costs(keypoints: int) -> Costs:
    with torch.device("meta"):
        return measure(AtOnce(W18.build({}, STEM, keypoints), 64), (64, 64))


@pytest.mark.parametrize(("keypoints", "published"), [(68, 4.19), (21, 4.14)])
def test_w18_costs_what_zoomnet_prints(keypoints: int, published: float) -> None:
    counted = costs(keypoints)
    assert round(counted.paper_gflops, 2) == published
    assert round(counted.parameters / 1e6, 1) == 9.6


def test_w18_has_the_counts_that_were_measured() -> None:
    """4.189 and 4.141 belong to the reading with an entry and 270 channels before the output."""
    assert round(costs(68).paper_gflops, 3) == 4.189
    assert round(costs(21).paper_gflops, 3) == 4.141


def test_w18_has_no_dimensions() -> None:
    assert W18.dimensions() == {}
    assert W18.possible({}) == {}
    assert W18.sizes == (64,)


def test_zoomnas_has_the_ranges_of_table_2() -> None:
    family = region_family("zoomnas")
    assert family.sizes == (32, 48, 64, 80, 96)
    values = {name: choice.values for name, choice in family.dimensions().items()}
    assert {name: found for name, found in values.items() if name.endswith("depth")} == {
        "stage1.depth": (2, 3, 4),
        "stage3.depth": (8, 12, 16),
        "stage4.depth": (8, 12),
    }
    assert {name: found for name, found in values.items() if name.endswith("width")} == {
        "stage1.width": (16, 32, 48, 64),
        "stage2.branch1.width": (8, 16, 24, 32),
        "stage2.branch2.width": (16, 32, 48, 64),
        "stage3.branch1.width": (8, 16, 24, 32),
        "stage3.branch2.width": (16, 32, 48, 64),
        "stage3.branch3.width": (32, 64, 96, 128),
        "stage4.branch1.width": (8, 16, 24, 32),
        "stage4.branch2.width": (16, 32, 48, 64),
        "stage4.branch3.width": (32, 64, 96, 128),
        "stage4.branch4.width": (64, 128, 192, 256),
    }
    groups = {name: found for name, found in values.items() if name.endswith("groups")}
    assert groups["stage1.groups"] == (64, 32, 16, 8, 4, 2, 1)
    assert groups["stage4.branch4.groups"] == (256, 128, 64, 32, 16, 8, 4, 2, 1)
    assert len(values) == 3 + 10 + 10  # nothing else varies: no stem, no attention


def test_the_sum_of_projections_is_a_convolution_of_the_concatenation() -> None:
    genotype = {name: choice.values[0] for name, choice in ZOOMNAS.dimensions().items()}
    network = ZOOMNAS.build(genotype, STEM, 3).double().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    features = torch.randn(2, 64, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        branches = network.body(network.entry["stem"](features))
        assert [branch.shape[1:] for branch in branches] == [(8, 16, 16), (16, 8, 8), (32, 4, 4), (64, 2, 2)]
        joined = torch.cat(
            [interpolate(branch, size=(16, 16), mode="bilinear") for branch in branches], dim=1
        )
        weight = torch.cat([projection.weight for projection in network.project], dim=1)
        assert weight.shape == (120, 120, 1, 1)
        expected = network.output(relu(network.norm(conv2d(joined, weight))))
        torch.testing.assert_close(network(features), expected, atol=1e-10, rtol=1e-10)


def test_the_output_starts_near_zero() -> None:
    """As in heat-map heads: most of a target is zero."""
    for name in ("tiny", "w18", "zoomnas"):
        family = region_family(name)
        genotype = {name: choice.values[0] for name, choice in family.dimensions().items()}
        assert family.build(genotype, STEM, 68).output.weight.std().item() == pytest.approx(0.001, rel=0.1)
