"""Every family of networks of a region: its networks nest, train in every part, and fold."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import get_args

import pytest
import torch
from head_zoom.families import FamilyName, RegionFamily, region_family
from posenas import Genotype, sample_uniform
from posenas.networks.folding import fold_normalisations
from posenas.networks.sharing import SharedWeights
from posenas.networks.without_values import WithoutValues
from torch import nn

FAMILIES: tuple[FamilyName, ...] = get_args(FamilyName)
LEVELS = {"stem": 12, "stage4.branch1": 20}
KEYPOINTS = 5
SIZE = 16


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> RegionFamily:
    return region_family(request.param)


def draw(family: RegionFamily, rng: Random) -> Genotype:
    genotype = dict(sample_uniform(family.dimensions(), rng))
    return genotype | {name: rng.choice(values) for name, values in family.possible(genotype).items()}


def largest(family: RegionFamily) -> Genotype:
    return {name: choice.values[-1] for name, choice in family.dimensions().items()}


def without_values(family: RegionFamily, genotype: Genotype, levels: Mapping[str, int]) -> nn.Module:
    with WithoutValues():
        return family.build(genotype, levels, KEYPOINTS)


def in_motion(network: nn.Module) -> None:
    """Gives every tensor a random value, so that no part is the identity."""
    torch.manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith(("weight", "bias")):
            tensor.normal_(0.1, tensor[0].numel() ** -0.5)


def test_the_output_has_the_features_size(family: RegionFamily) -> None:
    network = family.build(largest(family), {"stem": 12}, KEYPOINTS)
    assert network(torch.randn(2, 12, SIZE, SIZE)).shape == (2, KEYPOINTS, SIZE, SIZE)


def test_networks_of_every_level_nest_in_the_one_that_holds_all(family: RegionFamily) -> None:
    holder = family.build(largest(family), LEVELS, KEYPOINTS)
    in_motion(holder)
    whole = holder.state_dict()
    rng = Random(1)
    for _ in range(3):
        level = rng.choice(list(LEVELS))
        narrow = {level: LEVELS[level] // rng.choice((1, 2))}
        network = SharedWeights(holder).activate(without_values(family, draw(family, rng), narrow))
        for name, parameter in network.named_parameters():
            leading = whole[name][tuple(slice(size) for size in parameter.shape)]
            assert torch.equal(parameter, leading), name
        assert network(torch.randn(2, *narrow.values(), SIZE, SIZE)).isfinite().all()


def test_every_parameter_gets_a_gradient(family: RegionFamily) -> None:
    rng = Random(2)
    for _ in range(2):
        network = family.build(draw(family, rng), {"stem": 12}, KEYPOINTS)
        in_motion(network)
        network(torch.randn(2, 12, SIZE, SIZE)).square().mean().backward()
        assert not [name for name, tensor in network.named_parameters() if tensor.grad is None]
        assert not [
            name
            for name, tensor in network.named_parameters()
            if tensor.grad is not None and not tensor.grad.any()
        ]


def test_its_batch_norms_fold(family: RegionFamily) -> None:
    network = family.build(draw(family, Random(3)), {"stem": 12}, KEYPOINTS).double()
    in_motion(network)
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1
    features = torch.randn(2, 12, SIZE, SIZE, dtype=torch.float64)
    network(features)  # the statistics are now those of these features
    expected = network.eval()(features)
    # The last one follows a sum, so that it stays.
    assert fold_normalisations(network) == len(norms) - 1
    torch.testing.assert_close(network(features), expected, atol=1e-9, rtol=1e-9)


def test_drawn_values_are_built_as_they_are(family: RegionFamily) -> None:
    """Otherwise the journal would tell of groups that no convolution has."""
    rng = Random(4)
    for _ in range(5):
        genotype = draw(family, rng)
        network = without_values(family, genotype, {"stem": 12})
        convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
        asked = {value for name, value in genotype.items() if name.endswith(".groups")}
        assert {convolution.groups for convolution in convolutions} - {1} == asked - {1}


def test_a_holder_is_not_run(family: RegionFamily) -> None:
    holder = family.build(largest(family), LEVELS, KEYPOINTS)
    assert {name.split(".")[1] for name in holder.state_dict() if name.startswith("entry.")} == {
        "stem",
        "stage4_branch1",
    }
    with pytest.raises(
        ValueError, match=r"stem, stage4_branch1 only hold weights; build a network of one level"
    ):
        holder(torch.randn(1, 12, SIZE, SIZE))
