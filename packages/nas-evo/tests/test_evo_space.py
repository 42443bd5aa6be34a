"""The space `evo`: contract, scaling, options, names of weights, networks that learn."""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import Any

import pytest
import torch
from nas_evo.genes import ANCESTOR, Quartet, genotype_of, halvings, quartets_of
from nas_evo.scaling import Blueprint, drop_connect_limit, rounded, scale
from nas_evo.space import EvoSpace
from nas_evo.zoo import EVOPOSE2D_S, EVOPOSE2D_XS
from posenas import (
    Evolvable,
    Genotype,
    PosenasError,
    SearchSpace,
    check_genotype,
    option_values,
    sample_uniform,
)
from posenas.composing.conditional import made_possible
from posenas.composing.goals.installed_costs import installed_costs
from posenas.composing.goals.limit_texts import parse_limit
from posenas.composing.goals.limits import draw_genotypes, guide_to_budget
from posenas.composing.options import make_component
from posenas.layers import Chain
from posenas.networks.folding import fold_normalisations
from torch import nn

SPACE = EvoSpace(width=1.0)
S = EVOPOSE2D_S.genotype


def without_values(space: EvoSpace, genotype: Genotype) -> Chain:
    with torch.device("meta"):
        return space.build(genotype)


def blocks_and_channels(blueprint: Blueprint) -> tuple[list[int], list[int]]:
    return [quartet.blocks for quartet in blueprint.modules], [
        quartet.channels for quartet in blueprint.modules
    ]


def test_the_thesis_s_view_and_targets_belong_to_its_width() -> None:
    assert EvoSpace().made_for() is None
    for size, sigma in (((256, 192), 2.0), ((384, 288), 3.0), ((512, 384), 4.0)):  # h_out / 32 of its code
        made = EvoSpace(scaled_for=size, width=1.0).made_for()
        assert made is not None
        assert made.head | {"input_size": size, "sigma": sigma} == made.head


def test_space_meets_the_contract() -> None:
    assert isinstance(SPACE, SearchSpace)
    assert isinstance(SPACE, Evolvable)


def test_space_has_the_published_size() -> None:
    """2^7 kernels, 4^7 numbers of blocks, the channels' multiples of 8, 2^3 strides."""
    sizes = [len(choice.values) for choice in SPACE.dimensions().values()]
    assert math.prod(sizes) == 2**7 * 4**7 * (2 * 3 * 5 * 10 * 14 * 24 * 40) * 2**3


def test_ancestor_and_the_genes_go_there_and_back() -> None:
    check_genotype(SPACE.ancestor(), SPACE.dimensions())
    for entry in (EVOPOSE2D_S, EVOPOSE2D_XS):
        assert genotype_of(quartets_of(entry.genotype)) == entry.genotype
    assert quartets_of(SPACE.ancestor()) == ANCESTOR


def test_samples_are_legal_and_of_every_stride() -> None:
    rng = Random(0)
    strides = set()
    for _ in range(300):
        genotype = SPACE.sample(rng)
        assert list(genotype) == list(SPACE.dimensions())
        check_genotype(genotype, SPACE.dimensions())
        drawn = tuple(genotype[f"module{number}.stride"] for number in range(1, 8))
        assert sum(drawn) - 7 <= 4
        strides.add(drawn[4:])
    assert len(strides) == 4


@pytest.mark.parametrize("seed", range(4))
def test_levels_are_truthful(seed: int) -> None:
    """For any combination of values, of strides that no evolution reaches too."""
    genotype = sample_uniform(SPACE.dimensions(), Random(seed))
    network = without_values(EvoSpace(width=0.25), genotype)
    features = network(torch.zeros(1, 3, 128, 96, device="meta"))
    assert list(features) == [level.name for level in network.levels]
    for level in network.levels:
        assert features[level.name].shape == (1, level.channels, 128 // level.stride, 96 // level.stride)


@pytest.mark.parametrize("strides", list(itertools.product((1, 2), repeat=3)))
def test_every_combination_of_strides_runs(strides: tuple[int, int, int]) -> None:
    """The first halving of modules 5 to 7 counts; others would make the network coarser than 1/32."""
    chosen = {f"module{number}.stride": stride for number, stride in zip((5, 6, 7), strides, strict=True)}
    genotype = {**sample_uniform(SPACE.dimensions(), Random(7)), **chosen}
    torch.manual_seed(0)
    network = EvoSpace(width=0.25).build(genotype).eval()
    with torch.no_grad():
        features = network(torch.randn(1, 3, 64, 32))
    assert all(value.isfinite().all() for value in features.values())
    assert max(level.stride for level in network.levels) == (32 if 2 in strides else 16)
    assert [quartet.stride for quartet in quartets_of(genotype)][4:] == [
        2 if stride == 2 and 2 not in strides[:place] else 1 for place, stride in enumerate(strides)
    ]
    assert halvings(quartets_of(genotype)) <= 4


def test_scaled_blueprints_are_the_known_ones() -> None:
    """S, M and L of the authors' code."""
    small, medium, large = (scale(S, size) for size in ((256, 192), (384, 288), (512, 384)))
    assert (small.stem, small.modules, small.deconv) == (32, quartets_of(S), 128)
    assert (medium.stem, medium.deconv) == (40, 168)
    assert blocks_and_channels(medium) == ([2, 6, 4, 7, 4, 7, 4], [24, 32, 56, 104, 144, 168, 104])
    assert (large.stem, large.deconv) == (48, 208)
    assert blocks_and_channels(large) == ([3, 8, 5, 10, 5, 10, 5], [24, 40, 64, 128, 176, 208, 128])
    for blueprint in (medium, large):
        assert [(q.kernel, q.stride) for q in blueprint.modules] == [
            (q.kernel, q.stride) for q in small.modules
        ]


@pytest.mark.parametrize("strides", list(itertools.product((1, 2), repeat=3)))
def test_a_second_halving_is_not_spelled_and_the_network_stays(strides: tuple[int, ...]) -> None:
    spelled = {f"module{number}.stride": stride for number, stride in zip((5, 6, 7), strides, strict=True)}
    genotype = {**genotype_of(ANCESTOR), **spelled}
    possible = made_possible(EvoSpace(), genotype, Random(0))
    assert quartets_of(possible) == quartets_of(genotype)
    assert sum(possible[name] == 2 for name in spelled) == min(1, strides.count(2))


def test_draws_near_a_budget_halve_at_most_once_more() -> None:
    space = EvoSpace()

    def size(genotype: Genotype, _: str) -> float:
        return sum(value for name, value in genotype.items() if name.endswith(("channels", "blocks")))

    limits = [parse_limit("macs<=500", installed_costs())]
    guide = guide_to_budget(space, limits, size, rng=Random(0))
    drawn = draw_genotypes(space, 40, limits=limits, cost=size, rng=Random(0), guide=guide)
    halved = [[number for number in (5, 6, 7) if each[f"module{number}.stride"] == 2] for each in drawn]
    assert guide is not None
    assert {len(numbers) for numbers in halved} == {0, 1}
    assert {number for numbers in halved for number in numbers} == {5, 6, 7}


def test_smaller_inputs_make_smaller_networks() -> None:
    """At half the side: depth x 0.405, width x 0.623, by EfficientNet's 1.2, 1.1 and 1.15."""
    exponent = math.log(0.5) / math.log(1.15)
    blueprint = scale(S, (128, 96))
    depth, width = 1.2**exponent, 1.1**exponent
    assert (round(depth, 3), round(width, 3)) == (0.405, 0.623)
    blocks, channels = blocks_and_channels(blueprint)
    assert blocks == [1, 2, 1, 2, 1, 2, 1]
    assert channels == [16, 16, 24, 48, 72, 80, 48]  # 9.97 to 8 would lose a fifth
    assert (blueprint.stem, blueprint.deconv) == (24, 80)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(16, 16), (1, 8), (9.97, 16), (8.8, 8), (12, 16), (11.9, 16), (44, 48), (43, 40)],
)
def test_rounded_channels(channels: float, expected: int) -> None:
    assert rounded(channels) == expected


def test_width_multiplies_the_channels_before_they_are_rounded() -> None:
    blueprint = scale(SPACE.ancestor(), (256, 192), width=0.5)
    assert (blueprint.stem, blueprint.deconv) == (16, 64)
    assert blocks_and_channels(blueprint) == ([1, 2, 2, 3, 3, 4, 1], [8, 16, 24, 40, 56, 96, 160])
    scaled = scale(SPACE.ancestor(), (512, 384), width=0.5)
    assert scaled.deconv == rounded(128 * 0.5 * 1.1 ** (math.log(2) / math.log(1.15)))


@pytest.mark.parametrize(
    ("size", "rate"),
    [
        ((128, 96), 0.2),
        ((256, 192), 0.2),
        ((256, 224), 0.2),
        ((300, 300), 0.3),
        ((512, 384), 0.4),
        ((512, 512), 0.5),
    ],
)
def test_drop_connect_limit_by_size(size: tuple[int, int], rate: float) -> None:
    assert drop_connect_limit(size) == rate


def drops(space: EvoSpace) -> list[float]:
    network = without_values(space, S)
    return [module.drop.rate for name, module in network.named_modules() if hasattr(module, "drop")]


def test_drop_connect_grows_over_the_blocks() -> None:
    """Of S's 18 blocks the 11 with a shortcut; the authors' go from 0.022 to 0.189."""
    rates = drops(SPACE)
    assert len(rates) == 18
    dropping = [rate for rate in rates if rate]
    assert len(dropping) == 11
    assert dropping == sorted(dropping)
    assert (round(dropping[0], 3), round(dropping[-1], 3)) == (0.022, 0.189)
    assert drops(EvoSpace(drop_connect=0.36))[-1] == pytest.approx(0.36 * 17 / 18)
    assert max(drops(EvoSpace(scaled_for=(512, 384)))) == pytest.approx(0.4 * 45 / 46)
    assert not any(drops(EvoSpace(drop_connect=0.0)))


def test_batch_norms_are_kerass() -> None:
    for momentum in (0.01, 0.2):
        network = without_values(EvoSpace(momentum=momentum), S)
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        assert len(norms) == 1 + 18 * 3 - 1 + 3
        assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, momentum)}


def test_weights_bear_the_same_names_in_every_network() -> None:
    """So that they can be handed from parent to child by name."""
    longest = genotype_of([Quartet(4, 5, quartet.channels, quartet.stride) for quartet in ANCESTOR])
    names = set(without_values(SPACE, longest).state_dict())
    for seed in range(10):
        assert set(without_values(SPACE, SPACE.sample(Random(seed))).state_dict()) <= names
    assert {"stem.0.weight", "module3.1.expand.0.weight", "module3.1.depthwise.0.weight"} <= names
    assert {"module3.1.excite.squeeze.bias", "module3.1.project.1.running_mean", "deconv3.0.weight"} <= names
    assert not [name for name in names if name.startswith("module1") and "expand.0" in name]


def test_every_batch_norm_is_folded_and_the_outputs_stay() -> None:
    torch.manual_seed(0)
    network = EvoSpace(width=0.25).build(S).double().eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = network(images)
        assert fold_normalisations(network) == len(norms)
        for level, features in network(images).items():
            torch.testing.assert_close(features, expected[level])


def test_a_fresh_network_passes_signal_and_gradient_through_all_its_layers() -> None:
    torch.manual_seed(0)
    network = EvoSpace(width=0.5).build(S)
    features = network(torch.randn(4, 3, 64, 64))
    assert all(0.1 < value.std() < 10 for value in features.values())
    features["deconv3"].square().mean().backward()
    assert all(value.grad is not None and value.grad.abs().max() > 0 for value in network.parameters())


def test_fresh_networks_come_from_torchs_generator_and_learn() -> None:
    space = EvoSpace(width=0.25, momentum=0.1)
    torch.manual_seed(0)
    again = space.build(space.ancestor()).state_dict()
    torch.manual_seed(0)
    network = space.build(space.ancestor())
    assert all(torch.equal(value, again[key]) for key, value in network.state_dict().items())
    head = nn.Conv2d(network.levels[-1].channels, 1, 1)
    optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=0.01)
    images, targets = torch.randn(4, 3, 64, 64), torch.randn(4, 1, 16, 16)
    losses = []
    for _ in range(10):
        loss = (head(network(images)["deconv3"]) - targets).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
        optimiser.step()
    assert losses[-1] < 0.85 * losses[0], losses


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scaled_for", [256]),
        ("scaled_for", [16, 192]),
        ("scaled_for", [256.5, 192]),
        ("width", 0),
        ("width", 9.0),
        ("width", True),
        ("drop_connect", 1.0),
        ("drop_connect", -0.1),
        ("drop_connect", "some"),
        ("momentum", 0.0),
        ("momentum", 1.5),
    ],
)
def test_impossible_options_are_refused(name: str, value: Any) -> None:
    with pytest.raises(PosenasError, match=name):
        make_component(EvoSpace, {name: value}, where="space evo")


def test_options_go_there_and_back() -> None:
    space = EvoSpace(scaled_for=(384, 288), width=0.5, drop_connect=0.1, momentum=0.1)
    for each in (space, SPACE):
        assert make_component(EvoSpace, option_values(each), where="space evo") == each
    assert make_component(EvoSpace, {"drop_connect": "none"}, where="space evo") == EvoSpace()


def test_build_refuses_a_foreign_genotype() -> None:
    with pytest.raises(PosenasError, match=r"module3\.channels"):
        SPACE.build({**S, "module3.channels": 48})
    with pytest.raises(PosenasError, match=r"module1\.stride"):
        SPACE.build({**S, "module1.stride": 2})
