"""The head: what it reads, what it learns, and that what it should find is found where it was put."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pytest
import torch
from head_kapao.anchors import ANCHORS, scaled_anchors
from head_kapao.decoding import Rows, join
from head_kapao.detection import Detection
from head_kapao.grids import STRIDES
from head_kapao.head import KapaoHead
from head_kapao.module import KapaoModule, Looks
from head_kapao.sizes import published
from head_kapao.space import YoloSpace
from posenas import COCO_17, Batch, Distillable, FlipTest, Level, Look, PosenasError, ScaleTest
from torch import Tensor

LEVELS = [Level(f"p{number}", stride, 8 * number) for number, stride in enumerate(STRIDES, 3)]
SIZE = 256


def module(**options: Any) -> KapaoModule:
    head = KapaoHead(**{"input_size": (SIZE, SIZE), **options})
    return head.build(head.select(LEVELS), COCO_17)


def people() -> tuple[Tensor, Tensor]:
    """Boxes so large that no keypoint object shares an anchor with them, and keypoints on their diagonals."""
    boxes = torch.tensor([[30.0, 20, 110, 180], [140.0, 60, 230, 240], [60.0, 50, 150, 200]])
    steps = torch.stack([torch.linspace(0.1, 0.9, 17), torch.linspace(0.05, 0.95, 17).flip(0)], dim=1)
    keypoints = boxes[:, None, :2] + steps * (boxes[:, None, 2:] - boxes[:, None, :2])
    return boxes, keypoints


def views(number: int, *, pitch: float = 1.0) -> Batch:
    """Views of nobody known, as they are decoded."""
    images = torch.zeros(number, 3, SIZE, SIZE)
    return Batch(images, torch.zeros(0, 17, 2), torch.zeros(0, 17), pitch=torch.full((number,), pitch))


def make_batch() -> Batch:
    """Two people in the first view, none in the second, one in the third."""
    boxes, keypoints = people()
    return Batch(
        images=torch.zeros(3, 3, SIZE, SIZE),
        keypoints=keypoints,
        labelled=torch.ones(3, 17),
        boxes=boxes,
        views=torch.tensor([0, 0, 2]),
        pitch=torch.tensor([1.0, 1.0, 2.0]),
    )


def perfect(head: KapaoModule, batch: Batch) -> list[Tensor]:
    """Logits that say of every target what it is, and of all else that nothing is there."""
    height, width = batch.images.shape[2:]
    outputs = []
    channels = head.channels
    for stride, targets, sizes in zip(STRIDES, head.targets(batch), anchors(), strict=True):
        assigned = targets.assigned
        grid = torch.full((3, 3, height // stride, width // stride, channels.count), -12.0)
        chosen = sizes[assigned.anchor] / stride
        rows = torch.full((len(assigned.image), channels.count), -12.0)
        centres, sides = (assigned.box[:, :2] + 0.5) / 2, (assigned.box[:, 2:] / chosen).sqrt() / 2
        rows[:, channels.box] = torch.logit(torch.cat([centres, sides], 1), eps=1e-6)
        rows[:, channels.objectness] = 8.0
        rows[torch.arange(len(rows)), channels.classes.start + assigned.category] = 8.0
        offsets = (assigned.keypoints / chosen[:, None] + 2) / 4
        rows[:, channels.offsets] = torch.logit(offsets.flatten(1).clamp(1e-5, 1 - 1e-5))
        if channels.confidence:
            rows[:, channels.confidences] = torch.where(assigned.visible, 8.0, -8.0)
        grid[assigned.place] = rows
        outputs.append(grid)
    return outputs


def anchors() -> Tensor:
    return scaled_anchors(STRIDES, input_size=SIZE)


@pytest.mark.parametrize("fusion", [True, False])
def test_perfect_outputs_give_everybodys_pose(fusion: bool) -> None:
    head, batch = module(fusion=fusion), make_batch()
    poses = head.decode(perfect(head, batch), batch)
    assert poses.views is not None
    assert poses.scores is not None
    assert poses.views.tolist() == [0, 0, 2]
    assert (poses.scores > 0.9).all()
    _, truth = people()
    found = poses.keypoints[:2][poses.keypoints[:2, 0, 0].argsort()]
    assert (found - truth[:2]).norm(dim=2).max() < (0.05 if fusion else 12)
    if fusion:
        assert (poses.keypoint_scores > 0.9).all()
    else:
        assert (poses.keypoint_scores == 0).all()
    assert set(head.seconds) == {"decoding", "suppression"} | ({"fusion"} if fusion else set())


def test_the_distance_of_a_fusion_is_in_pixels_of_the_image() -> None:
    """The keypoint object is 20 of the view's pixels beside the pose's keypoint."""
    head, batch = module(fusion_distance=30.0), make_batch()
    outputs = perfect(head, batch)
    channels = head.channels
    for grid, stride in zip(outputs, STRIDES, strict=True):
        assigned = head.targets(batch)[STRIDES.index(stride)].assigned
        poses = assigned.category == 0
        image, anchor, row, column = (index[poses] for index in assigned.place)
        moved = assigned.keypoints[poses].clone()
        moved[..., 0] += 20 / stride
        chosen = anchors()[STRIDES.index(stride)][anchor] / stride
        logits = torch.logit(((moved / chosen[:, None] + 2) / 4).flatten(1).clamp(1e-5, 1 - 1e-5))
        grid[image, anchor, row, column, channels.offsets] = logits
    near = head.decode(outputs, views(3))
    far = head.decode(outputs, views(3, pitch=2.0))  # 40 pixels of the image
    assert (near.keypoint_scores[:2] > 0).double().mean() > 0.9
    assert (far.keypoint_scores[:2] > 0).double().mean() < 0.5


def test_a_mirrored_look_finds_the_same_people() -> None:
    head, batch = module(), make_batch()
    boxes, keypoints = people()
    mirrored_batch = Batch(
        images=batch.images,
        keypoints=torch.stack([SIZE - 1 - keypoints[..., 0], keypoints[..., 1]], 2)[
            :, list(COCO_17.mirrored)
        ],
        labelled=batch.labelled,
        boxes=torch.stack([SIZE - 1 - boxes[:, 2], boxes[:, 1], SIZE - 1 - boxes[:, 0], boxes[:, 3]], 1),
        views=batch.views,
        pitch=batch.pitch,
    )
    outputs, mirrored = perfect(head, batch), perfect(head, mirrored_batch)
    nothing = [torch.full_like(grid, -12.0) for grid in outputs]
    expected = head.decode(outputs, views(3))
    for looks in (head.average_mirrored(outputs, mirrored), head.average_mirrored(nothing, mirrored)):
        found = head.decode(looks, views(3))
        assert found.views is not None
        assert found.views.tolist() == [0, 0, 2]
        assert found.scores is not None
        order, wanted = (each.keypoints[:2, 0, 0].argsort() for each in (found, expected))
        assert (found.keypoints[:2][order] - expected.keypoints[:2][wanted]).norm(dim=2).max() < 0.05


def test_a_look_at_half_the_size_is_brought_back() -> None:
    head, batch = module(), make_batch()
    boxes, keypoints = people()
    half = Batch(
        images=torch.zeros(3, 3, SIZE // 2, SIZE // 2),
        keypoints=(keypoints + 0.5) / 2 - 0.5,
        labelled=batch.labelled,
        boxes=(boxes + 0.5) / 2 - 0.5,
        views=batch.views,
        pitch=batch.pitch,
    )
    looks = head.combine([Look(perfect(head, half), (SIZE // 2, SIZE // 2), mirrored=False)], (SIZE, SIZE))
    found = head.decode(looks, views(3))
    left = found.keypoints[:2][found.keypoints[:2, 0, 0].argsort()]
    assert (left - keypoints[:2]).norm(dim=2).median() < 0.1


def test_a_perfect_network_has_little_to_learn_and_a_fresh_one_much() -> None:
    head, batch = module(), make_batch()
    targets = head.targets(batch)
    good = head.loss(perfect(head, batch), targets)
    fresh = head.loss([torch.zeros_like(grid) for grid in perfect(head, batch)], targets)
    assert good < 0.2 * fresh  # neighbouring keypoints share cells


@pytest.mark.parametrize("confidence", [False, True])
def test_gradients_are_finite_and_reach_every_output(confidence: bool) -> None:
    head = module(keypoint_confidence=confidence)
    features = {
        level.name: torch.randn(3, level.channels, SIZE // level.stride, SIZE // level.stride)
        for level in LEVELS
    }
    head.loss(head(features), head.targets(make_batch())).backward()  # type: ignore[no-untyped-call]
    for output in head.outputs:
        for parameter in output.parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()
    reached = torch.zeros(head.channels.count, dtype=torch.bool)
    for output in head.outputs:
        assert isinstance(output.bias, Tensor)
        assert output.bias.grad is not None
        reached |= (output.bias.grad.view(3, -1) != 0).any(0)
    assert reached.all()


def test_views_without_anybody_teach_that_nothing_is_there() -> None:
    head = module()
    empty = Batch(
        images=torch.zeros(2, 3, SIZE, SIZE),
        keypoints=torch.zeros(0, 17, 2),
        labelled=torch.zeros(0, 17),
        boxes=torch.zeros(0, 4),
        views=torch.zeros(0, dtype=torch.int64),
        pitch=torch.ones(2),
    )
    outputs = [
        torch.zeros(2, 3, SIZE // s, SIZE // s, head.channels.count, requires_grad=True) for s in STRIDES
    ]
    loss = head.loss(outputs, head.targets(empty))
    loss.backward()  # type: ignore[no-untyped-call]
    for grid in outputs:
        assert grid.grad is not None
        assert (grid.grad[..., head.channels.objectness] > 0).all()
    nothing = [torch.full_like(grid, -12.0).detach() for grid in outputs]
    poses = head.decode(nothing, views(2))
    assert poses.keypoints.shape == (0, 17, 2)
    assert poses.views is not None
    assert len(poses.views) == 0


def test_the_confidence_is_the_score_where_nothing_was_fused() -> None:
    head, batch = module(keypoint_confidence=True, fusion=False), make_batch()
    hidden = Batch(**{**vars(batch), "labelled": torch.arange(17).lt(10).float().expand(3, 17)})
    scores = head.decode(perfect(head, hidden), views(3)).keypoint_scores
    assert (scores[:, :10] > 0.99).all()
    assert (scores[:, 10:] < 0.01).all()


def test_few_cells_are_expected_to_hold_anything() -> None:
    head = module()
    for output, stride in zip(head.outputs, STRIDES, strict=True):
        assert isinstance(output, torch.nn.Conv2d)
        assert output.bias is not None
        by_anchor = output.bias.detach().view(3, -1)
        bound = 1 / math.sqrt(output.in_channels)
        expected = math.log(8 / (640 / stride) ** 2)
        assert (by_anchor[:, head.channels.objectness] - expected).abs().max() <= bound
        assert (by_anchor[:, head.channels.classes] - math.log(0.6 / (18 - 0.99))).abs().max() <= bound


def test_a_teacher_is_best_imitated_by_itself() -> None:
    head, batch = module(), make_batch()
    teacher = perfect(head, batch)
    noisy = [grid + torch.randn_like(grid) for grid in teacher]
    student = [grid.clone().requires_grad_() for grid in noisy]
    loss = head.distillation_loss(student, teacher)
    assert loss > head.distillation_loss(teacher, teacher)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(grid.grad is not None and grid.grad.isfinite().all() for grid in student)


def test_it_offers_what_a_search_may_ask_for() -> None:
    head = module()
    for capability in (Distillable, FlipTest, ScaleTest):
        assert isinstance(head, capability)


def test_its_own_network_needs_no_neck() -> None:
    network = YoloSpace().build(published("tiny"))
    head = KapaoHead(input_size=(128, 128))
    built = head.build(head.select(network.levels), COCO_17)
    assert built.neck is None
    outputs = built(network(torch.rand(1, 3, 128, 128)))
    assert [tuple(grid.shape) for grid in outputs] == [(1, 3, 128 // s, 128 // s, 57) for s in STRIDES]


@pytest.mark.parametrize("strides", [(4, 8, 16, 32), (4, 16), (32,), (64,), (8, 64), (4, 8, 16, 32, 16, 8)])
def test_other_backbones_get_a_feature_pyramid(strides: tuple[int, ...]) -> None:
    levels = [Level(f"level{number}", stride, 8) for number, stride in enumerate(strides)]
    head = KapaoHead(input_size=(128, 192), neck=16)
    selected = head.select(levels)
    assert {level.stride for level in selected} == set(strides) & set(STRIDES)
    for level in selected:  # the deepest of its stride
        assert level is [each for each in levels if each.stride == level.stride][-1]
    built = head.build(selected, COCO_17)
    assert built.neck is not None
    features = {level.name: torch.randn(2, 8, 128 // level.stride, 192 // level.stride) for level in levels}
    outputs = built(features)
    assert [grid.shape[2:4] for grid in outputs] == [(128 // s, 192 // s) for s in STRIDES]
    sum(grid.square().mean() for grid in outputs).backward()
    for name, parameter in built.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize(
    ("strides", "read"),
    [((4, 4), (0, 1)), ((2, 4, 8, 32, 4, 4), (2, 3, 4, 5)), ((8, 4, 2), (0, 2)), ((16, 2), (0, 1))],
)
def test_a_finer_end_of_the_backbone_is_read_too(strides: tuple[int, ...], read: tuple[int, ...]) -> None:
    levels = [Level(f"stage.{number}", stride, 8) for number, stride in enumerate(strides)]
    head = KapaoHead(input_size=(128, 192), neck=16)
    selected = head.select(levels)
    assert {level.name for level in selected} == {f"stage.{number}" for number in read}
    built = head.build(selected, COCO_17)
    features = {level.name: torch.randn(2, 8, 128 // level.stride, 192 // level.stride) for level in levels}
    for each in features.values():
        each.requires_grad_()
    outputs = built(features)
    assert [grid.shape[2:4] for grid in outputs] == [(128 // s, 192 // s) for s in STRIDES]
    sum(grid.square().mean() for grid in outputs).backward()
    assert {name for name, each in features.items() if each.grad is not None} == {
        level.name for level in selected
    }
    assert all(parameter.grad is not None for parameter in built.parameters())


def test_a_backbone_without_such_levels_is_refused() -> None:
    with pytest.raises(PosenasError, match=r"no level at any of 1/8, 1/16, 1/32, 1/64 .* deep \(1/128\)"):
        KapaoHead().select([Level("deep", 128, 8)])


@pytest.mark.parametrize("size", [(320, 300), (32, 64), (0, 64)])
def test_sizes_that_do_not_divide_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="both sides must be multiples of 64"):
        KapaoHead(input_size=size)


def test_anchors_grow_with_the_input() -> None:
    assert torch.equal(2 * scaled_anchors(STRIDES, input_size=640), scaled_anchors(STRIDES, input_size=1280))
    assert scaled_anchors([8], input_size=1280)[0].tolist() == [list(map(float, size)) for size in ANCHORS[8]]


def test_looks_are_kept_with_the_views_size() -> None:
    head = module()
    outputs = [torch.zeros(1, 3, 64 // s, 128 // s, head.channels.count) for s in STRIDES]
    looks = head.average_mirrored(outputs, outputs)
    assert isinstance(looks, Looks)
    assert looks.view == (64, 128)
    assert [look.mirrored for look in looks.looks] == [False, True]


def test_rows_of_no_parts_have_no_confidences() -> None:
    row = Rows(
        torch.zeros(1, dtype=torch.int64),
        torch.zeros(1, 4),
        torch.zeros(1, dtype=torch.int64),
        torch.ones(1),
        torch.zeros(1, 17, 2),
    )
    assert join([row, row]).confidences is None
    assert len(join([row, row]).scores) == 2


@pytest.mark.parametrize(("people", "keypoints"), [(30, 17), (3, 133), (40, 1)])
def test_a_crowd_is_fused_whole(people: int, keypoints: int) -> None:
    """The limit is each keypoint's own: 30 people have 510 keypoint objects, and three of 133 points 399."""
    corners = 100.0 * torch.stack(torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij"), 2)
    corners = corners.reshape(-1, 2)[:people]
    points = corners[:, None] + 5.0 + 80.0 * torch.rand(people, keypoints, 2, generator=torch.manual_seed(0))
    centres, parts = points.reshape(-1, 2), torch.arange(1, keypoints + 1).repeat(people)
    rows = Rows(
        image=torch.zeros(people * (1 + keypoints), dtype=torch.int64),
        boxes=torch.cat(
            [torch.cat([corners, corners + 90.0], 1), torch.cat([centres - 2.0, centres + 2.0], 1)]
        ),
        category=torch.cat([torch.zeros(people, dtype=torch.int64), parts]),
        scores=torch.full((people * (1 + keypoints),), 0.9),
        keypoints=torch.cat([points + 3.0, torch.zeros(people * keypoints, keypoints, 2)]),
    )
    options = {name: getattr(KapaoHead(), name) for name in Detection.__dataclass_fields__}
    poses = Detection(**options)(rows, pitch=torch.ones(1), seconds=defaultdict(float))
    assert int((poses.keypoint_scores > 0).sum()) == people * keypoints
    assert (poses.keypoints - points).abs().max() < 1e-3
    few = Detection(**options | {"limit": 2})(rows, pitch=torch.ones(1), seconds=defaultdict(float))
    assert len(few.keypoints) == 2
    assert (few.keypoint_scores > 0).sum(0).max() <= 2
