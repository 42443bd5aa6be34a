"""Weights of one network in another: wrapped backbones, rows by keypoints, layers that are identities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, MPII_16
from posenas.networks.identity_start import begin_as_identity
from posenas.networks.initial_weights import InitialWeights
from posenas.networks.keypoint_rows import with_own_rows
from posenas.networks.layers.elastic_hrnet import BranchRange, ElasticHRNet
from posenas.networks.layers.hrnet import HRNet, HRNetPlan, Stage
from posenas.networks.layers.multi_resolution import Branch
from posenas.networks.pose_network import PoseNetwork
from posenas.networks.renaming import renamed, with_epsilon
from posenas.networks.wrapped import within
from torch import Tensor, nn


def initial(tensors: dict[str, Tensor], keypoints: tuple[str, ...] = ()) -> InitialWeights:
    return InitialWeights(Path("file"), "digest", tensors, keypoints=keypoints)


def test_rows_meet_by_the_names_of_keypoints() -> None:
    own = {
        "head.convolution.weight": torch.full((17, 2, 1, 1), -1.0),
        "head.convolution.bias": -torch.ones(17),
    }
    theirs = {
        "head.convolution.weight": torch.arange(32.0).reshape(16, 2, 1, 1),
        "head.convolution.bias": torch.arange(16.0),
        "backbone.a.weight": torch.ones(17),
    }
    found, kept = with_own_rows(theirs, own, theirs=MPII_16.names, ours=COCO_17.names)
    for index, name in enumerate(COCO_17.names):
        known = name in MPII_16.names
        wanted = MPII_16.names.index(name) if known else -1
        assert found["head.convolution.bias"][index] == wanted, name
        assert (found["head.convolution.weight"][index, 0] == 2 * wanted).item() == known
    assert kept == (2 + 1) * len(set(COCO_17.names) - set(MPII_16.names)) == 3 * 5
    assert found["backbone.a.weight"] is theirs["backbone.a.weight"]


def test_rows_of_unknown_keypoints_stay_fresh_where_their_number_differs() -> None:
    own = {"head.convolution.bias": torch.zeros(17), "head.neck.weight": torch.zeros(8)}
    theirs = {"head.convolution.bias": torch.ones(16), "head.neck.weight": torch.ones(4)}
    assert with_own_rows(theirs, own, theirs=(), ours=COCO_17.names)[0].keys() == {"head.neck.weight"}
    as_many = {"head.convolution.bias": torch.ones(17)}
    assert with_own_rows(as_many, own, theirs=(), ours=COCO_17.names) == (as_many, 0)


def test_outputs_that_are_not_by_keypoint_are_not_cut_to_other_keypoints() -> None:
    own, theirs = {"head.outputs.0.bias": torch.zeros(171)}, {"head.outputs.0.bias": torch.ones(144)}
    assert with_own_rows(theirs, own, theirs=("a",) * 14, ours=COCO_17.names) == ({}, 0)


def small(*names: str) -> nn.Module:
    """A network whose backbone has these layers."""
    backbone = nn.ModuleDict({name: nn.Linear(2, 2, bias=False) for name in names})
    return nn.ModuleDict({"backbone": backbone, "head": nn.Linear(2, 2)})


@pytest.mark.parametrize(
    ("taken", "told", "refused"),
    [
        ("backbone.a backbone.x backbone.y backbone.z backbone.u", "another's (importer one)", True),
        (
            "backbone.a backbone.x backbone.y backbone.z backbone.u",
            "",
            False,
        ),  # a run's, or as a run names it
        ("backbone.a backbone.b backbone.x backbone.y backbone.z", "another's (importer one)", False),
        ("backbone.a x y z u v", "", True),
    ],
)
def test_weights_of_another_family_are_refused_but_not_those_of_runs(
    taken: str, told: str, refused: bool
) -> None:
    tensors = {f"{name}.weight": torch.ones(2, 2) for name in taken.split()}
    weights = replace(initial(tensors), told=told)
    network = small(*"abcde")
    if refused:
        with pytest.raises(PosenasError, match=r"another network: this one has 1 of their [56] tens"):
            weights.fill(network)
    else:
        assert "% of the parameters taken from it" in weights.fill(network)


def test_a_small_network_of_the_same_family_takes_its_part() -> None:
    tensors = {f"backbone.{name}.weight": torch.ones(2, 2) for name in "abcdefghijkl"}
    told = replace(initial(tensors), told="one's (importer one)").fill(small(*"abc"))
    assert "66.7 % of the parameters taken from it" in told


class Wrapping(nn.Module):
    """A backbone within a backbone."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"network": inner})
        self.fabric = nn.Conv2d(1, 1, 1)


def test_a_backbone_finds_its_place_in_a_network_that_wraps_it() -> None:
    inner = nn.ModuleDict({"stem": nn.Conv2d(3, 4, 1), "stage": nn.Conv2d(4, 4, 1)})
    tensors = {f"backbone.{name}": tensor + 1 for name, tensor in inner.state_dict().items()}
    tensors["head.convolution.bias"] = torch.ones(2)
    wrapping = PoseNetwork(Wrapping(inner), nn.ModuleDict({"convolution": nn.Conv2d(1, 2, 1)}))
    told = initial(tensors).fill(wrapping)
    assert torch.equal(inner["stage"].weight, tensors["backbone.stage.weight"])
    assert "fresh are backbone.fabric.weight, backbone.fabric.bias, head.convolution.weight" in told
    plain = PoseNetwork(nn.ModuleDict({"stem": nn.Conv2d(3, 4, 1)}), nn.Identity())
    assert within(tensors, plain.state_dict()) == tensors


def test_the_share_leaves_out_rows_that_stay_fresh() -> None:
    network = PoseNetwork(
        nn.ModuleDict({"a": nn.Linear(2, 4)}), nn.ModuleDict({"convolution": nn.Linear(3, 17)})
    )
    torch.manual_seed(0)
    weights = {f"backbone.a.{name}": value for name, value in nn.Linear(2, 4).state_dict().items()}
    weights |= {f"head.convolution.{name}": value for name, value in nn.Linear(3, 16).state_dict().items()}
    told = initial(weights, MPII_16.names).fill(network, keypoints=COCO_17.names)
    share = 100 * (12 + 4 * 12) / (12 + 4 * 17)
    assert told.startswith(
        f"init file: {share:.1f} % of the parameters taken from it; fresh are the head's rows"
    )
    assert told.endswith("rows of nose, left_eye, right_eye and 2 more")


FAMILY = ElasticHRNet(
    stem_width=(4, 8),
    depth=((1, 2), (4,), (4,), (4,)),
    bottleneck=BranchRange((4, 8), (1,)),
    branches=tuple(BranchRange((width // 2, width), (1,)) for width in (4, 8, 12, 16)),
)


def test_the_largest_member_computes_a_network_without_gates_and_transitions() -> None:
    branches = tuple(Branch(width) for width in (4, 8, 12, 16))
    stages = tuple(Stage(1, branches[:count]) for count in (2, 3, 4))
    torch.manual_seed(0)
    plain = HRNet(HRNetPlan(stem_width=8, depth=2, bottleneck=Branch(8), stages=stages))
    largest = FAMILY.build({name: choice.values[-1] for name, choice in FAMILY.dimensions().items()})
    for tensor in plain.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.1, 0.3)
    weights = {f"backbone.{name}": tensor for name, tensor in plain.state_dict().items()}
    told = initial(weights).fill(PoseNetwork(largest, nn.Identity()))
    assert told.endswith("; layers that it lacks begin as identities")
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        found, wanted = largest.eval()(images), plain.eval()(images)
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-5, atol=0)


def test_what_took_something_keeps_it() -> None:
    torch.manual_seed(0)
    largest = FAMILY.build({name: choice.values[-1] for name, choice in FAMILY.dimensions().items()})
    before = {name: tensor.clone() for name, tensor in largest.state_dict().items()}
    assert not begin_as_identity(largest, known=before.keys(), fresh=frozenset())
    assert all(torch.equal(before[name], tensor) for name, tensor in largest.state_dict().items())


def test_names_no_rule_knows_and_empty_names_are_left_out() -> None:
    tensors = {name: torch.tensor(float(place)) for place, name in enumerate(("a.1.x", "b.x", "fc.x"))}
    rules = ((r"a\.(\d)\.(.*)", lambda match: f"stage{int(match[1]) + 1}.{match[2]}"), (r"b\..*", ""))
    assert renamed(tensors, rules) == {"stage2.x": torch.tensor(0.0)}


def test_another_epsilon_computes_the_same() -> None:
    rng = Random(0)
    theirs, ours = nn.BatchNorm2d(4, eps=1e-5).eval(), nn.BatchNorm2d(4, eps=1e-3).eval()
    for tensor in theirs.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.001, rng.uniform(0.1, 2))
    state = {f"norm.{name}": tensor for name, tensor in theirs.state_dict().items()}
    found = with_epsilon(state, theirs=1e-5, ours=1e-3)
    ours.load_state_dict({name.removeprefix("norm."): tensor for name, tensor in found.items()})
    values = torch.randn(3, 4, 2, 2)
    torch.testing.assert_close(ours(values), theirs(values))
