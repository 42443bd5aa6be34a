"""The space `cnf`: contract, levels, options, backbones by name, bad input, networks that learn."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from nas_cnf.layout import sources_of_cells
from nas_cnf.network import FabricNetwork
from nas_cnf.simplifiable import Simplifiable
from nas_cnf.space import CnfSpace
from posenas import PosenasError, Real, Relaxed, SearchSpace, check_genotype, option_values
from posenas.composing.options import make_component
from posenas.networks.folding import fold_normalisations
from torch import nn


def made(**options: Any) -> CnfSpace:
    space = make_component(CnfSpace, options, where="space cnf")
    assert isinstance(space, CnfSpace)
    return space


def without_values(space: CnfSpace) -> FabricNetwork:
    with torch.device("meta"):
        return space.build(space.ancestor())


@pytest.mark.parametrize(
    ("options", "head"),
    [
        ({}, None),
        ({"width": 1.0}, {"name": "vector", "input_size": (256, 256)}),
        ({"width": 1.0, "parts": 0}, {"name": "heatmap", "input_size": (256, 256), "loss": "mse"}),
        ({"backbone": "fabric-1"}, None),
        ({"backbone": "simple-baseline-r50"}, {"name": "vector", "input_size": [256, 192]}),
    ],
)
def test_what_it_is_made_for(options: dict[str, Any], head: dict[str, Any] | None) -> None:
    made = CnfSpace(**options).made_for()
    assert (made is None) == (head is None)
    assert made is None or head is None or head.items() <= made.head.items()


def test_space_meets_the_contract() -> None:
    assert isinstance(CnfSpace(), SearchSpace)
    assert isinstance(CnfSpace(), Relaxed)
    assert isinstance(CnfSpace(), Simplifiable)


def test_dimensions_are_alpha_of_a_fabric_and_beta_of_its_cells() -> None:
    space = CnfSpace(backbone="fabric-1", parts=2, hidden=3, operations=("skip", "sep3"))
    assert space.dimensions() == {
        "backbone.alpha": Real((3, 6)),
        "backbone.beta": Real((9, 3)),
        "part1.alpha": Real((6, 2)),
        "part1.beta": Real((6, 3)),
        "part2.alpha": Real((6, 2)),
        "part2.beta": Real((6, 3)),
    }
    assert CnfSpace(parts=0).dimensions() == {}
    longer = CnfSpace(parts=1, layers=4, coarsest=16, backbone_operations=("skip",))
    assert longer.dimensions() == {"part1.alpha": Real((1, 4)), "part1.beta": Real((9, 3))}


def test_tied_parts_are_parts_with_equal_values() -> None:
    tied, apart = CnfSpace(parts=3, tied=True), CnfSpace(parts=3)
    genotype = tied.sample(Random(0))
    assert set(genotype) == {"part1.alpha", "part1.beta"}
    equal = {
        f"part{number}.{name}": genotype[f"part1.{name}"]
        for number in (1, 2, 3)
        for name in ("alpha", "beta")
    }
    torch.manual_seed(0)
    shared = tied.build(genotype)
    torch.manual_seed(0)
    reference = apart.build(equal)
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(shared(images), reference(images))
    assert {name for name in shared.state_dict() if name.endswith(("alpha", "beta"))} == set(genotype)


def test_all_tied_parts_teach_their_architecture() -> None:
    space = CnfSpace(parts=3, tied=True)
    network = space.build(space.sample(Random(0)))
    alpha = space.relax(network)["part1.alpha"]
    outputs = network(torch.randn(2, 3, 64, 64))
    gradients = [
        torch.autograd.grad(outputs[f"part{number}"].square().sum(), alpha, retain_graph=True)[0]
        for number in (1, 2, 3)
    ]
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_one_tied_part_is_refused() -> None:
    with pytest.raises(PosenasError, match="tied is for two parts or more, and parts is 1"):
        made(tied=True)


def test_samples_are_standard_normal_and_the_ancestor_is_uniform() -> None:
    space = CnfSpace(parts=8, hidden=4)
    rng = Random(0)
    numbers = []
    for _ in range(20):
        genotype = space.sample(rng)
        check_genotype(genotype, space.dimensions())
        for name, real in space.dimensions().items():
            numbers += real.numbers(genotype[name])
    drawn = torch.tensor(numbers)
    assert drawn.mean().abs() < 0.05
    assert (drawn.std() - 1).abs() < 0.05
    for name, real in space.dimensions().items():
        assert set(real.numbers(space.ancestor()[name])) == {0.0}


def test_a_genotype_is_in_the_network_as_it_is() -> None:
    space = CnfSpace(backbone="fabric-2", width=0.1, parts=2, hidden=2)
    genotype = space.sample(Random(1))
    state = space.build(genotype).state_dict()
    for name in space.dimensions():
        assert state[name].dtype == torch.float32
        torch.testing.assert_close(state[name], torch.tensor(genotype[name]))
    assert not [
        name for name, _ in space.build(genotype).named_parameters() if name.endswith(("alpha", "beta"))
    ]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"backbone": "fabric-1", "width": 0.2, "parts": 3},
        {"backbone": "fabric-3", "width": 0.01, "parts": 0},
        {"backbone": "resnet50", "layers": 5, "channels": 3},
        {"backbone": "hrnet-w32", "coarsest": 16, "layers": 2, "hidden": 2},
        {"backbone": "hrnet-w32", "parts": 2},
        {"backbone": "mobilenetv2", "coarsest": 16},
        {"backbone": "simple-baseline-r50"},
        {"backbone": "hrnet-w48", "coarsest": 16},
        {"backbone": "fabric-2", "width": 2.0, "operations": ["max3"], "backbone_operations": ["skip"]},
    ],
    ids=str,
)
def test_levels_are_truthful(options: dict[str, Any]) -> None:
    space = made(**options)
    network = without_values(space)
    features = network(torch.zeros(1, 3, 128, 96, device="meta"))
    assert list(features) == [level.name for level in network.levels]
    for level in network.levels:
        assert features[level.name].shape == (1, level.channels, 128 // level.stride, 96 // level.stride)
    if space.parts:
        names = [f"part{number}" for number in range(1, space.parts + 1)]
        assert [(level.name, level.stride, level.channels) for level in network.levels] == [
            (name, 4, 4 * space.channels) for name in names
        ]
    else:
        strides = [4, 8, 16, 32][: 4 if space.coarsest == 32 else 3]
        assert [level.stride for level in network.levels] == strides


@pytest.mark.parametrize("name", ["s-vipnas-res50", "s-vipnas-mbv3", "vipnas-hrnet-w32-smallest"])
def test_another_spaces_networks_are_backbones(name: str) -> None:
    """And no weight of them is without effect: all gradients arrive."""
    pytest.importorskip("nas_ofa_elastic")
    space = CnfSpace(backbone=name, parts=1)
    torch.manual_seed(0)
    network = space.build(space.ancestor())
    network(torch.randn(2, 3, 64, 64))["part1"].square().mean().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None] == []


def test_a_genotypes_file_is_a_backbone(tmp_path: Path) -> None:
    """Here of a small space, whose deepest level at 1/4 comes last, and which ends at 1/16."""
    elastic = pytest.importorskip("nas_ofa_elastic.space").ElasticSpace()
    file = tmp_path / "found.json"
    file.write_text(json.dumps(elastic.smallest()))
    with torch.device("meta"):
        deepest = {level.stride: level.channels for level in elastic.build(elastic.smallest()).levels}
    network = without_values(CnfSpace(backbone=str(file), coarsest=16, parts=0))
    assert [level.channels for level in network.levels] == [deepest[4], deepest[8], deepest[16]]
    assert "has no level at 1/32" in refusal(CnfSpace(backbone=str(file)))


def test_of_another_network_the_deepest_level_at_each_scale_is_read() -> None:
    network = without_values(CnfSpace(backbone="mobilenetv2-pose", parts=0))
    assert [level.channels for level in network.levels] == [256, 32, 96, 1280]
    assert network.get_submodule("backbone.network.deconv")


def test_nothing_is_built_after_the_pyramid() -> None:
    for name, gone in (("mobilenetv2", "stage7"), ("resnet50", "deconv")):
        names = {
            name
            for name, _ in without_values(CnfSpace(backbone=name))
            .get_submodule("backbone.network")
            .named_children()
        }
        assert gone not in names
    halved = without_values(CnfSpace(backbone="resnet50", coarsest=16)).get_submodule("backbone.network")
    assert "stage4" not in dict(halved.named_children())


def refusal(space: CnfSpace) -> str:
    with pytest.raises(PosenasError) as caught:
        without_values(space)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_unknown_backbones_are_refused_with_a_suggestion() -> None:
    assert refusal(CnfSpace(backbone="fabrik-2")) == (
        "space cnf: unknown backbone 'fabrik-2'; did you mean 'fabric-2'?"
    )
    assert "did you mean 'simple-baseline-r50'?" in refusal(CnfSpace(backbone="simple-baseline-r5"))
    assert "known: evopose2d" in refusal(CnfSpace(backbone="?")) or "known: " in refusal(
        CnfSpace(backbone="?")
    )


def test_backbones_without_the_levels_are_refused() -> None:
    pytest.importorskip("nas_evo")
    message = refusal(CnfSpace(backbone="evopose2d-s"))
    assert "'evopose2d-s' has no level at 1/32 of the image; it offers stem (1/2), module1 (1/2)" in message
    assert "choose another backbone, such as mobilenetv2, resnet50, hrnet-w32, or set coarsest=16" in message
    assert without_values(CnfSpace(backbone="evopose2d-s", coarsest=16)).levels[0].name == "part1"


def test_width_of_a_network_that_keeps_its_own_is_refused() -> None:
    message = refusal(CnfSpace(backbone="hrnet-w48", width=0.5))
    assert "option 'width' is of backbones fabric-1, " in message
    assert "'hrnet-w48' keeps its own channels" in message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"operations": ["skip", "conv5"]}, "'operations'"),
        ({"operations": []}, "'operations'"),
        ({"operations": ["skip", "skip"]}, "operations names an operation twice"),
        ({"operations": ["zero"]}, "operations is zero alone"),
        ({"backbone_operations": ["zero"]}, "backbone_operations is zero alone"),
        ({"layers": 2}, "does not hear 1/32"),
        ({"layers": 1}, "'layers'"),
        ({"coarsest": 64}, "'coarsest'"),
        ({"hidden": 0}, "'hidden'"),
        ({"channels": 0}, "'channels'"),
        ({"parts": -1}, "'parts'"),
        ({"width": 0.0}, "'width'"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(PosenasError, match=says) as caught:
        made(**options)
    assert "\n" not in str(caught.value)


def test_options_go_there_and_back() -> None:
    for space in (
        CnfSpace(),
        CnfSpace(backbone="fabric-3", width=0.3, parts=5, coarsest=16, operations=("max3", "zero")),
    ):
        assert made(**option_values(space)) == space
    assert made(operations="skip,sep3").operations == ("skip", "sep3")


def test_build_refuses_a_foreign_genotype() -> None:
    space = CnfSpace()
    with pytest.raises(PosenasError, match=r"part1\.beta"):
        space.build({**space.ancestor(), "part1.beta": [[0.0] * 3] * 5})
    with pytest.raises(PosenasError, match=r"part2\.alpha"):
        space.build({**space.ancestor(), "part2.alpha": [[0.0] * 4]})


@pytest.mark.parametrize("learnt", [False, True])
def test_values_are_set_in_place(learnt: bool) -> None:
    space = CnfSpace(backbone="fabric-1", width=0.1, parts=2, channels=1)
    torch.manual_seed(0)
    network = space.build(space.ancestor()).eval()
    if learnt:
        space.relax(network)
    genotype = space.sample(Random(2))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = network(images)["part2"]
        space.set_values(network, genotype)
        after = network(images)["part2"]
    for name, value in genotype.items():
        torch.testing.assert_close(network.state_dict()[name], torch.tensor(value))
        assert (name in dict(network.named_parameters())) == learnt
    assert not torch.allclose(before, after)


def test_discrete_genotypes_have_one_choice_everywhere() -> None:
    space = CnfSpace(backbone="fabric-1", width=0.1, parts=1, hidden=2, channels=1)
    genotype = dict(space.sample(Random(3)))
    genotype["part1.alpha"] = [[9.0, 1.0, 2.0, 0.0], [0.0, 0.0, -1.0, 0.0], [0.0, -3.0, -2.0, -1.0]]
    discrete = space.discrete(genotype)
    check_genotype(discrete, space.dimensions())
    weights = {name: torch.tensor(rows).softmax(1) for name, rows in discrete.items()}
    for name, rows in weights.items():
        if name.endswith("alpha"):
            assert set(rows.flatten().tolist()) == {0.0, 1.0}, name
    for name, cells in (
        ("backbone", sources_of_cells((2, 3, 4), 1)),
        ("part1", sources_of_cells((3, 2, 1), 4)),
    ):
        for row, sources in zip(weights[f"{name}.beta"].tolist(), cells, strict=True):
            (heard,) = {source for source, weight in zip(sources, row, strict=True) if weight}
            assert all(weight for source, weight in zip(sources, row, strict=True) if source == heard)
    # Never zero, which weighs most on the first and the third edge; the first of equals on the second one.
    assert weights["part1.alpha"].argmax(1).tolist() == [2, 1, 3]
    softmax = torch.tensor(genotype["part1.beta"]).softmax(1)
    for place in (1, 2):  # cells with three maps to hear
        assert weights["part1.beta"][place].argmax() == softmax[place].argmax()
    for place in (0, 3, 5):  # the finest ones, whose own scale is the finer one too
        own, coarser = softmax[place, :2].sum(), softmax[place, 2]
        assert (weights["part1.beta"][place, 2] == 0) == (own > coarser)
    assert torch.equal(
        weights["backbone.alpha"].argmax(1), torch.tensor(genotype["backbone.alpha"])[:, 1:].argmax(1) + 1
    )
    assert space.discrete(discrete) == discrete


def test_discrete_networks_compute_their_choices_alone() -> None:
    """The last cell hears 1/8 and applies one operation; no other cell of the layer before is computed."""
    space = CnfSpace(channels=1)
    undecided = {
        "part1.alpha": [[0.0, 0.0, 1.0, 0.0]],
        "part1.beta": [[1.0, 0.0, 0.0]] * 5 + [[0.0, 0.0, 1.0]],
    }
    torch.manual_seed(0)
    network = space.build(space.discrete(undecided))
    computed = []
    for name, module in network.get_submodule("part1").named_modules():
        module.register_forward_hook(lambda *_, name=name: computed.append(name))  # type: ignore[misc]
    network(torch.randn(2, 3, 64, 64))
    cells = [name for name in computed if name.endswith("output")]
    assert cells == ["layers.0.1.output", "layers.1.1.output", "layers.2.0.output"]
    kinds = {name.split(".")[5] for name in computed if ".edges.0." in name}
    assert kinds == {"sep3"}


def test_names_of_tensors_are_the_same_whatever_the_options() -> None:
    """So that weights can be handed from one network to another by name."""
    small = set(without_values(CnfSpace(channels=2)).state_dict())
    assert small <= set(without_values(CnfSpace(channels=6, hidden=2, parts=3)).state_dict())
    assert {
        "part1.alpha",
        "part1.beta",
        "part1.entrance.convolutions.0.weight",
        "part1.layers.0.1.sources.above.0.weight",
        "part1.layers.2.0.edges.0.sep3.4.weight",
        "part1.layers.2.0.output.bias",
        "backbone.network.stage6.2.project.0.weight",
    } <= small


def test_fresh_networks_come_from_torchs_generator() -> None:
    space = CnfSpace(backbone="fabric-1", width=0.2, parts=2)
    torch.manual_seed(3)
    again = space.build(space.ancestor()).state_dict()
    torch.manual_seed(3)
    state = space.build(space.ancestor()).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in state.items())


@pytest.mark.parametrize(
    "options", [{}, {"backbone": "fabric-1", "width": 0.2}, {"backbone": "fabric-2", "width": 0.2}], ids=str
)
def test_fresh_networks_keep_the_size_of_signals(options: dict[str, Any]) -> None:
    space = made(**options)
    torch.manual_seed(0)
    for genotype in (space.ancestor(), space.sample(Random(0))):
        with torch.no_grad():
            features = space.build(genotype)(torch.randn(4, 3, 64, 64))
        assert all(0.2 < value.std() < 20 for value in features.values())


def test_fresh_networks_learn_weights_and_architecture_together() -> None:
    space = CnfSpace(backbone="fabric-1", width=0.2, parts=1, channels=3)
    torch.manual_seed(0)
    network = space.build(space.ancestor())
    values = space.relax(network)
    head = nn.Conv2d(12, 1, 1)
    optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=0.01)
    images, targets = torch.randn(4, 3, 64, 64), torch.randn(4, 1, 16, 16)
    losses = []
    for _ in range(15):
        loss = (head(network(images)["part1"]) - targets).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0], losses
    assert all(float(value.detach().abs().max()) > 0.01 for value in values.values())


def test_batch_norms_are_folded_and_the_outputs_stay() -> None:
    """All but those of pooling, which no convolution goes before."""
    space = CnfSpace(backbone="fabric-1", width=0.1, parts=1, channels=2)
    torch.manual_seed(0)
    network = space.build(space.sample(Random(0))).double().eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    pools = [module for module in network.modules() if isinstance(module, nn.AvgPool2d | nn.MaxPool2d)]
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = network(images)
        assert fold_normalisations(network) == len(norms) - len(pools)
        for level, features in network(images).items():
            torch.testing.assert_close(features, expected[level])
