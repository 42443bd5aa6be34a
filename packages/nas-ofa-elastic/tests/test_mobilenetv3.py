"""The backbone `mobilenetv3`: published counts, table A1's bounds, and a dynamic forward written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
import torch
from nas_ofa_elastic.mobilenetv3 import MOBILENETV3, valid_group_width
from nas_ofa_elastic.space import ElasticSpace
from nas_ofa_elastic.zoo import S_VIPNAS_MBV3, VIPNAS_MBV3_LARGEST, VIPNAS_MBV3_SMALLEST
from posenas import Genotype, ZooEntry, check_genotype
from posenas.networks.counting import Costs, measure
from posenas.networks.sharing import SharedWeights, sub_slices
from torch import Tensor, nn
from torch.nn import functional

SPACE = ElasticSpace("mobilenetv3")
WIDTHS = {2: 24, 3: 40, 4: 80, 5: 112, 6: 160}
TABLE_A1_GROUPS = {1: (2, 16), 2: (9, 144), 3: (15, 240), 4: (30, 480), 5: (42, 672), 6: (60, 960)}


class WithHead(nn.Module):
    """A 1x1 convolution to 17 heatmaps on the last level."""

    def __init__(self, genotype: Genotype) -> None:
        super().__init__()
        self.backbone = SPACE.build(genotype)
        self.head = nn.Conv2d(self.backbone.levels[-1].channels, 17, 1)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.head(self.backbone(images)["deconv"])
        return output


def costs(genotype: Genotype, input_size: tuple[int, int] = (64, 64)) -> Costs:
    with torch.device("meta"):
        return measure(WithHead(genotype), input_size)


def genotypes(number: int, seed: int = 5) -> list[Genotype]:
    rng = Random(seed)
    return [SPACE.largest(), SPACE.smallest(), *(SPACE.sample(rng) for _ in range(number))]


def without_values(genotype: Genotype) -> nn.Module:
    with torch.device("meta"):
        return SPACE.build(genotype)


@pytest.mark.parametrize(
    ("entry", "parameters", "gmacs", "paper"),
    [
        (S_VIPNAS_MBV3, 5.896e6, 0.734, 0.691),
        (VIPNAS_MBV3_LARGEST, 13.492e6, 3.297, 3.161),
        (VIPNAS_MBV3_SMALLEST, 0.642e6, 0.181, 0.259),
    ],
    ids=["discovered", "largest", "smallest"],
)
def test_published_networks_have_the_known_counts(
    entry: ZooEntry, parameters: float, gmacs: float, paper: float
) -> None:
    check_genotype(entry.genotype, ElasticSpace(**entry.options).dimensions())
    counted = costs(entry.genotype, entry.input_size)
    assert counted.parameters == pytest.approx(parameters, rel=1e-3)
    assert round(counted.gmacs, 3) == gmacs
    assert round(counted.paper_gflops, 3) == paper


def test_attention_of_the_discovered_network_has_the_known_parameters() -> None:
    without = {
        name: value if "attention" not in name else False for name, value in S_VIPNAS_MBV3.genotype.items()
    }
    difference = costs(S_VIPNAS_MBV3.genotype).parameters - costs(without).parameters
    assert difference == pytest.approx(2.830e6, rel=1e-3)


def test_end_of_the_table_is_the_end_of_the_space() -> None:
    assert SPACE.largest() == VIPNAS_MBV3_LARGEST.genotype
    assert costs(SPACE.smallest()).macs < costs(VIPNAS_MBV3_SMALLEST.genotype).macs


@pytest.mark.parametrize("number", TABLE_A1_GROUPS)
def test_group_numbers_are_those_of_the_table(number: int) -> None:
    stage = MOBILENETV3.stages[number - 1]
    groups = []
    for expansion in stage.expansion:
        for group_width in stage.group_width:
            settings = {"depth": 1, "kernel": 3, "attention": False}
            settings |= {"expansion": expansion, "group_width": group_width}
            with torch.device("meta"):
                (block,) = stage.build(16, settings)
            groups.append(block.convolve[0].groups)
    assert (min(groups), max(groups)) == TABLE_A1_GROUPS[number]


@pytest.mark.parametrize(
    ("asked", "channels", "fewest", "expected"),
    [
        (16, 144, 9, 16),
        (16, 72, 9, 8),  # 72 channels do not divide by 16
        (16, 96, 9, 8),  # they do, but into 6 groups only
        (8, 160, 15, 8),
        (4, 16, 2, 4),
        (1, 960, 60, 1),
    ],
)
def test_valid_group_width(asked: int, channels: int, fewest: int, expected: int) -> None:
    assert valid_group_width(asked, (1, 2, 4, 8, 16), channels, fewest=fewest) == expected


def test_every_sampled_network_nests_in_the_largest() -> None:
    full = {name: value.shape for name, value in without_values(SPACE.largest()).state_dict().items()}
    for genotype in genotypes(50):
        check_genotype(genotype, SPACE.dimensions())
        for name, value in without_values(genotype).state_dict().items():
            sub_slices(full[name], value.shape)


def test_levels_are_truthful() -> None:
    for genotype in genotypes(2):
        network = without_values(genotype)
        features = network(torch.zeros(1, 3, 128, 96, device="meta"))
        assert list(features) == [level.name for level in network.levels]
        assert [level.stride for level in network.levels] == [2, 4, 8, 16, 16, 32, 4]
        for level in network.levels:
            assert features[level.name].shape == (1, level.channels, 128 // level.stride, 96 // level.stride)


@pytest.mark.parametrize("part", ["stage1", "stage2", "stage5", "deconv"])
def test_values_run_from_cheap_to_dear(part: str) -> None:
    """A later value of a dimension, all others at their first, never makes the network cheaper."""
    for name, choice in SPACE.dimensions().items():
        if not name.startswith(part):
            continue
        counted = [costs({**SPACE.smallest(), name: value}) for value in choice.values]
        assert counted == sorted(counted, key=lambda cost: (cost.macs, cost.parameters)), name
        assert counted[-1].parameters > counted[0].parameters, name


def test_a_fresh_network_passes_signal_and_gradient_through_all_its_layers() -> None:
    torch.manual_seed(0)
    network = SPACE.build(SPACE.largest())
    features = network(torch.randn(2, 3, 64, 64))
    assert all(0.1 < value.std() < 10 for value in features.values())
    features["deconv"].square().mean().backward()
    assert all(value.grad is not None and value.grad.abs().max() > 0 for value in network.parameters())


class Dynamic:
    """The super-network as one dynamic network, which slices its weights in every forward pass."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def convolve(self, name: str, features: Tensor, width: int, **how: Any) -> Tensor:
        weight = self.weights[f"{name}.weight"][:width, : features.shape[1] // how.get("groups", 1)]
        kernel = how.pop("kernel", weight.shape[-1])
        rim = (weight.shape[-1] - kernel) // 2
        weight = weight[:, :, rim : rim + kernel, rim : rim + kernel]
        bias = self.weights.get(f"{name}.bias")
        return functional.conv2d(
            features, weight, None if bias is None else bias[:width], padding=kernel // 2, **how
        )

    def normalise(self, name: str, features: Tensor) -> Tensor:
        width = features.shape[1]
        mean = features.mean((0, 2, 3), keepdim=True)
        variance = (features - mean).square().mean((0, 2, 3), keepdim=True)
        scale, shift = (self.weights[f"{name}.{part}"][:width, None, None] for part in ("weight", "bias"))
        return (features - mean) / (variance + 1e-5).sqrt() * scale + shift

    def excite(self, name: str, features: Tensor) -> Tensor:
        width = features.shape[1]
        hidden = self.convolve(f"{name}.squeeze", features.mean((2, 3), keepdim=True), width // 4).relu()
        return features * (0.5 + self.convolve(f"{name}.expand", hidden, width) / 2).clamp(0, 1)

    def block(self, name: str, features: Tensor, settings: Mapping[str, Any]) -> Tensor:
        mid, activate = settings["mid"], settings["activate"]
        hidden = features
        if settings["expand"]:
            hidden = activate(
                self.normalise(f"{name}.expand.1", self.convolve(f"{name}.expand.0", hidden, mid))
            )
        hidden = self.convolve(
            f"{name}.convolve.0",
            hidden,
            mid,
            kernel=settings["kernel"],
            stride=settings["stride"],
            groups=settings["groups"],
        )
        hidden = activate(self.normalise(f"{name}.convolve.1", hidden))
        if settings["attention"]:
            hidden = self.excite(f"{name}.attention", hidden)
        hidden = self.convolve(f"{name}.project.0", hidden, settings["width"])
        hidden = self.normalise(f"{name}.project.1", hidden)
        return features + hidden if hidden.shape == features.shape else hidden

    def __call__(self, images: Tensor, genotype: Genotype) -> dict[str, Tensor]:
        features = hard_swish(self.normalise("stem.1", self.convolve("stem.0", images, 16, stride=2)))
        outputs = {}
        for number, settings in stages(genotype).items():
            for index in range(settings["depth"]):
                stride = 2 if index == 0 and number not in (1, 5) else 1
                features = self.block(f"stage{number}.{index}", features, {**settings, "stride": stride})
            outputs[f"stage{number}"] = features
        width = genotype["deconv.width"]
        for layer in range(3):
            groups = next(
                value
                for value in (256, 160, 128, 64, 32)
                if value <= genotype["deconv.groups"] and not features.shape[1] % value and not width % value
            )
            weight = self.weights[f"deconv.{layer}.0.weight"][: features.shape[1], : width // groups]
            features = functional.conv_transpose2d(features, weight, stride=2, padding=1, groups=groups)
            features = self.normalise(f"deconv.{layer}.1", features).relu()
        return outputs | {"deconv": features}


def hard_swish(features: Tensor) -> Tensor:
    return features * (features + 3).clamp(0, 6) / 6


def stages(genotype: Genotype) -> dict[int, dict[str, Any]]:
    """A genotype in table A1's terms, in which the rule for group numbers is stated anew."""
    first = {
        "depth": 1,
        "width": 16,
        "mid": 16,
        "kernel": 3,
        "groups": 16 // genotype["stage1.group_width"],
        "attention": genotype["stage1.attention"],
        "activate": torch.relu,
        "expand": False,
    }
    result = {1: first}
    for number, width in WIDTHS.items():
        mid = genotype[f"stage{number}.expansion"] * width
        groups = mid / genotype[f"stage{number}.group_width"]
        while groups < TABLE_A1_GROUPS[number][0] or groups % 1:
            groups *= 2
        result[number] = {
            "depth": genotype[f"stage{number}.depth"],
            "width": width,
            "mid": mid,
            "kernel": genotype[f"stage{number}.kernel"],
            "groups": int(groups),
            "attention": genotype[f"stage{number}.attention"],
            "activate": torch.relu if number < 4 else hard_swish,
            "expand": True,
        }
    return result


def shared_weights(dtype: torch.dtype) -> SharedWeights:
    """Random weights everywhere, so that no part is the identity."""
    torch.manual_seed(0)
    shared = SharedWeights(SPACE.build(SPACE.largest()).to(dtype))
    with torch.no_grad():
        for parameter in shared.parameters():
            parameter.normal_(0.1, max(1, parameter[0].numel()) ** -0.5)
    return shared


def test_thirty_active_networks_are_the_dynamic_and_the_derived_ones() -> None:
    shared = shared_weights(torch.float64)
    dynamic = Dynamic(dict(shared.holder.named_parameters()))
    images = torch.randn(2, 3, 64, 32, dtype=torch.float64)
    with torch.no_grad():
        for genotype in genotypes(28, seed=1):
            active = shared.activate(without_values(genotype))(images)
            derived = shared.derive(without_values(genotype))(images)
            by_hand = dynamic(images, genotype)
            assert list(active) == list(by_hand)
            for level, features in active.items():
                assert torch.equal(features, derived[level])
                torch.testing.assert_close(features, by_hand[level])


def test_gradients_are_those_of_the_dynamic_network() -> None:
    shared = shared_weights(torch.float64)
    weights = dict(shared.holder.named_parameters())
    dynamic = Dynamic(weights)
    images = torch.randn(2, 3, 64, 32, dtype=torch.float64)
    drawn = genotypes(1, seed=2)
    losses = [dynamic(images, genotype)["deconv"].square().mean() for genotype in drawn]
    expected = torch.autograd.grad(torch.stack(losses).sum(), list(weights.values()))
    for genotype in drawn:
        shared.activate(without_values(genotype))(images)["deconv"].square().mean().backward()
    for (name, parameter), gradient in zip(weights.items(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, msg=name)
