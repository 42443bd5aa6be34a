"""The space `yolo`: contract, dimensions, nesting, truthful levels, mutation, networks that learn."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
import torch
from head_kapao.network import YoloNetwork
from head_kapao.sizes import Size
from head_kapao.space import YoloSpace
from posenas import (
    Evolvable,
    Genotype,
    PosenasError,
    SearchSpace,
    WeightSharing,
    check_genotype,
    option_values,
)
from posenas.composing.options import make_component
from posenas.networks.counting import Costs, measure
from posenas.networks.folding import fold_normalisations
from posenas.networks.sharing import sub_slices
from torch import nn

SIZES: tuple[Size, ...] = ("tiny", "s", "m", "l")
SPACES = [YoloSpace(size) for size in SIZES]
TINY = YoloSpace()
each_space = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.size)


def without_values(space: YoloSpace, genotype: Genotype) -> YoloNetwork:
    with torch.device("meta"):
        return space.build(genotype)


def costs(space: YoloSpace, genotype: Genotype) -> Costs:
    return measure(without_values(space, genotype), (256, 256))


def genotypes(space: YoloSpace, number: int) -> list[Genotype]:
    rng = Random(5)
    ends = [space.largest(), space.smallest(), space.ancestor()]
    return [*ends, *(space.sample(rng) for _ in range(number))]


@each_space
def test_space_meets_the_contract(space: YoloSpace) -> None:
    assert isinstance(space, SearchSpace)
    assert isinstance(space, WeightSharing)
    assert isinstance(space, Evolvable)
    for genotype in genotypes(space, 20):
        assert list(genotype) == list(space.dimensions())
        check_genotype(genotype, space.dimensions())


@each_space
def test_dimensions_run_up_to_the_published_network(space: YoloSpace) -> None:
    published = space.ancestor()
    assert len(space.dimensions()) == 34
    for name, choice in space.dimensions().items():
        value = published[name]
        if name.endswith(".width"):
            assert choice.values == (value / 2, value * 3 / 4, value), name
        elif name.endswith(".depth"):
            assert choice.values == tuple(range(1, max(2, value) + 1)), name
        else:
            assert choice.values == (3, 5), name
        assert all(type(value) is int for value in choice.values)


def test_tiny_has_a_quarter_of_the_width_of_s() -> None:
    small = YoloSpace("s").ancestor()
    for name, value in TINY.ancestor().items():
        assert value == (small[name] / 4 if name.endswith(".width") else small[name])
    largest, ancestor, smallest = (
        costs(TINY, genotype) for genotype in (TINY.largest(), TINY.ancestor(), TINY.smallest())
    )
    assert 0.15e6 < smallest.parameters < 0.25e6
    assert 0.7e6 < ancestor.parameters < 0.8e6
    assert 1.5e6 < largest.parameters < 1.7e6
    assert ancestor.gmacs < 0.11
    assert 5 < largest.macs / smallest.macs < 8


@each_space
def test_every_network_nests_in_the_largest(space: YoloSpace) -> None:
    full = {name: value.shape for name, value in without_values(space, space.largest()).state_dict().items()}
    for genotype in genotypes(space, 5):
        for name, value in without_values(space, genotype).state_dict().items():
            sub_slices(full[name], value.shape)


@each_space
def test_levels_are_truthful(space: YoloSpace) -> None:
    for genotype, height, width in ((space.ancestor(), 192, 256), (space.sample(Random(1)), 128, 64)):
        network = without_values(space, genotype)
        features = network(torch.zeros(2, 3, height, width, device="meta"))
        assert list(features) == [level.name for level in network.levels] == ["p3", "p4", "p5", "p6"]
        assert [level.stride for level in network.levels] == [8, 16, 32, 64]
        for level in network.levels:
            size = (height // level.stride, width // level.stride)
            assert features[level.name].shape == (2, level.channels, *size)


def test_values_run_from_cheap_to_dear() -> None:
    """Each dimension's last value, all others at their first, makes no network cheaper."""
    base = costs(TINY, TINY.smallest())
    for name, value in TINY.largest().items():
        dearer = costs(TINY, {**TINY.smallest(), name: value})
        assert dearer.parameters > base.parameters, name
        assert dearer.macs > base.macs, name


@pytest.mark.parametrize("size", ["tiny", "l"])
def test_a_mutation_changes_one_dimension_by_one_step(size: Size) -> None:
    space, rng = YoloSpace(size), Random(1)
    parent = space.sample(rng)
    before = dict(parent)
    seen: dict[str, set[int]] = {}
    changed: Counter[str] = Counter()
    for _ in range(3_000):
        child = space.mutate(parent, rng)
        check_genotype(child, space.dimensions())
        ((name, value),) = [pair for pair in child.items() if parent[pair[0]] != pair[1]]
        seen.setdefault(name, set()).add(value)
        changed[name] += 1
    assert parent == before
    for name, choice in space.dimensions().items():
        place = choice.values.index(parent[name])
        assert seen[name] == set(choice.values[max(0, place - 1) : place + 2]) - {parent[name]}, name
        assert 40 < changed[name] < 150, name  # 88 on average


def test_mutations_lead_from_the_ancestor_to_every_value() -> None:
    rng, genotype = Random(2), TINY.ancestor()
    seen: dict[str, set[int]] = {name: set() for name in genotype}
    for _ in range(1_500):
        genotype = TINY.mutate(genotype, rng)
        for name, value in genotype.items():
            seen[name].add(value)
    assert seen == {name: set(choice.values) for name, choice in TINY.dimensions().items()}


def test_the_same_generator_gives_the_same_child() -> None:
    first, second = ([TINY.mutate(TINY.ancestor(), rng) for _ in range(5)] for rng in (Random(5), Random(5)))
    assert first == second
    assert first[0] != first[1]


def test_a_foreign_genotype_is_refused() -> None:
    for act in (TINY.build, lambda genotype: TINY.mutate(genotype, Random(0))):
        with pytest.raises(PosenasError, match=r"top_down\.p4\.width"):
            act({**TINY.ancestor(), "top_down.p4.width": 40})


@pytest.mark.parametrize("value", ["xl", 1, ""])
def test_an_unknown_size_is_refused(value: Any) -> None:
    with pytest.raises(PosenasError, match="size"):
        make_component(YoloSpace, {"size": value}, where="space yolo")


@each_space
def test_options_go_there_and_back(space: YoloSpace) -> None:
    assert make_component(YoloSpace, option_values(space), where="space yolo") == space


def test_every_batch_norm_is_folded_and_the_outputs_stay() -> None:
    torch.manual_seed(0)
    network = TINY.build(TINY.ancestor()).double().eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.01, 0.03)
    images = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = network(images)
        assert fold_normalisations(network) == len(norms) == 77
        for level, features in network(images).items():
            assert features.std() > 1e-3
            torch.testing.assert_close(features, expected[level])


def test_fresh_networks_come_from_torchs_generator_and_learn() -> None:
    torch.manual_seed(0)
    again = TINY.build(TINY.smallest()).state_dict()
    torch.manual_seed(0)
    network = TINY.build(TINY.smallest())
    assert all(torch.equal(value, again[name]) for name, value in network.state_dict().items())
    heads = nn.ModuleDict({level.name: nn.Conv2d(level.channels, 1, 1) for level in network.levels})
    optimiser = torch.optim.Adam([*network.parameters(), *heads.parameters()], lr=0.01)
    images = torch.rand(4, 3, 128, 128)
    targets = {
        level.name: torch.randn(4, 1, 128 // level.stride, 128 // level.stride) for level in network.levels
    }
    losses = []
    for _ in range(12):
        features = network(images)
        errors = [(heads[name](features[name]) - targets[name]).square().mean() for name in targets]
        loss = torch.stack(errors).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
        optimiser.step()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    assert losses[-1] < 0.75 * losses[0], losses


def test_the_thesis_s_sizes_are_made_for_its_view() -> None:
    assert YoloSpace().made_for() is None
    made = YoloSpace("s").made_for()
    assert made is not None
    assert made.head == {"name": "kapao", "input_size": (1280, 1280)}
