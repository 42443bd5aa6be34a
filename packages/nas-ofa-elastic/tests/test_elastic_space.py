"""The space `ofa`: published counts, nesting, truthful levels, group numbers."""

from __future__ import annotations

from random import Random
from typing import Literal

import pytest
import torch
from nas_ofa_elastic.space import ElasticSpace
from nas_ofa_elastic.zoo import S_VIPNAS_RES50
from posenas import Genotype, PosenasError, WeightSharing, check_genotype
from posenas.layers import GlobalContext, valid_groups
from posenas.networks.counting import Costs, measure
from posenas.networks.sharing import sub_slices
from torch import Tensor, nn

SPACES = [ElasticSpace("tiny"), ElasticSpace("resnet50")]
RESNET50 = SPACES[1]


class WithHead(nn.Module):
    """A 1x1 convolution to 17 heatmaps on the last level."""

    def __init__(self, space: ElasticSpace, genotype: Genotype) -> None:
        super().__init__()
        self.backbone = space.build(genotype)
        self.head = nn.Conv2d(self.backbone.levels[-1].channels, 17, 1)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.head(self.backbone(images)[self.backbone.levels[-1].name])
        return output


def costs(space: ElasticSpace, genotype: Genotype, input_size: tuple[int, int]) -> Costs:
    with torch.device("meta"):
        return measure(WithHead(space, genotype), input_size)


def genotypes(space: ElasticSpace, number: int) -> list[Genotype]:
    rng = Random(5)
    return [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(number))]


def test_the_paper_s_spaces_are_made_for_its_view() -> None:
    assert ElasticSpace().made_for() is None
    for backbone in ("resnet50", "mobilenetv3", "hrnet-w32"):
        made = ElasticSpace(backbone=backbone).made_for()
        assert made is not None
        assert made.head["input_size"] == (256, 192)
        assert made.views == 210 * 149_813


def test_discovered_network_has_the_published_counts() -> None:
    counted = costs(RESNET50, S_VIPNAS_RES50.genotype, S_VIPNAS_RES50.input_size)
    assert counted.parameters == 7_286_772
    assert counted.gmacs == pytest.approx(1.464, rel=5e-4)
    assert counted.paper_gflops == pytest.approx(1.430, rel=5e-4)
    assert counted.paper_gflops == pytest.approx(S_VIPNAS_RES50.published["paper_gflops"], rel=0.01)


@pytest.mark.parametrize(
    ("end", "parameters", "gmacs", "paper"),
    [("largest", 10.111e6, 1.846, 1.915), ("smallest", 2.733e6, 0.550, 0.516)],
)
def test_ends_of_the_published_space(end: str, parameters: float, gmacs: float, paper: float) -> None:
    counted = costs(RESNET50, getattr(RESNET50, end)(), (256, 192))
    assert counted.parameters == pytest.approx(parameters, rel=1e-3)
    assert counted.gmacs == pytest.approx(gmacs, rel=2e-3)
    assert counted.paper_gflops == pytest.approx(paper, rel=2e-3)


def test_tiny_is_tiny() -> None:
    space = SPACES[0]
    largest, smallest = (costs(space, end, (128, 96)) for end in (space.largest(), space.smallest()))
    assert 0.4e6 < largest.parameters < 0.8e6
    assert largest.gmacs < 0.05
    assert 5 < largest.macs / smallest.macs < 10


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.backbone)
def test_every_sampled_network_nests_in_the_largest(space: ElasticSpace) -> None:
    with torch.device("meta"):
        full = {name: value.shape for name, value in space.build(space.largest()).state_dict().items()}
        for genotype in genotypes(space, 100):
            check_genotype(genotype, space.dimensions())
            for name, value in space.build(genotype).state_dict().items():
                sub_slices(full[name], value.shape)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.backbone)
def test_levels_are_truthful(space: ElasticSpace) -> None:
    for genotype in genotypes(space, 10):
        with torch.device("meta"):
            network = space.build(genotype)
            features = network(torch.zeros(1, 3, 128, 96))
        assert list(features) == [level.name for level in network.levels]
        for level in network.levels:
            assert features[level.name].shape == (1, level.channels, 128 // level.stride, 96 // level.stride)
        strides = {"tiny": [4, 8, 16, 4], "resnet50": [4, 8, 16, 32, 4]}
    assert [level.stride for level in network.levels] == strides[space.backbone]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.backbone)
def test_values_run_from_cheap_to_dear(space: ElasticSpace) -> None:
    """The last value of a dimension, all others at their first, never makes the network cheaper."""
    start = {
        **space.smallest(),
        **{name: value for name, value in space.largest().items() if "depth" in name},
    }
    base = costs(space, start, (64, 64))
    for name, choice in space.dimensions().items():
        dearer = costs(space, {**start, name: choice.values[-1]}, (64, 64))
        assert dearer.parameters >= base.parameters, name
        assert dearer.macs >= base.macs, name


def test_space_has_the_capability() -> None:
    assert isinstance(SPACES[0], WeightSharing)


def test_discovered_genotype_is_one_of_the_space() -> None:
    space = ElasticSpace(**S_VIPNAS_RES50.options)
    check_genotype(S_VIPNAS_RES50.genotype, space.dimensions())


def test_build_refuses_a_foreign_genotype() -> None:
    with pytest.raises(PosenasError, match=r"stage2\.width"):
        RESNET50.build({**RESNET50.largest(), "stage2.width": 100})


@pytest.mark.parametrize(
    ("asked", "channels", "expected"),
    [
        (64, (128,), 64),
        (64, (160,), 32),
        (64, (80,), 16),
        (48, (144,), 48),
        (48, (512, 144), 16),
        (64, (608, 256), 32),
        (16, (640,), 16),
    ],
)
def test_valid_groups(asked: int, channels: tuple[int, ...], expected: int) -> None:
    assert valid_groups(asked, (64, 48, 32, 16), channels) == expected


def test_global_context_starts_as_the_identity_and_learns() -> None:
    torch.manual_seed(0)
    space = SPACES[0]
    attention = next(
        module for module in space.build(space.largest()).modules() if isinstance(module, GlobalContext)
    )
    features = torch.randn(2, attention.mask.in_channels, 4, 3)
    torch.testing.assert_close(attention(features), features)
    nn.init.ones_(attention.expand.weight)
    assert not torch.allclose(attention(features), features)


@pytest.mark.parametrize("backbone", ["tiny", "resnet50", "mobilenetv3", "hrnet-w32"])
def test_genotypes_hold_the_groups_that_are_built(backbone: Literal["tiny", "resnet50"]) -> None:
    """The possible values are those that the network has; another one gives the network of a possible one."""
    space = ElasticSpace(backbone)
    for genotype in genotypes(space, 30):
        possible = space.possible(genotype)
        assert all(genotype[name] in values for name, values in possible.items())
        assert all(values for values in possible.values())


def test_group_numbers_are_uniform_over_what_is_possible() -> None:
    rng = Random(0)
    drawn = [RESNET50.sample(rng) for _ in range(1500)]
    groups = [genotype["stage1.groups"] for genotype in drawn if genotype["stage1.width"] == 64]
    assert {number: pytest.approx(1 / 3, abs=0.06) for number in (16, 32, 64)} == {
        number: groups.count(number) / len(groups) for number in set(groups)
    }
    assert {genotype["stage1.groups"] for genotype in drawn if genotype["stage1.width"] == 80} == {16}


def test_an_old_genotype_builds_the_network_of_the_next_lower_number() -> None:
    old = {**RESNET50.smallest(), "stage1.width": 80, "stage1.groups": 64}
    assert costs(RESNET50, old, (256, 192)) == costs(RESNET50, {**old, "stage1.groups": 16}, (256, 192))
