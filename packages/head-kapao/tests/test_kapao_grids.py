"""Grids and anchors as choices: which networks there are, and that they nest, learn and find alike."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import Any

import pytest
import torch
from head_kapao.anchors import ANCHORS
from head_kapao.grids import SCALES, STRIDES, Grids
from head_kapao.head import ChosenKapao, KapaoHead
from head_kapao.module import KapaoModule
from head_kapao.space import YoloSpace
from posenas import COCO_17, Batch, Choice, Evolvable, Level, SearchableHead
from posenas.composing.building import build_holder, build_network, network_costs, outline_network
from posenas.composing.joined import join
from posenas.networks.counting import measure_parts
from posenas.training import SharedPoseNetwork
from torch import Tensor, nn

SIZE = 128
HEAD = KapaoHead(input_size=(SIZE, SIZE), searched=("grids", "anchors"))
SPACE: Any = join(YoloSpace(), HEAD)
SETS = [chosen for number in range(4) for chosen in combinations(STRIDES, number + 1)]
LEVELS = [Level(f"p{number}", stride, 8 * number) for number, stride in enumerate(STRIDES, 3)]
NECKS = {
    "pyramid": LEVELS,
    "without 1/64": LEVELS[:3],
    "1/16 alone": LEVELS[1:2],
    "fine ones": [Level("a", 4, 6), Level("b", 4, 8)],
}


def test_it_is_searched_only_where_it_is_asked_to_be() -> None:
    plain = KapaoHead()
    assert isinstance(plain, SearchableHead)
    assert plain.dimensions() == {}
    assert join(YoloSpace(), plain) == YoloSpace()
    assert isinstance(SPACE, Evolvable)
    assert set(KapaoHead(searched=("anchors",)).dimensions()) == {"anchors"}
    ends = {"head.grids": "8+16+32+64", "head.anchors": 1.0}
    assert SPACE.ancestor() == {**YoloSpace().ancestor(), **ends}
    assert SPACE.largest() == {**YoloSpace().largest(), **ends}
    assert SPACE.smallest() == {**YoloSpace().smallest(), **ends, "head.grids": "64"}


def test_sets_of_grids_run_from_cheap_to_dear() -> None:
    choice = HEAD.dimensions()["grids"]
    assert isinstance(choice, Choice)
    assert len(set(choice.values)) == len(SETS) == 15
    macs = [
        network_costs(SPACE, {**SPACE.largest(), "head.grids": value}, head=HEAD, keypoints=COCO_17).macs
        for value in choice.values
    ]
    assert macs == sorted(set(macs))


def test_mutations_reach_every_value() -> None:
    rng, genotype, seen = Random(0), HEAD.ancestor(), set()
    for _ in range(400):
        after = HEAD.mutate(genotype, rng)
        assert sum(after[name] != genotype[name] for name in genotype) == 1
        genotype = after
        seen |= set(genotype.items())
    assert len(seen) == 15 + len(SCALES)


def test_the_unsearched_heads_state_dict_is_as_it_was() -> None:
    shapes = {name: tuple(each.shape) for name, each in module(Grids()).state_dict().items()}
    assert shapes == {
        f"outputs.{number}.{part}": (171, *rest)
        for number, level in enumerate(LEVELS)
        for part, rest in {"weight": (level.channels, 1, 1), "bias": ()}.items()
    }


def module(grids: Grids, levels: list[Level] = LEVELS) -> KapaoModule:
    return ChosenKapao(HEAD, grids).build(HEAD.select(levels), COCO_17)


@pytest.mark.parametrize("levels", NECKS.values(), ids=NECKS)
def test_a_grid_says_the_same_whatever_others_there_are(levels: list[Level]) -> None:
    torch.manual_seed(0)
    whole = module(Grids(), levels).eval()
    features = {
        level.name: torch.randn(2, level.channels, SIZE // level.stride, SIZE // level.stride)
        for level in levels
    }
    expected = dict(zip(STRIDES, whole(features), strict=True))
    for strides in SETS:
        part = module(Grids(strides), levels).eval()
        tensors = whole.state_dict()
        part.load_state_dict({name: tensors[name] for name in part.state_dict()})
        found = part(features)
        torch.testing.assert_close(found, [expected[stride] for stride in strides], rtol=0, atol=0)
        sum(each.square().mean() for each in part.train()(features)).backward()  # type: ignore[union-attr]
        assert all(parameter.grad is not None for parameter in part.parameters())


def batch() -> Batch:
    boxes = torch.tensor([[10.0, 12, 60, 120], [70.0, 40, 90, 70]])
    steps = torch.stack([torch.linspace(0.1, 0.9, 17), torch.linspace(0.05, 0.95, 17).flip(0)], dim=1)
    return Batch(
        images=torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)),
        keypoints=boxes[:, None, :2] + steps * (boxes[:, None, 2:] - boxes[:, None, :2]),
        labelled=torch.ones(2, 17),
        boxes=boxes,
        views=torch.tensor([0, 1]),
        pitch=torch.ones(2),
    )


def shared_network() -> SharedPoseNetwork:
    torch.manual_seed(1)
    holder = build_holder(SPACE, head=HEAD, keypoints=COCO_17)
    for each in holder.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.weight.data.uniform_(0.5, 1.5)
    return SharedPoseNetwork(lambda one: build_network(SPACE, one, head=HEAD, keypoints=COCO_17), holder)


def test_joint_networks_nest_and_train_and_their_parts_add_up() -> None:
    shared, people, rng = shared_network(), batch(), Random(0)
    for number in range(20):
        genotype = SPACE.sample(rng)
        active, cut = shared.activate(genotype), shared.derive(genotype)
        outputs = active(people.images)
        for found, expected in zip(outputs, cut(people.images), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        head: Any = active.head
        head.loss(outputs, head.targets(people)).backward()
        assert len(outputs) == len(genotype["head.grids"].split("+")), number
        parts = measure_parts(outline_network(SPACE, genotype, head=HEAD, keypoints=COCO_17), (SIZE, SIZE))
        whole = network_costs(SPACE, genotype, head=HEAD, keypoints=COCO_17)
        assert whole.macs == parts["backbone"].macs + parts["head"].macs
        assert parts["head"].macs == sum(
            171 * (genotype[f"{stage}.width"]) * (SIZE // stride) ** 2
            for stride, stage in zip(
                STRIDES, ("top_down.p3", "bottom_up.p4", "bottom_up.p5", "bottom_up.p6"), strict=True
            )
            if str(stride) in genotype["head.grids"].split("+")
        )
    outputs = shared.activate(SPACE.largest())(people.images)
    sum(each.square().mean() for each in outputs).backward()  # as drawn networks never have all at full width
    for name, parameter in shared.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("strides", [STRIDES, (16, 64), (8,)])
def test_targets_and_decoding_use_the_chosen_grids_and_anchors(
    scale: float, strides: tuple[int, ...]
) -> None:
    """Poses that outputs say by the inverse of the equations are found where the targets put them."""
    head, people = module(Grids(strides, scale)), batch()
    assert people.boxes is not None
    targets = head.targets(people)
    assert len(targets) == len(strides)
    outputs, learnt = [], set()
    for stride, each in zip(strides, targets, strict=True):
        assigned = each.assigned
        own = anchors(stride, scale)[assigned.anchor] / stride
        ratios = assigned.box[:, 2:] / own
        assert (torch.maximum(ratios, 1 / ratios) < 4).all()
        poses = assigned.category == 0
        values = torch.cat([(assigned.box[:, :2] + 0.5) / 2, ratios.sqrt() / 2], 1)[poses]
        rows = torch.full((len(values), head.channels.count), -12.0)
        rows[:, head.channels.box] = torch.logit(values, eps=1e-6)
        rows[:, [head.channels.objectness, head.channels.classes.start]] = 8.0
        grid = torch.full((2, 3, SIZE // stride, SIZE // stride, head.channels.count), -12.0)
        grid[tuple(index[poses] for index in assigned.place)] = rows
        outputs.append(grid)
        learnt |= set(assigned.image[poses].tolist())
    found = head._rows(outputs)
    assert set(found.image.tolist()) == learnt
    torch.testing.assert_close(found.boxes, people.boxes[found.image], rtol=0, atol=0.01)
    assert head.loss(outputs, targets).isfinite()


def anchors(stride: int, scale: float) -> Tensor:
    return torch.tensor(ANCHORS[stride]) * (scale * SIZE / 1280)


@pytest.mark.parametrize("scale", SCALES)
def test_a_student_that_says_the_teachers_boxes_in_its_own_anchors_has_nothing_to_learn(scale: float) -> None:
    head = module(Grids((8, 32), scale))
    generator = torch.Generator().manual_seed(0)
    count, boxes, offsets = head.channels.count, head.channels.box, head.channels.offsets
    taught = [torch.randn(1, 3, SIZE // s, SIZE // s, count, generator=generator) for s in STRIDES]
    student = []
    for stride in (8, 32):
        teacher = taught[STRIDES.index(stride)]
        theirs, own = (anchors(stride, each)[:, None, None] for each in (1.0, scale))
        said = teacher.clone()
        sides = (2 * teacher[..., boxes][..., 2:].sigmoid()).square() * theirs
        said[..., boxes][..., 2:] = torch.logit((sides / own).sqrt() / 2, eps=1e-6)
        points = (4 * teacher[..., offsets].sigmoid() - 2).unflatten(-1, (17, 2)) * theirs.unsqueeze(-2)
        said[..., offsets] = torch.logit((points / own.unsqueeze(-2) + 2).flatten(-2) / 4, eps=1e-6)
        student.append(said.requires_grad_())
    head.distillation_loss(student, taught).backward()  # type: ignore[no-untyped-call]
    for each in student:
        assert each.grad is not None
        assert each.grad[..., boxes].abs().max() < 1e-8
        assert each.grad[..., offsets].abs().max() < 1e-8
    raw = [taught[0].clone().requires_grad_(), taught[2].clone().requires_grad_()]
    head.distillation_loss(raw, taught).backward()  # type: ignore[no-untyped-call]
    assert raw[0].grad is not None
    assert (raw[0].grad[..., offsets].abs().max() > 1e-7) == (scale != 1.0)


def test_a_student_without_a_grid_of_its_teachers_learns_nothing() -> None:
    head = module(Grids((8,)))
    student = [torch.zeros(1, 3, 16, 16, head.channels.count, requires_grad=True)]
    teacher = [torch.ones(1, 3, 2, 2, head.channels.count)]
    loss = head.distillation_loss(student, teacher)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss == 0
    assert student[0].grad is not None
    assert not student[0].grad.any()
