"""The elastic spaces' networks without values, against those of torch's own meta device."""

from __future__ import annotations

from random import Random

import pytest
import torch
from nas_ofa_elastic.space import ElasticSpace
from posenas import Genotype
from posenas.networks.sharing import SharedWeights
from posenas.networks.without_values import WithoutValues
from torch import nn

BACKBONES = ["tiny", "resnet50", "mobilenetv3", "hrnet-w32"]
TENSORS = ("_parameters", "_buffers", "_modules")


def thirty(space: ElasticSpace) -> list[Genotype]:
    rng = Random(3)
    return [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(28))]


def without_values(space: ElasticSpace, genotype: Genotype) -> nn.Module:
    with WithoutValues():
        return space.build(genotype)


@pytest.mark.parametrize(
    "backbone",
    [pytest.param(each, marks=pytest.mark.slow) if each == "hrnet-w32" else each for each in BACKBONES],
)
def test_thirty_networks_without_values_have_the_structure_of_fresh_networks(backbone: str) -> None:
    space = ElasticSpace(backbone)  # type: ignore[arg-type]
    for genotype in thirty(space):
        made = without_values(space, genotype)
        with torch.device("meta"):
            expected = space.build(genotype)
        pairs = zip(made.named_modules(), expected.named_modules(), strict=True)
        for (name, module), (expected_name, other) in pairs:
            assert (name, type(module)) == (expected_name, type(other))
            assert plain(module) == plain(other), name
        for tensors in ("parameters", "buffers"):
            assert described(getattr(made, f"named_{tensors}")()) == described(
                getattr(expected, f"named_{tensors}")()
            )
        assert described(made.state_dict().items()) == described(expected.state_dict().items())


def plain(module: nn.Module) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if name not in TENSORS}


def described(tensors: object) -> list[object]:
    return [
        (name, tensor.shape, tensor.dtype, tensor.device, tensor.requires_grad)
        for name, tensor in tensors  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_networks_made_alike_share_nothing(backbone: str) -> None:
    space = ElasticSpace(backbone)  # type: ignore[arg-type]
    shared = SharedWeights(space.build(space.largest()))
    genotype = space.sample(Random(4))
    first, second, later = (without_values(space, genotype) for _ in range(3))
    parts = [{id(part) for part in network.modules()} for network in (first, second)]
    tensors = [
        {id(tensor) for tensor in (*network.parameters(), *network.buffers())} for network in (first, second)
    ]
    assert not parts[0] & parts[1]
    assert not tensors[0] & tensors[1]
    active = shared.activate(first).eval()
    derived = shared.derive(second).train()
    assert all(tensor.is_meta for tensor in (*later.parameters(), *later.buffers()))
    assert not any(module.training for module in active.modules())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for parameter in active.parameters():
            parameter.zero_()
    list(derived(images).values())[-1].sum().backward()
    assert all(parameter.grad is None for parameter in (*active.parameters(), *shared.parameters()))
    again = shared.derive(without_values(space, genotype))
    for (name, one), other in zip(derived.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other), name
