"""What weighs exactly nothing is never built, and what weighs little can be left out."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
import torch
from nas_cnf.pruning import NOTHING, without_light
from nas_cnf.space import CnfSpace
from posenas import Genotype
from torch import Tensor, nn

SPACES = {
    "one node": CnfSpace(channels=2, parts=2),
    "two nodes": CnfSpace(channels=2, hidden=2, operations=("skip", "sep3", "dil3")),
    "a fabric below": CnfSpace(backbone="fabric-1", width=0.2, channels=2),
    "a long one": CnfSpace(channels=1, layers=5, coarsest=16, operations=("max3", "zero", "avg3", "sep3")),
}


def thinned(space: CnfSpace, rng: Random) -> Genotype:
    """A random genotype of which about half the entries weigh exactly nothing."""

    def row(values: list[float]) -> list[float]:
        kept = rng.sample(range(len(values)), rng.randint(1, len(values)))
        return [value if place in kept else NOTHING for place, value in enumerate(values)]

    return {name: [row(values) for values in rows] for name, rows in space.sample(rng).items()}


def trained(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    return network.double().eval()


def outputs(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        found: dict[str, Tensor] = network(images)
    return found


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("seed", range(4))
def test_without_exact_zeros_the_outputs_are_the_same(name: str, seed: int) -> None:
    space, rng = SPACES[name], Random(seed)
    genotype = thinned(space, rng)
    whole = trained(space.build(space.ancestor()))
    pruned = space.build(genotype).double().eval()
    tensors = whole.state_dict()
    assert len(pruned.state_dict()) < len(tensors)
    pruned.load_state_dict({key: tensors[key] for key in pruned.state_dict()})
    for network in (whole, pruned):
        space.set_values(network, genotype)
    literal = copy.deepcopy(whole)  # computes what weighs nothing too
    space.relax(literal)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    for level, found in outputs(pruned, images).items():
        torch.testing.assert_close(found, outputs(literal, images)[level], rtol=0, atol=1e-6)
    learnt = copy.deepcopy(pruned)
    space.relax(learnt)
    for level, found in outputs(learnt, images).items():
        torch.testing.assert_close(found, outputs(pruned, images)[level], rtol=1e-9, atol=1e-9)


def test_nothing_is_built_that_is_never_computed() -> None:
    """Every parameter of a pruned network but those of idle hidden nodes changes its output."""
    for seed in range(6):
        space = CnfSpace(channels=2, operations=("skip", "sep3", "dil3"))
        torch.manual_seed(seed)
        genotype = thinned(space, Random(seed))
        network = space.build(genotype)
        output = network(torch.randn(2, 3, 64, 64))["part1"]
        output.square().sum().backward()
        for name, parameter in network.part1.named_parameters():
            assert parameter.grad is not None, (seed, name)


def test_fresh_weights_do_not_depend_on_what_is_left_out() -> None:
    space = CnfSpace(channels=2)
    torch.manual_seed(0)
    whole = space.build(space.ancestor()).state_dict()
    torch.manual_seed(0)
    pruned = space.build(thinned(space, Random(1)))
    for name, tensor in pruned.named_parameters():
        assert torch.equal(tensor, whole[name])


def test_costs_count_what_is_there() -> None:
    space = CnfSpace(channels=2)
    alone = {"part1.alpha": [[NOTHING, NOTHING, 0.0, NOTHING]], "part1.beta": [[0.0, NOTHING, NOTHING]] * 6}
    with torch.device("meta"):
        network = space.build(alone)
        assert network(torch.empty(1, 3, 64, 64))["part1"].shape == (1, 8, 16, 16)
    names = [name for name, _ in network.part1.named_modules() if name.endswith(("sep3", "dil3"))]
    assert names == ["layers.0.0.edges.0.sep3", "layers.1.0.edges.0.sep3", "layers.2.0.edges.0.sep3"]
    assert list(network.part1.entrance.convolutions) == ["0"]


def shares(rows: list[list[float]]) -> list[list[float]]:
    found: list[list[float]] = torch.tensor(rows, dtype=torch.float64).softmax(1).tolist()
    return found


@pytest.mark.parametrize("seed", range(20))
def test_light_entries_go_and_an_entry_without_effect_takes_their_weight(seed: int) -> None:
    rng = Random(seed)
    rows = [[rng.gauss(0, 2) for _ in range(4)] for _ in range(5)]
    threshold = rng.choice((0.05, 0.15, 0.3))
    pruned = without_light(rows, threshold, rest=1)
    for before, after in zip(shares(rows), shares(pruned), strict=True):
        for place in (0, 2, 3):
            stays = before[place] >= threshold or before[place] == max(before)
            assert after[place] == (pytest.approx(before[place]) if stays else 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_without_such_an_entry_the_others_keep_their_proportions(seed: int) -> None:
    rng = Random(seed)
    rows = [[rng.gauss(0, 2) for _ in range(3)] for _ in range(5)]
    for before, after in zip(shares(rows), shares(without_light(rows, 0.2)), strict=True):
        stays = [place for place, share in enumerate(before) if share >= 0.2]
        assert [place for place, share in enumerate(after) if share > 0] == stays
        for one, other in pairwise(stays):
            assert after[one] / after[other] == pytest.approx(before[one] / before[other])


def test_the_heaviest_stays_whatever_the_threshold() -> None:
    assert shares(without_light([[0.0, 0.5, 0.2]], 0.99)) == [[0.0, 1.0, 0.0]]


def test_a_threshold_of_0_leaves_every_value_as_it_is() -> None:
    space = CnfSpace(parts=3)
    genotype = space.sample(Random(0))
    assert space.prune(genotype, 0.0) == genotype


def test_a_pruned_genotype_is_legal_and_pruning_it_again_changes_nothing() -> None:
    space = CnfSpace(parts=2)
    once = space.prune(space.sample(Random(3)), 0.2)
    assert space.prune(once, 0.2) == once
    assert sum(p.numel() for p in space.build(once).parameters()) < sum(
        p.numel() for p in space.build(space.ancestor()).parameters()
    )


def test_sources_that_are_one_map_have_one_share() -> None:
    """The finest cell's own scale stands for the finer one too."""
    shares_of_copies = [[math.log(share) for share in (0.045, 0.045, 0.91)]]
    assert without_light(shares_of_copies, 0.05, alternatives=[(0, 0, 1)]) == shares_of_copies
    assert shares(without_light(shares_of_copies, 0.1, alternatives=[(0, 0, 1)])) == [[0.0, 0.0, 1.0]]
    space = CnfSpace()
    assert space.dimensions()["part1.beta"].shape[0] == 6
    tied = {**space.ancestor(), "part1.beta": [[0.0, 0.0, 0.1]] * 6}
    own, coarser = [0.0, 0.0, NOTHING], [NOTHING, NOTHING, 0.0]
    found = space.discrete(tied)["part1.beta"]
    assert found[0] == own  # at 1/4: 0.64 against 0.36
    assert found[1] == coarser  # at 1/8 there are three maps
    assert space.prune(tied, 0.5)["part1.beta"][0] == [-0.1, -0.1, NOTHING]


ONLY_FINE = {"part1.beta": [[0.0, NOTHING, NOTHING]] * 6}
"""A part of which only the finest cells are needed, and so the finest map alone."""


@pytest.mark.parametrize(
    ("backbone", "gone", "left"),
    [
        ("mobilenetv2", ("stage3", "stage6"), "stage2"),
        ("resnet50", ("stage2", "stage4"), "stage1"),
        ("fabric-1", ("layers.2.1", "layers.2.3"), "layers.2.0"),
        ("hrnet-w32", ("transitions.2",), "transitions.1"),
        ("mobilenetv2-pose", (), "deconv"),
    ],
)
def test_what_no_part_hears_of_the_backbone_is_not_built(
    backbone: str, gone: tuple[str, ...], left: str
) -> None:
    space = CnfSpace(backbone=backbone, width=None if backbone.endswith("-pose") else 0.1)
    genotype = space.ancestor() | ONLY_FINE
    torch.manual_seed(0)
    whole = trained(space.build(space.ancestor()))
    pruned = space.build(genotype).double().eval()
    root = "backbone.network" if hasattr(whole.backbone, "network") else "backbone"
    modules = dict(pruned.get_submodule(root).named_modules())
    assert left in modules
    assert not set(gone) & set(modules)
    pruned.load_state_dict({key: whole.state_dict()[key] for key in pruned.state_dict()})
    for network in (whole, pruned):
        space.set_values(network, genotype)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(outputs(pruned, images), outputs(whole, images), rtol=0, atol=1e-6)


@pytest.mark.parametrize("backbone", ["mobilenetv2", "resnet50", "fabric-1", "fabric-2"])
def test_every_weight_of_a_pruned_network_learns(backbone: str) -> None:
    space = CnfSpace(backbone=backbone, width=0.1, parts=2, operations=("skip", "sep3"))
    genotype = space.ancestor() | ONLY_FINE
    genotype["part2.beta"] = [[0.0, NOTHING, 0.0]] * 3 + [[0.0, NOTHING, NOTHING]] * 3
    network = space.build(genotype)
    sum(level.square().sum() for level in network(torch.randn(2, 3, 64, 64)).values()).backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_knows_its_own_values(duplicate: Callable[[nn.Module], nn.Module]) -> None:
    space, images = CnfSpace(channels=2), torch.randn(1, 3, 64, 64)
    first, second = space.sample(Random(1)), space.sample(Random(2))
    network = space.build(space.ancestor()).eval()
    space.set_values(network, first)
    outputs(network, images)
    copied = duplicate(network)
    space.set_values(copied, second)
    space.set_values(network, second)
    torch.testing.assert_close(outputs(copied, images), outputs(network, images))
