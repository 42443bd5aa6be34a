"""The space `autopose`: contract, dimensions, levels, restrictions, what is derived, what nests."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch
from nas_autopose.capabilities import Discrete, SinglePath
from nas_autopose.mixture import NOTHING, present
from nas_autopose.network import AutoPoseNetwork
from nas_autopose.space import AutoPoseSpace
from posenas import (
    Choice,
    Derivable,
    Evolvable,
    Genotype,
    Holding,
    Real,
    Relaxed,
    WeightSharing,
    check_genotype,
)
from posenas.composing.named_networks import NamedNetwork, describe_choices
from posenas.composing.options import make_component
from posenas.contract.keypoint_sets import COCO_17
from posenas.networks.folding import fold_normalisations
from posenas.networks.sharing import SharedWeights
from posenas.networks.without_values import WithoutValues
from posenas.reporting.report.genotype_table import genotype_table
from posenas.runs.recipe import ComponentChoice

RESTRICTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"branches": "one"},
    {"branches": "all"},
    {"aggregation": False},
    {"scales": 2, "stages": 1, "modules": 3},
    {"scales": 1, "channels": 1},
)
SMALL = AutoPoseSpace(channels=2, scales=3, stages=2)


def without_values(space: AutoPoseSpace, genotype: Genotype) -> AutoPoseNetwork:
    with torch.device("meta"):
        return space.build(genotype)


def test_the_space_has_its_capabilities() -> None:
    for capability in (WeightSharing, Holding, Relaxed, Derivable, Evolvable, Discrete, SinglePath):
        assert isinstance(AutoPoseSpace(), capability)


def test_dimensions() -> None:
    gate = Choice((False, True))
    alphas = {"individual.alpha": Real((10, 6)), "aggregation.alpha": Real((7, 6))}
    width = {"width": Choice((1, 2))}
    gates = {f"stage{stage}.branch{branch}": gate for stage in (1, 2) for branch in (1, 2, 3)}
    assert AutoPoseSpace().dimensions() == gates | alphas | width
    one = {f"stage{stage}.branch": Choice((0, 1, 2, 3), ordered=False) for stage in (1, 2)}
    assert AutoPoseSpace(branches="one").dimensions() == one | alphas | width
    assert AutoPoseSpace(branches="all").dimensions() == alphas | width
    assert AutoPoseSpace(branches="all", aggregation=False).dimensions() == {
        "individual.alpha": Real((10, 6)),
        "width": Choice((1, 2)),
    }
    assert AutoPoseSpace(scales=2).dimensions()["aggregation.alpha"] == Real((5, 6))


@pytest.mark.parametrize("options", RESTRICTIONS, ids=str)
def test_a_search_keeps_the_width_and_the_derived_network_has_twice_of_it(options: dict[str, Any]) -> None:
    space = make_component(AutoPoseSpace, options, where="space autopose")
    rng = Random(0)
    sampled = [space.sample(rng) for _ in range(5)]
    for genotype in (*sampled, space.largest(), space.smallest(), space.ancestor()):
        check_genotype(genotype, space.dimensions())
        mutant = space.mutate(genotype, rng)
        check_genotype(mutant, space.dimensions())
        assert genotype["width"] == mutant["width"] == 1
        assert mutant != genotype
        derived = space.derived(genotype)
        assert derived == {**space.discrete(genotype), "width": 2}
        assert space.derived(derived) == derived
        for name in space._alphas():
            for row, values in zip(derived[name], genotype[name], strict=True):
                shares = torch.tensor(row).softmax(0).tolist()
                assert shares == [float(place == list(values).index(max(values))) for place in range(6)]


@pytest.mark.parametrize("options", RESTRICTIONS, ids=str)
def test_levels_are_truthful(options: dict[str, Any]) -> None:
    space = make_component(AutoPoseSpace, options, where="space autopose")
    for genotype in (space.discrete(space.sample(Random(1))), space.derived(space.sample(Random(2)))):
        network = without_values(space, genotype)
        features = network(torch.zeros(1, 3, 128, 96, device="meta"))
        assert list(features) == [level.name for level in network.levels]
        for level in network.levels:
            size = (128 // level.stride, 96 // level.stride)
            assert features[level.name].shape == (1, level.channels, *size)
        finest = space.channels * genotype["width"]
        assert [(level.stride, level.channels) for level in network.levels] == [
            *((4 * 2**scale, finest * 2**scale) for scale in range(space.scales)),
            (4, 2 * space.channels),
        ]


def branches_of(network: AutoPoseNetwork) -> set[tuple[str, ...]]:
    """Stage, module and branch of every tensor in the stages."""
    return {
        (parts[1], parts[2], parts[4])
        for name in network.state_dict()
        if (parts := name.split("."))[0] == "stages"
    }


def test_what_is_off_is_absent_by_name() -> None:
    space = AutoPoseSpace(scales=4, stages=3, modules=2)
    genotype = space.sample(Random(3))
    on = {
        (str(stage), module, str(branch - 1))
        for stage in (1, 2, 3)
        for branch in (1, 2, 3, 4)
        for module in "01"
        if genotype[f"stage{stage}.branch{branch}"]
    }
    assert branches_of(without_values(space, genotype)) == on
    assert branches_of(without_values(space, space.smallest())) == set()


def test_at_most_one_branch_is_on_where_one_is_asked_for() -> None:
    space = AutoPoseSpace(scales=4, stages=3, branches="one")
    genotype = {**space.largest(), "stage1.branch": 2, "stage2.branch": 0, "stage3.branch": 4}
    assert branches_of(without_values(space, genotype)) == {("1", "0", "1"), ("3", "0", "3")}


def test_all_branches_are_on_where_all_are_asked_for() -> None:
    space = AutoPoseSpace(branches="all", scales=4)
    everywhere = {(stage, "0", branch) for stage in "12" for branch in "0123"}
    assert branches_of(without_values(space, space.sample(Random(0)))) == everywhere


def test_without_aggregation_there_are_no_cells_across_scales() -> None:
    space = AutoPoseSpace(channels=2, aggregation=False)
    state = space.build(space.largest()).state_dict()
    assert not [name for name in state if "aggregation" in name]
    network = space.build(space.discrete(space.largest())).eval()
    images = torch.randn(1, 3, 64, 64)
    before = network(images)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("stages.2.0.branches.1."):
                parameter.add_(0.1)
    after = network(images)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"branch8", "joined"}


@pytest.mark.parametrize("options", RESTRICTIONS, ids=str)
def test_every_network_nests_in_the_holder(options: dict[str, Any]) -> None:
    space = make_component(AutoPoseSpace, {"channels": 2, "stages": 1, **options}, where="space autopose")
    torch.manual_seed(0)
    shared = SharedWeights(space.holder())
    images = torch.randn(2, 3, 32, 32)
    rng = Random(0)
    for genotype in (space.largest(), space.smallest(), space.discrete(space.sample(rng)), space.sample(rng)):
        with WithoutValues():
            network = space.build(genotype)
        active = shared.activate(network)
        space.set_values(active, genotype)
        alone = space.build(genotype)
        alone.load_state_dict(active.state_dict())
        outputs, expected = active(images), alone(images)
        for name in expected:
            torch.testing.assert_close(outputs[name], expected[name], rtol=0, atol=0)


def test_a_stage_that_is_all_off_is_no_stage() -> None:
    """The network without the stage, given the other stages' weights, puts out the same to the bit."""
    genotype = dict(SMALL.sample(Random(2)))
    longer = AutoPoseSpace(channels=2, scales=3, stages=3)
    off = {f"stage2.branch{branch}": False for branch in (1, 2, 3)}
    moved = {f"stage3.branch{branch}": genotype[f"stage2.branch{branch}"] for branch in (1, 2, 3)}
    torch.manual_seed(0)
    short, long = SMALL.build(genotype), longer.build({**genotype, **off, **moved})
    tensors = {name.replace("stages.2.", "stages.3."): tensor for name, tensor in short.state_dict().items()}
    long.load_state_dict(tensors)
    images = torch.randn(2, 3, 64, 64)
    for name, features in short(images).items():
        torch.testing.assert_close(long(images)[name], features, rtol=0, atol=0)


def test_all_branches_off_everywhere_is_stem_and_output() -> None:
    network = SMALL.build(SMALL.smallest())
    images = torch.randn(2, 3, 64, 64)
    features = network(images)
    for map_, name in zip(network.stem(images), ("branch4", "branch8", "branch16"), strict=True):
        torch.testing.assert_close(features[name], map_)
    features["joined"].mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_an_operation_without_a_share_is_not_built() -> None:
    genotype = {**SMALL.largest(), "individual.alpha": [[0.0, -1000.0, 0.0, -1000.0, 1.0, 2.0]] * 10}
    operations = SMALL.build(genotype).get_submodule("stages.1.0.branches.0.individual.1.edges.7")
    assert [name for name, _ in operations.named_children()] == ["conv5", "conv1"]
    whole = SMALL.build(SMALL.largest()).get_submodule("stages.1.0.branches.0.individual.1.edges.7")
    assert [name for name, _ in whole.named_children()] == ["conv5", "conv3", "conv1"]


def test_the_derived_network_is_folded() -> None:
    """Each convolution that a batch norm alone reads takes it in, and the outputs stay."""
    torch.manual_seed(0)
    network = SMALL.build(SMALL.derived(SMALL.largest()))
    network(torch.randn(4, 3, 64, 64))
    network.eval()
    images = torch.randn(2, 3, 64, 64)
    before = network(images)
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    assert fold_normalisations(network) == convolutions
    for name, features in network(images).items():
        torch.testing.assert_close(features, before[name], rtol=1e-3, atol=1e-3)


def test_people_are_shown_the_names_of_operations() -> None:
    genotype = {
        **SMALL.derived(SMALL.sample(Random(0))),
        "aggregation.alpha": [[0.0, 0.0] + [NOTHING] * 4] * 7,
    }
    individual = [row[0] for row in present(genotype["individual.alpha"])]
    table = genotype_table(genotype, SMALL)
    assert table["named"]
    alpha = table["columns"].index("alpha")
    shown = {row: cells[alpha] for row, cells in table["rows"]}
    assert shown["individual"] == individual
    assert shown["aggregation"] == ["conv5 50, conv3 50"] * 7
    choice = ComponentChoice("autopose", {"channels": 2, "scales": 3, "stages": 2})
    network = NamedNetwork("found", choice, genotype, ComponentChoice("heatmap"), COCO_17)
    assert describe_choices(network) == {
        "individual.alpha": individual,
        "aggregation.alpha": shown["aggregation"],
    }
