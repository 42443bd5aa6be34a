"""The space `fixed`: published counts, truthful levels, scaling, and training from scratch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from posenas.composing.building import network_costs
from posenas.composing.compose import compose
from posenas.composing.named_networks import describe_network, find_network
from posenas.composing.options import make_component
from posenas.contract.batches import Batch
from posenas.contract.components import SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.levels import Level
from posenas.networks.backbones.channels import scaled
from posenas.networks.counting import Costs
from posenas.runs.recipe import recipe_from_tables
from posenas.standard.fixed.space import FixedSpace
from posenas.standard.heads.heatmap import HeatmapHead
from torch import nn

NAMES = FixedSpace().dimensions()["name"].values


def counted(name: str, width: float = 1.0) -> Costs:
    head = HeatmapHead(input_size=(256, 192))
    return network_costs(FixedSpace(width), {"name": name}, head=head, keypoints=COCO_17)


@pytest.mark.parametrize(
    ("name", "parameters", "gmacs", "paper"),
    [
        ("simple-baseline-r50", 34.000e6, 5.426, 8.991),
        ("hrnet-w32", 28.536e6, 7.645, 7.120),
        ("hrnet-w48", 63.596e6, 15.692, 14.614),
    ],
)
def test_counts_are_the_published_ones(name: str, parameters: float, gmacs: float, paper: float) -> None:
    costs = counted(name)
    assert costs.parameters == pytest.approx(parameters, rel=2e-5)
    assert costs.gmacs == pytest.approx(gmacs, rel=1e-4)
    assert costs.paper_gflops == pytest.approx(paper, rel=1e-4)


def test_mobilenetv2_has_the_published_counts() -> None:
    """mmpose's counter adds batch norm's multiplications, which are none of ours."""
    costs = counted("mobilenetv2")
    assert costs.parameters == pytest.approx(9.57e6, rel=5e-4)
    assert costs.gmacs == pytest.approx(1.59, rel=0.02)


@pytest.mark.parametrize(
    ("name", "parameters"), [("mobilenetv2", 2_223_872), ("simple-baseline-r50", 23_508_032)]
)
def test_trunks_are_those_of_the_classifiers(name: str, parameters: int) -> None:
    """Everybody's ResNet-50 and MobileNetV2 have 25,557,032 and 3,504,872 with 1000 classes."""
    with torch.device("meta"):
        network = FixedSpace().build({"name": name})
    trunk = [value for key, value in network.named_parameters() if not key.startswith("deconv")]
    assert sum(value.numel() for value in trunk) == parameters


@pytest.mark.parametrize("entry", ["hrnet-w32", "hrnet-w48", "mobilenetv2-pose", "simple-baseline-r50"])
def test_zoo_entries_describe_themselves(entry: str) -> None:
    described = describe_network(find_network(entry))
    published = described["published"]
    assert described["input_size"] == [256, 192]
    assert described["parameters"] == pytest.approx(published["parameters"], rel=5e-3)
    if "paper_gflops" in published:
        assert described["paper_gflops"] == pytest.approx(published["paper_gflops"], rel=5e-3)


@pytest.mark.parametrize(("published", "score"), [(True, 0.8), (False, 0.023)])
def test_published_maps_score_as_high_as_they_are_under_the_head_of_the_zoo(
    published: bool, score: float
) -> None:
    """Maps that others published are Gaussians of a height: 0.8 of sigma 2, written out here."""
    network = find_network("hrnet-w32")
    options = network.head.options if published else {"input_size": [256, 192]}
    head = make_component(HeatmapHead, options, where="head heatmap")
    module = head.build([Level("stage4.branch1", 4, 32)], COCO_17)
    rows, columns = torch.arange(64.0)[:, None] - 21, torch.arange(48.0) - 30
    maps = (0.8 * torch.exp(-(rows**2 + columns**2) / (2 * 2.0**2))).expand(1, 17, 64, 48)
    found = module.decode(maps, Batch(torch.empty(1, 3, 256, 192), torch.empty(0), torch.empty(0)))
    assert found.keypoint_scores.numpy() == pytest.approx(np.full((1, 17), score), abs=5e-4)
    assert not published or found.keypoints[0, 0].tolist() == pytest.approx([120, 84], abs=1)


def test_zoo_entry_composes_to_be_trained_alone() -> None:
    tables = find_network("mobilenetv2-pose").recipe_tables()
    tables["dataset"] = {"name": "synthetic", "train_images": 8, "val_images": 4}
    tables["space"]["width"] = 0.25
    composition = compose(recipe_from_tables(tables))
    assert composition.space == FixedSpace(0.25)
    costs = composition.costs.counted(tables["strategy"]["genotype"])
    assert costs == counted("mobilenetv2", 0.25).as_dict()


@pytest.mark.parametrize("width", [1.0, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_levels_are_truthful(name: str, width: float) -> None:
    with torch.device("meta"):
        network = FixedSpace(width).build({"name": name})
        features = network(torch.zeros(1, 3, 128, 96))
    assert list(features) == [level.name for level in network.levels]
    for level in network.levels:
        assert level.channels % 8 == 0
        assert features[level.name].shape == (1, level.channels, 128 // level.stride, 96 // level.stride)
    assert network.levels[-1].stride == 4
    assert max(level.stride for level in network.levels) == 32


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [(24, 1.0, 24), (24, 0.5, 16), (16, 0.1, 8), (32, 1.3, 40), (320, 0.75, 240)],
)
def test_scaled_channels(channels: int, width: float, expected: int) -> None:
    assert scaled(channels, width) == expected


@pytest.mark.parametrize("name", NAMES)
def test_width_scales_every_network(name: str) -> None:
    """Costs grow with about the square of the width."""
    assert 3.7 < counted(name).macs / counted(name, 0.5).macs < 4.3


@pytest.mark.parametrize("width", [0, -1.0, 9.0, "wide", True])
def test_impossible_width_is_refused(width: Any) -> None:
    with pytest.raises(PosenasError, match="width"):
        make_component(FixedSpace, {"width": width}, where="space fixed")


def test_unknown_name_is_refused() -> None:
    with pytest.raises(PosenasError, match="hrnet-w18"):
        FixedSpace().build({"name": "hrnet-w18"})


def test_space_meets_the_contract() -> None:
    assert isinstance(FixedSpace(), SearchSpace)


@pytest.mark.parametrize("name", ["mobilenetv2", "simple-baseline-r50", "hrnet-w32"])
def test_fresh_networks_come_from_torchs_generator_and_learn(name: str) -> None:
    """A few steps on four images, from fresh weights, take some of the error away."""
    torch.manual_seed(0)
    again = FixedSpace(0.125).build({"name": name}).state_dict()
    torch.manual_seed(0)
    network = FixedSpace(0.125).build({"name": name})
    assert all(torch.equal(value, again[key]) for key, value in network.state_dict().items())
    level = network.levels[-1]
    head = nn.Conv2d(level.channels, 1, 1)
    parameters = [*network.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=0.01)
    images, targets = torch.randn(4, 3, 64, 64), torch.randn(4, 1, 16, 16)
    losses = []
    for _ in range(8):
        loss = (head(network(images)[level.name]) - targets).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
        missing = [key for key, value in network.named_parameters() if value.grad is None]
        optimiser.step()
    assert not missing
    assert losses[-1] < 0.85 * losses[0], losses
