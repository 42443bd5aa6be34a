"""The head as its users see it: levels, boxes, losses, decoding, mirrored views, teachers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch
from head_zoom.head import ZoomHead
from head_zoom.maps import MapsInBoxes
from head_zoom.module import ZoomModule
from head_zoom.parts import parts_of
from head_zoom.targets import encode
from numpy.typing import NDArray
from posenas import (
    COCO_17,
    COCO_WHOLEBODY_133,
    Averaging,
    Batch,
    Conditional,
    Distillable,
    Evolvable,
    Exportable,
    FlipTest,
    Level,
    Person,
    PosenasError,
    Sample,
    SearchableHead,
)
from posenas.heatmaps import cross_entropy_to_teacher, mean_squared_difference
from posenas.layers import ResizedMaps
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor

LEVELS = [Level("stem", 4, 8), Level("middle", 8, 24), Level("last", 16, 32), Level("top", 4, 12)]
LOSSES = pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
ENCODINGS = pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])


def make_module(**options: object) -> ZoomModule:
    head = ZoomHead(**{"input_size": (128, 96), "sizes": (16,), **options})  # type: ignore[arg-type]
    torch.manual_seed(0)
    return head.build(head.select(LEVELS), COCO_WHOLEBODY_133)


def random_features(people: int = 2, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        level.name: torch.randn(
            people, level.channels, 128 // level.stride, 96 // level.stride, generator=generator
        )
        for level in LEVELS
    }


def person(*, known: float = 1.0, people: int = 2) -> Batch:
    """People whose face lies about (48, 20) and whose hands lie left and right, with exact boxes."""
    generator = torch.Generator().manual_seed(3)
    keypoints = 10 + 70 * torch.rand(people, 133, 2, generator=generator)
    boxes = []
    for left, top, side, row in zip(
        (30, 8, 70), (10, 60, 62), (30, 20, 18), COCO_WHOLEBODY_133.regions.values(), strict=True
    ):
        start = torch.tensor([float(left), float(top)])
        keypoints[:, list(row)] = start + side * (
            0.2 + 0.6 * torch.rand(people, len(row), 2, generator=generator)
        )
        steps = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
        boxes.append(start + side * steps)
    regions = torch.stack(boxes).expand(people, 3, 5, 2).contiguous()
    return Batch(
        torch.zeros(people, 3, 128, 96),
        keypoints,
        torch.full((people, 133), known),
        regions=regions,
        regions_known=torch.full((people, 3), known),
    )


def mirrored(batch: Batch) -> Batch:
    """The batch of the mirrored views, point by point from the keypoint set."""
    assert batch.regions is not None
    keypoints = batch.keypoints[:, list(COCO_WHOLEBODY_133.mirrored)].clone()
    keypoints[..., 0] = 95 - keypoints[..., 0]
    regions = batch.regions[:, list(COCO_WHOLEBODY_133.mirrored_regions)][:, :, [1, 0, 3, 2, 4]].clone()
    regions[..., 0] = 95 - regions[..., 0]
    return replace(batch, keypoints=keypoints, regions=regions)


def perfect(
    module: ZoomModule, batch: Batch, *, boxes: Mapping[str, Tensor] | None = None
) -> dict[str, MapsInBoxes]:
    """Outputs that show the batch's points as well as maps can, in true boxes or in given ones."""
    targets = module.targets(batch)
    size = {"body": (32, 24), "face": (16, 16), "hand": (16, 16)}
    outputs = {}
    for name, part in module.parts.items():
        if name == "body":
            box = module(random_features(len(batch.images)))["body"].boxes
        else:
            box = targets.boxes[:, list(part.regions)] if boxes is None else boxes[name]
        empty = MapsInBoxes(torch.zeros(*box.shape[:2], len(part.points[0]), *size[name]), box)
        sigma = module._sigma_of(name, empty)
        maps = encode(targets, part, empty, coding=module.coding, sigma=sigma).maps().view(empty.maps.shape)
        if module.coding.distributions:
            maps = maps.clamp(min=1e-12).log()
        outputs[name] = MapsInBoxes(maps, box)
    return outputs


def test_it_has_its_capabilities() -> None:
    head = ZoomHead()
    assert isinstance(head, SearchableHead)
    assert isinstance(head, Conditional)
    assert isinstance(head, Evolvable)
    module = make_module()
    assert isinstance(module, Averaging)
    assert isinstance(module, FlipTest)
    assert isinstance(module, Distillable)


def test_other_keypoints_are_refused_in_words() -> None:
    head = ZoomHead()
    with pytest.raises(PosenasError, match=r"have none; .*dataset.points=133"):
        head.build(head.select(LEVELS), COCO_17)


def test_a_stage_that_is_not_there_is_refused_with_what_is() -> None:
    with pytest.raises(
        PosenasError, match="stage 2 is no level at 1/4 of the backbone, which has 0 stem, 1 top"
    ):
        ZoomHead(stages=(0, 2)).select(LEVELS)


@pytest.mark.parametrize(
    ("stages", "names"),
    [((0, 0), ["stem", "top"]), ((0, 1), ["stem", "top"]), ((1, 0), ["stem", "top"]), ((1, 1), ["top"])],
)
def test_face_and_hand_read_the_stages_of_a_genotype(stages: tuple[int, int], names: list[str]) -> None:
    head = ZoomHead()
    genotype = {**head.largest(), "face.stage": stages[0], "hand.stage": stages[1]}
    chosen = head.chosen(genotype)
    selected = chosen.select(LEVELS)
    assert [level.name for level in selected] == names
    module = chosen.build(selected, COCO_WHOLEBODY_133)
    quarters = ["stem", "top"]
    assert module.levels["face"].name == quarters[stages[0]]
    assert module.levels["hand"].name == quarters[stages[1]]
    assert module.level.name == "top"
    module.eval()({level.name: random_features()[level.name] for level in selected})


def test_the_body_has_38_maps_and_regions_share_networks() -> None:
    outputs = make_module()(random_features())
    assert {name: tuple(each.maps.shape) for name, each in outputs.items()} == {
        "body": (2, 1, 38, 32, 24),
        "face": (2, 1, 68, 16, 16),
        "hand": (2, 2, 21, 16, 16),
    }


def test_training_sees_true_boxes_where_its_own_are_poor_and_evaluation_never_does() -> None:
    module = make_module(expansions=(1.0,))
    batch = person()
    targets = module.targets(batch)
    features = random_features()
    taught = module(features, targets)
    torch.testing.assert_close(taught["face"].boxes, targets.boxes[:, :1])  # fresh maps find nothing
    torch.testing.assert_close(taught["hand"].boxes, targets.boxes[:, 1:])
    alone = module(features)
    assert (alone["face"].boxes - targets.boxes[:, :1]).abs().max() > 1
    module.eval()
    torch.testing.assert_close(module(features, targets)["face"].boxes, alone["face"].boxes)
    module.train()
    unknown = module(features, module.targets(person(known=0.0)))
    torch.testing.assert_close(unknown["hand"].boxes, alone["hand"].boxes)


def test_found_boxes_are_those_that_the_bodys_maps_show() -> None:
    module = make_module(expansions=(1.0,))
    batch = person()
    body = perfect(module, batch)["body"]
    found = module._found_boxes(body)
    assert (found - module.targets(batch).boxes).abs().max() < 1.0


def test_no_gradient_flows_through_boxes_and_every_parameter_has_one() -> None:
    module = make_module()
    features = {name: value.requires_grad_() for name, value in random_features().items()}
    outputs = module(features)
    assert not outputs["face"].boxes.requires_grad
    module.loss(module(features, module.targets(person())), module.targets(person())).backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    outputs = module(features)
    (gradient,) = torch.autograd.grad(outputs["face"].maps.sum(), module.body.weight, allow_unused=True)
    assert gradient is None


@LOSSES
@ENCODINGS
def test_the_bodys_loss_is_the_heatmap_heads(loss: str, encoding: str) -> None:
    """The same maps of the 23 keypoints, and of nothing else, have the loss that they have there."""
    module = make_module(loss=loss, encoding=encoding)
    other = HeatmapHead(loss=loss, encoding=encoding).build(LEVELS[-1:], COCO_17)  # type: ignore[arg-type]
    batch = person()
    batch.keypoints[0, :3] = torch.tensor([[-3.0, 5.0], [95.4, 127.3], [30.0, 129.0]])
    maps = torch.randn(2, 17, 32, 24)
    body = list(range(17))
    expected = other.loss(
        maps, other.targets(Batch(batch.images, batch.keypoints[:, body], batch.labelled[:, body]))
    )
    targets = module.targets(batch)
    only = replace(targets, counted=targets.counted.clone())
    only.counted[:, 17:] = 0
    all_maps = torch.zeros(2, 1, 38, 32, 24)
    all_maps[:, 0, :17] = maps
    outputs = {
        **module(random_features()),
        "body": MapsInBoxes(all_maps, module(random_features())["body"].boxes),
    }
    means, _ = module.loss_means(outputs, only)
    torch.testing.assert_close(means[0] * (38 / 17 if loss == "mse" else 1), expected)


@LOSSES
def test_the_loss_is_finite_whoever_is_labelled(loss: str) -> None:
    module = make_module(loss=loss)
    batch = person()
    assert batch.regions is not None
    assert batch.regions_known is not None
    nobody = person(known=0.0)
    faceless = replace(batch, labelled=batch.labelled.clone(), regions_known=batch.regions_known.clone())
    faceless.labelled[:, list(COCO_WHOLEBODY_133.regions["face"])] = 0
    faceless.regions_known[:, 0] = 0  # type: ignore[index]
    flat = replace(batch, regions=batch.regions[:, :, 4:].expand(-1, -1, 5, -1))
    for each in (nobody, faceless, flat):
        targets = module.targets(each)
        outputs = module(random_features(), targets)
        means, counts = module.loss_means(outputs, targets)
        assert torch.isfinite(means).all()
        assert torch.isfinite(counts).all()
        module.zero_grad()
        module.loss(outputs, targets).backward()
        assert all(
            torch.isfinite(parameter.grad).all()
            for parameter in module.parameters()
            if parameter.grad is not None
        )
    means, _ = module.loss_means(module(random_features()), module.targets(faceless))
    assert means[1] == 0
    assert means[0] > 0


def test_keypoints_outside_their_box_do_not_count_in_distributions() -> None:
    module = make_module()
    batch = person()
    targets = module.targets(batch)
    features = random_features()
    outputs = module(features, targets)
    _, counts = module.loss_means(outputs, targets)
    shifted = replace(batch, keypoints=batch.keypoints.clone())
    shifted.keypoints[0, 23:33] = torch.tensor([5.0, 100.0])  # in the view, far from the face
    _, fewer = module.loss_means(outputs, module.targets(shifted))
    assert (counts - fewer).tolist() == [0, 10, 0]


@LOSSES
def test_the_loss_of_a_split_does_not_depend_on_its_batches(loss: str) -> None:
    module = make_module(loss=loss).eval()
    batch = person(people=4)
    batch.labelled[0] = 0
    features = random_features(4)
    means, counts = module.loss_means(module(features), module.targets(batch))
    parts = []
    for rows in (slice(0, 1), slice(1, 4)):
        each = Batch(
            batch.images[rows],
            batch.keypoints[rows],
            batch.labelled[rows],
            regions=batch.regions[rows],
            regions_known=batch.regions_known[rows],  # type: ignore[index]
        )
        outputs = module({name: value[rows] for name, value in features.items()})
        parts.append(module.loss_means(outputs, module.targets(each)))
    joined = sum(mean * count for mean, count in parts) / sum(count for _, count in parts)
    torch.testing.assert_close(joined, means)
    torch.testing.assert_close(module.loss(module(features), module.targets(batch)), means.sum())
    assert counts.shape == (3,)


@LOSSES
@ENCODINGS
def test_perfect_maps_are_decoded_to_their_points(loss: str, encoding: str) -> None:
    module = make_module(loss=loss, encoding=encoding)
    batch = person()
    poses = module.decode(perfect(module, batch), batch)
    errors = (poses.keypoints - batch.keypoints).abs().amax((0, 2))
    inside = {name: list(row) for name, row in COCO_WHOLEBODY_133.regions.items()}
    tolerance = {"gaussian": 0.5, "udp": 0.25, "dark": 0.25}[encoding]
    for name, side in (("face", 30), ("left_hand", 20), ("right_hand", 18)):
        assert errors[inside[name]].max() <= tolerance * side / 16 + 1e-3
    assert errors[:23].max() <= 4 * tolerance + 1e-3
    assert (poses.keypoint_scores > 0.6).all()


@LOSSES
@ENCODINGS
def test_mirrored_views_say_the_same(loss: str, encoding: str) -> None:
    module = make_module(loss=loss, encoding=encoding)
    batch = person()
    image = mirrored(batch)
    averaged = module.average_mirrored(perfect(module, batch), perfect(module, image))
    poses = module.decode(averaged, batch)
    alone = module.decode(perfect(module, batch), batch)
    limit = {"gaussian": 2.1, "udp": 1e-2, "dark": 0.5}[encoding]
    assert (poses.keypoints - alone.keypoints).abs().max() <= limit


def test_a_teacher_in_the_same_boxes_teaches_as_in_the_heatmap_head() -> None:
    for loss, compare in (
        ("cross-entropy", cross_entropy_to_teacher),
        ("mse", mean_squared_difference),
    ):
        module = make_module(loss=loss)
        outputs, teacher = (
            {
                name: MapsInBoxes(torch.randn_like(each.maps), each.boxes)
                for name, each in module(random_features()).items()
            }
            for _ in range(2)
        )
        expected = sum(
            compare(outputs[name].maps.flatten(0, 1), teacher[name].maps.flatten(0, 1)) for name in outputs
        )
        found = module.distillation_loss(outputs, teacher)
        torch.testing.assert_close(found, torch.as_tensor(expected), rtol=1e-4, atol=1e-4)


@LOSSES
def test_a_teacher_teaches_in_the_boxes_and_resolution_of_the_learner(loss: str) -> None:
    """Its perfect maps in other boxes teach what the truth does, and no gradient flows into it."""
    module = make_module(loss=loss)
    batch = person()
    boxes = module.targets(batch).boxes
    shift = torch.tensor([-3.0, 2.0, 4.0, 3.0])
    teacher = perfect(module, batch, boxes={"face": boxes[:, :1] + shift, "hand": boxes[:, 1:] + shift})
    teacher = {name: MapsInBoxes(each.maps.requires_grad_(), each.boxes) for name, each in teacher.items()}
    learner = {
        name: MapsInBoxes(torch.zeros_like(each.maps).requires_grad_(), each.boxes)
        for name, each in perfect(module, batch).items()
    }
    maps = {name: each.maps for name, each in learner.items()}
    for _ in range(60 if module.coding.distributions else 1):
        loss_now = module.distillation_loss(
            {name: MapsInBoxes(maps[name], each.boxes) for name, each in learner.items()}, teacher
        )
        gradients = torch.autograd.grad(loss_now, list(maps.values()))
        with torch.no_grad():
            for each, gradient in zip(maps.values(), gradients, strict=True):
                if module.coding.distributions:
                    each -= gradient / gradient.abs().amax((3, 4), keepdim=True).clamp(min=1e-12)
                else:
                    each -= gradient * each.numel() / 2  # the way to the least squared difference
    poses = module.decode(
        {name: MapsInBoxes(maps[name].detach(), each.boxes) for name, each in learner.items()}, batch
    )
    errors = (poses.keypoints - batch.keypoints).abs().amax(2)
    assert (errors < 4).float().mean() > 0.95
    assert all(each.maps.grad is None for each in teacher.values())


def test_genotypes_of_the_head() -> None:
    head = ZoomHead()
    assert set(head.dimensions()) >= {
        f"{part}.{name}" for part in ("face", "hand") for name in ("stage", "expansion", "size")
    }
    assert [head.largest()[f"face.{name}"] for name in ("stage", "expansion", "size")] == [0, 1.5, 32]
    assert [head.smallest()[f"face.{name}"] for name in ("stage", "expansion", "size")] == [1, 1.5, 16]
    rng = Random(0)
    genotype = head.ancestor()
    for _ in range(20):
        changed = head.mutate(genotype, rng)
        assert sum(changed[name] != genotype[name] for name in genotype) == 1
        genotype = changed
        head.chosen(genotype).select(LEVELS)
    assert ZoomHead(searched=False).dimensions() == {}
    fixed = ZoomHead(searched=False, stages=(0,), expansions=(1.5,), sizes=(24,))
    module = fixed.build(fixed.select(LEVELS), COCO_WHOLEBODY_133)
    assert module.sizes == {"face": 24, "hand": 24}
    assert module.expansions == {"face": 1.5, "hand": 1.5}


@pytest.mark.parametrize("option", ["stages", "expansions", "sizes"])
def test_options_that_do_not_increase_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} .* do not increase"):
        ZoomHead(**{option: (16, 8)})  # type: ignore[arg-type]


def test_parts_share_no_keypoint_and_miss_none() -> None:
    points = [point for part in parts_of(COCO_WHOLEBODY_133) for row in part.points for point in row]
    assert sorted(points) == list(range(133 + 15))


def test_under_autocast_maps_are_in_float32_and_their_loss_is_about_the_same() -> None:
    module = make_module()
    targets = module.targets(person())
    exact = module.loss(module(random_features(), targets), targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = module(random_features(), targets)
    assert {each.maps.dtype for each in outputs.values()} == {torch.float32}
    assert {each.boxes.dtype for each in outputs.values()} == {torch.float32}
    torch.testing.assert_close(module.loss(outputs, targets), exact, rtol=1e-2, atol=0)


class NoPixels:
    """An image that is never read."""

    def read(self) -> NDArray[np.uint8]:
        raise AssertionError


def test_regions_without_any_box_are_told_before_the_training() -> None:
    keypoints = np.zeros((133, 3))
    unlabelled = Person((0, 0, 50, 90), keypoints, 4500.0)
    labelled = keypoints.copy()
    labelled[list(COCO_WHOLEBODY_133.regions["face"])] = 2
    boxes = {"left_hand": (1.0, 2.0, 3.0, 4.0)}
    one = Sample(1, NoPixels(), 60, 100, (unlabelled, replace(unlabelled, keypoints=labelled)))
    other = Sample(2, NoPixels(), 60, 100, (replace(unlabelled, regions=boxes),))
    (warning,) = ZoomHead().foresee([one, other], COCO_WHOLEBODY_133)
    assert warning.startswith("none of 3 people has a box of right_hand, ")
    both = replace(unlabelled, regions={**boxes, "right_hand": (1.0, 2.0, 3.0, 4.0)})
    assert not ZoomHead().foresee([one, replace(other, people=(both,))], COCO_WHOLEBODY_133)
    assert not ZoomHead().foresee([], COCO_WHOLEBODY_133)


def smaller_features() -> ResizedMaps:
    """The maps of a network that looked at a copy of half the size."""
    own = {name: value[..., ::2, ::2] for name, value in random_features().items()}
    sizes = {level.name: (128 // level.stride, 96 // level.stride) for level in LEVELS}
    return ResizedMaps(own, sizes)


@ENCODINGS
def test_a_network_with_a_smaller_input_has_smaller_maps_of_the_same_places(encoding: str) -> None:
    module = make_module(encoding=encoding)
    batch = person()
    targets = module.targets(batch)
    outputs = module(smaller_features(), targets)
    assert outputs["body"].size == (16, 12)
    assert outputs["face"].size == (16, 16)
    loss = module.loss(outputs, targets)
    assert torch.isfinite(loss)
    part = module.parts["body"]
    sigma = module._sigma_of("body", outputs["body"])
    assert sigma == 0.5
    maps = encode(targets, part, outputs["body"], coding=module.coding, sigma=sigma).maps().unsqueeze(1)
    body = MapsInBoxes(maps.clamp(min=1e-12).log(), outputs["body"].boxes)
    found = module.decode({**perfect(module, batch), "body": body}, batch).keypoints[:, :23]
    limit = (
        2.5 if encoding == "udp" else 4.0
    )  # half a pixel of the maps, near whose border nothing is refined
    assert (found - batch.keypoints[:, :23]).abs().max() <= limit


@LOSSES
def test_a_teacher_with_a_larger_input_teaches_smaller_maps(loss: str) -> None:
    module = make_module(loss=loss)
    teacher, learner = module(random_features()), module(smaller_features())
    taught = module.distillation_loss(learner, teacher)
    assert torch.isfinite(taught)
    taught.backward()
    assert module.body.weight.grad is not None
    assert module.body.weight.grad.abs().sum() > 0


@LOSSES
@ENCODINGS
def test_the_exported_module_gives_the_decoded_poses_and_the_maps(loss: str, encoding: str) -> None:
    module = make_module(loss=loss, encoding=encoding).eval()
    assert isinstance(module, Exportable)
    with torch.no_grad():
        found = module.exported()(random_features())
        outputs = module(random_features())
        poses = module.decode(outputs, person())
    assert torch.equal(found["keypoints"], poses.keypoints)
    assert torch.equal(found["scores"], poses.keypoint_scores)
    assert torch.equal(found["maps_hand"], outputs["hand"].maps)
    assert torch.equal(found["boxes_hand"], outputs["hand"].boxes)


@pytest.mark.parametrize("smaller", [False, True])
def test_the_exported_module_is_tensor_operators_alone(smaller: bool) -> None:
    features = dict(smaller_features().own) if smaller else random_features()
    module = make_module().eval().exported()
    program = torch.export.export(
        module, (features,), dynamic_shapes=({name: {0: torch.export.Dim("n")} for name in features},)
    )
    with torch.no_grad():
        traced, found = program.module()(features), module(features)
    assert torch.allclose(traced["keypoints"], found["keypoints"], atol=1e-3)
