"""The losses, against loops over targets, cells, classes and keypoints in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, replace

import pytest
import torch
from head_kapao.anchors import BALANCE, scaled_anchors
from head_kapao.assignment import Assignment, assign
from head_kapao.channels import Channels
from head_kapao.losses import Gains, Losses, compute_losses, compute_means, scaled_gains
from head_kapao.objects import Objects, make_objects
from head_kapao.overlap import complete_iou
from head_kapao.targets import chosen
from torch import Tensor

SIZE, KEYPOINTS, IMAGES = 128, 3, 2
STRIDES = (8, 16, 32, 64)
ANCHORS = scaled_anchors(STRIDES, input_size=SIZE).double()
GAINS = scaled_gains(Gains(), grids=4, input_size=SIZE, keypoints=KEYPOINTS)


def random_objects(seed: int, people: int) -> Objects:
    """People, two of them at the same place, some without a labelled keypoint."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    centres, sizes = uniform(people, 2) * SIZE, torch.exp(uniform(people, 2) * math.log(SIZE))
    keypoints = uniform(people, KEYPOINTS, 2) * 1.2 * SIZE
    visibility = torch.randint(3, (people, KEYPOINTS), generator=generator)
    if people > 3:
        centres[1], sizes[1], keypoints[1] = centres[0], sizes[0] * 1.01, keypoints[0]
        visibility[2] = 0
    return make_objects(
        torch.randint(IMAGES, (people,), generator=generator),
        torch.cat([centres - sizes / 2, centres + sizes / 2], dim=1),
        keypoints=keypoints,
        visibility=visibility,
        view=(SIZE, SIZE),
    )


def make_batch(seed: int, people: int, channels: Channels) -> tuple[list[Tensor], list[Assignment]]:
    generator = torch.Generator().manual_seed(seed)
    objects = random_objects(seed, people)
    sides = [SIZE // stride for stride in STRIDES]
    outputs = [
        2 * torch.randn(IMAGES, 3, side, side, channels.count, generator=generator, dtype=torch.float64)
        for side in sides
    ]
    assignments = [
        assign(objects, anchors=anchors, stride=stride, grid=(side, side))
        for anchors, stride, side in zip(ANCHORS, STRIDES, sides, strict=True)
    ]
    return outputs, assignments


def losses_of(outputs: Sequence[Tensor], assignments: Sequence[Assignment], channels: Channels) -> Losses:
    return compute_losses(
        outputs,
        [chosen(assigned) for assigned in assignments],
        anchors=ANCHORS,
        strides=STRIDES,
        balance=tuple(BALANCE.values()),
        channels=channels,
        gains=GAINS,
    )


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def cross_entropy(logit: float, target: float) -> float:
    return -target * math.log(sigmoid(logit)) - (1 - target) * math.log(1 - sigmoid(logit))


def literal_ciou(a: Sequence[float], b: Sequence[float]) -> float:
    """Of centre x, y, width, height."""
    left, right = max(a[0] - a[2] / 2, b[0] - b[2] / 2), min(a[0] + a[2] / 2, b[0] + b[2] / 2)
    top, bottom = max(a[1] - a[3] / 2, b[1] - b[3] / 2), min(a[1] + a[3] / 2, b[1] + b[3] / 2)
    shared = max(right - left, 0) * max(bottom - top, 0)
    iou = shared / (a[2] * a[3] + b[2] * b[3] - shared)
    width = max(a[0] + a[2] / 2, b[0] + b[2] / 2) - min(a[0] - a[2] / 2, b[0] - b[2] / 2)
    height = max(a[1] + a[3] / 2, b[1] + b[3] / 2) - min(a[1] - a[3] / 2, b[1] - b[3] / 2)
    distance = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / (width**2 + height**2)
    v = 4 / math.pi**2 * (math.atan(b[2] / b[3]) - math.atan(a[2] / a[3])) ** 2
    return iou - distance - (v / (v - iou + 1) * v if v else 0.0)


def literal_box(logits: Sequence[float], anchor: Sequence[float]) -> list[float]:
    x, y, width, height = (sigmoid(logit) for logit in logits)
    return [2 * x - 0.5, 2 * y - 0.5, (2 * width) ** 2 * anchor[0], (2 * height) ** 2 * anchor[1]]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def literal_grid(output: Tensor, assigned: Assignment, anchors: Tensor, channels: Channels) -> list[float]:
    """Box, objectness, category, keypoints and confidence of one grid; anchors in cells."""
    box, category, distance, confidence = [], [], [], []
    wanted = torch.zeros(output.shape[:4], dtype=torch.float64).tolist()
    for m in range(len(assigned.image)):
        image, anchor, row, column = (int(index[m]) for index in assigned.place)
        values, (width, height) = output[image, anchor, row, column].tolist(), anchors[anchor].tolist()
        overlap = literal_ciou(literal_box(values[:4], (width, height)), assigned.box[m].tolist())
        box.append(1 - overlap)
        wanted[image][anchor][row][column] = max(overlap, 0.0)
        for number in range(KEYPOINTS + 1):
            category.append(cross_entropy(values[5 + number], float(number == assigned.category[m])))
        for k in range(KEYPOINTS):
            x, y = values[6 + KEYPOINTS + 2 * k : 8 + KEYPOINTS + 2 * k]
            point = ((4 * sigmoid(x) - 2) * width, (4 * sigmoid(y) - 2) * height)
            if assigned.visible[m, k]:
                distance.append(math.dist(point, assigned.keypoints[m, k].tolist()))
            if channels.confidence and assigned.judged[m]:
                truth = float(assigned.visible[m, k])
                confidence.append(cross_entropy(values[6 + 3 * KEYPOINTS + k], truth))
    targets = torch.tensor(wanted).flatten().tolist()
    logits = output[..., 4].flatten().tolist()
    objectness = [cross_entropy(logit, target) for logit, target in zip(logits, targets, strict=True)]
    return [mean(box), mean(objectness), mean(category), mean(distance), mean(confidence)]


def literal_losses(
    outputs: Sequence[Tensor], assignments: Sequence[Assignment], channels: Channels
) -> list[float]:
    """The five weighted components, and the total."""
    sums = [0.0] * 5
    for output, assigned, anchors, stride, weight in zip(
        outputs, assignments, ANCHORS, STRIDES, (4.0, 1.0, 0.25, 0.06), strict=True
    ):
        grid = literal_grid(output, assigned, anchors / stride, channels)
        grid[1] *= weight
        sums = [total + value for total, value in zip(sums, grid, strict=True)]
    share = 3 / 4
    gains = [0.05 * share, 0.7 * share * (SIZE / 640) ** 2, 0.3 * share * (KEYPOINTS + 1) / 80]
    gains += [0.025 * share, 0.3 * share * KEYPOINTS / 80]
    weighted = [gain * value for gain, value in zip(gains, sums, strict=True)]
    return [*weighted, IMAGES * sum(weighted)]


@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize("people", [0, 1, 12])
def test_losses_are_those_of_the_loops(people: int, confidence: bool) -> None:
    channels = Channels(KEYPOINTS, confidence)
    outputs, assignments = make_batch(people, people, channels)
    found = [float(value) for value in astuple(losses_of(outputs, assignments, channels))]
    assert found == pytest.approx(literal_losses(outputs, assignments, channels), abs=1e-6, rel=1e-6)
    if people == 12:
        assert min(found[:4]) > 0
        assert (found[4] > 0) == confidence


@pytest.mark.parametrize("confidence", [True, False])
def test_the_means_add_up_to_the_loss_and_those_of_single_images_to_the_batch_s(confidence: bool) -> None:
    channels = Channels(KEYPOINTS, confidence)
    outputs, assignments = make_batch(1, 9, channels)
    losses = losses_of(outputs, assignments, channels)
    whole = means_of(outputs, assignments, channels)
    singles = [
        means_of([grid[[image]] for grid in outputs], [only(image, each) for each in assignments], channels)
        for image in range(IMAGES)
    ]
    assert float(whole[0].sum()) == pytest.approx(float(losses.total) / IMAGES, rel=1e-12)
    counts = torch.stack([numbers for _, numbers in singles])
    assert torch.equal(counts.sum(0), whole[1])
    together = sum(means * numbers for means, numbers in singles) / whole[1].clamp(min=1)
    # Objectness's targets are the last ones of a cell, which are the same image by image.
    torch.testing.assert_close(together, whole[0].double(), rtol=1e-9, atol=1e-12)


def means_of(
    outputs: Sequence[Tensor], assignments: Sequence[Assignment], channels: Channels
) -> tuple[Tensor, Tensor]:
    return compute_means(
        outputs,
        [chosen(assigned) for assigned in assignments],
        anchors=ANCHORS,
        strides=STRIDES,
        balance=tuple(BALANCE.values()),
        channels=channels,
        gains=GAINS,
    )


def only(image: int, assigned: Assignment) -> Assignment:
    """The targets of one image, as the first of a batch."""
    chosen = assigned.image == image
    kept = {name: value[chosen] for name, value in vars(assigned).items()}
    return Assignment(**kept | {"image": kept["image"] - image})


def test_objectness_follows_the_last_of_several_targets() -> None:
    channels = Channels(KEYPOINTS)
    outputs, assignments = make_batch(5, 12, channels)
    finest = assignments[0]
    places = torch.stack(finest.place, dim=1).tolist()
    assert len({tuple(place) for place in places}) < len(places), "no two targets share a place"
    found = float(losses_of(outputs, assignments, channels).objectness)
    assert found == pytest.approx(literal_losses(outputs, assignments, channels)[1], rel=1e-9)


def test_gains_are_those_of_the_thesis() -> None:
    gains = scaled_gains(Gains(), grids=4, input_size=1280, keypoints=17)
    assert astuple(gains)[:4] == pytest.approx((0.0375, 2.1, 0.050625, 0.01875))


@pytest.mark.parametrize("logit", [-200.0, -30.0, 0.0, 30.0, 200.0])
def test_gradients_are_finite(logit: float) -> None:
    """Also where a sigmoid is 0 or 1, or a prediction meets its target."""
    channels = Channels(KEYPOINTS, confidence=True)
    outputs, assignments = make_batch(0, 12, channels)
    outputs = [torch.full_like(output, logit, dtype=torch.float32, requires_grad=True) for output in outputs]
    losses_of(outputs, assignments, channels).total.backward()  # type: ignore[no-untyped-call]
    for output in outputs:
        assert output.grad is not None
        assert output.grad.isfinite().all()
        if logit == 0.0:
            assert (output.grad[..., channels.objectness] != 0).all()


def test_a_keypoint_that_meets_its_target_has_a_finite_gradient() -> None:
    channels = Channels(KEYPOINTS)
    outputs, assignments = make_batch(0, 12, channels)
    met = [
        replace(assigned, keypoints=torch.zeros_like(assigned.keypoints), box=torch.ones_like(assigned.box))
        for assigned in assignments
    ]
    zeros = [torch.zeros_like(output, requires_grad=True) for output in outputs]
    losses = losses_of(zeros, met, channels)
    assert float(losses.keypoints.detach()) == 0.0
    losses.total.backward()  # type: ignore[no-untyped-call]
    assert all(output.grad is not None and output.grad.isfinite().all() for output in zeros)


def test_every_channel_of_a_pose_learns() -> None:
    channels = Channels(KEYPOINTS, confidence=True)
    outputs, assignments = make_batch(3, 12, channels)
    outputs = [output.requires_grad_() for output in outputs]
    losses_of(outputs, assignments, channels).total.backward()  # type: ignore[no-untyped-call]
    moved = sum((output.grad != 0).sum((0, 1, 2, 3)) for output in outputs if output.grad is not None)
    assert isinstance(moved, Tensor)
    assert (moved > 0).all()


def test_half_precision_outputs_are_compared_in_full_precision() -> None:
    channels = Channels(KEYPOINTS)
    outputs, assignments = make_batch(4, 12, channels)
    halves = [output.to(torch.bfloat16) for output in outputs]
    found = losses_of(halves, assignments, channels)
    assert found.total.dtype == torch.float32
    expected = losses_of([half.float() for half in halves], assignments, channels)
    assert float(found.total) == pytest.approx(float(expected.total), rel=1e-6)


def test_equal_boxes_overlap_completely() -> None:
    boxes = torch.tensor([[0.3, 0.7, 1e-3, 50.0], [0.5, 0.5, 80.0, 80.0]])
    assert complete_iou(boxes, boxes).tolist() == pytest.approx([1.0, 1.0], abs=1e-4)


def test_the_weight_of_the_shape_takes_no_gradient() -> None:
    """Numerically, with the weight held at its value."""
    predicted = torch.tensor([[0.2, 0.4, 1.5, 3.0]], dtype=torch.float64, requires_grad=True)
    truth = torch.tensor([[0.4, 0.3, 2.5, 2.0]], dtype=torch.float64)
    complete_iou(predicted, truth).sum().backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None

    def shape(box: Sequence[float]) -> float:
        return 4 / math.pi**2 * (math.atan(2.5 / 2.0) - math.atan(box[2] / box[3])) ** 2

    def fixed_weight(box: Sequence[float]) -> float:
        rest = literal_ciou(box, truth[0].tolist())
        return rest + weight(box) * shape(box) - weight(predicted[0].tolist()) * shape(box)

    def weight(box: Sequence[float]) -> float:
        left, right = max(box[0] - box[2] / 2, -0.85), min(box[0] + box[2] / 2, 1.65)
        top, bottom = max(box[1] - box[3] / 2, -0.7), min(box[1] + box[3] / 2, 1.3)
        shared = (right - left) * (bottom - top)
        iou = shared / (box[2] * box[3] + 5.0 - shared)
        return shape(box) / (shape(box) - iou + 1)

    for index in range(4):
        ends = [predicted[0].tolist(), predicted[0].tolist()]
        ends[0][index] -= 1e-6
        ends[1][index] += 1e-6
        slope = (fixed_weight(ends[1]) - fixed_weight(ends[0])) / 2e-6
        assert float(predicted.grad[0, index]) == pytest.approx(slope, abs=1e-6)
