"""The vector head: levels and groups, scores, sums of parts, losses, decoding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from nas_cnf.groups import body_groups, random_groups
from nas_cnf.vector import VectorHead, VectorModule, squashed_length
from posenas import (
    KEYPOINT_SETS,
    Batch,
    Distillable,
    FlipTest,
    Head,
    KeypointSet,
    Level,
    PosenasError,
    View,
    option_values,
)
from posenas.composing.options import describe_options, make_component
from posenas.heatmaps import Encoding
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor

COCO, MPII = KEYPOINT_SETS["coco-17"], KEYPOINT_SETS["mpii-16"]
LEVELS = [Level("stem", 4, 8), Level("last", 32, 32), Level("out", 4, 12)]
ENCODINGS = pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])
SIZE = (32, 24)


def part_levels(parts: int, channels: int = 40, stride: int = 4) -> list[Level]:
    return [Level("stem", 4, 8), *(Level(f"part{number + 1}", stride, channels) for number in range(parts))]


def make_module(
    parts: int = 0, keypoints: KeypointSet = COCO, channels: int = 40, **options: Any
) -> VectorModule:
    head = VectorHead(**{"sigma": 2.0, **options})
    torch.manual_seed(0)
    levels = part_levels(parts, channels) if parts else [Level("out", 4, channels)]
    return head.build(head.select(levels), keypoints)


def make_features(module: VectorModule, channels: int = 40) -> Mapping[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {name: torch.randn(2, channels, *SIZE, generator=generator) for name in module.levels}


def make_batch(keypoints: KeypointSet = COCO) -> Batch:
    generator = torch.Generator().manual_seed(1)
    points = 20 + torch.rand(2, len(keypoints), 2, generator=generator) * torch.tensor([55.0, 87.0])
    return Batch(torch.zeros(2, 3, 128, 96), points, torch.ones(2, len(keypoints)))


def refusal(head: VectorHead, levels: Sequence[Level], keypoints: KeypointSet = COCO) -> str:
    with pytest.raises(PosenasError) as caught:
        head.build(head.select(levels), keypoints)
    (line,) = str(caught.value).splitlines()
    return line


class TestLevels:
    def test_without_parts_it_reads_the_deepest_level_at_a_quarter(self) -> None:
        head = VectorHead()
        assert isinstance(head, Head)
        assert head.view() == View("person", 128, 96)
        assert head.select(LEVELS) == [LEVELS[2]]
        (group,) = head.build(head.select(LEVELS), COCO).groups
        assert group.keypoints == tuple(range(17))

    @pytest.mark.parametrize("parts", [1, 3, 5, 8])
    def test_reads_one_level_for_each_of_the_bodys_groups(self, parts: int) -> None:
        levels = part_levels(parts)
        head = VectorHead()
        assert head.select(levels) == levels[1:]
        assert head.select(levels[::-1]) == levels[1:]
        module = head.build(head.select(levels), COCO)
        assert module.groups == body_groups(COCO, parts)
        assert module(make_features(module)).shape == (2, 17, *SIZE)

    def test_parts_end_at_the_first_gap(self) -> None:
        levels = [*part_levels(3), Level("part5", 4, 8)]
        assert VectorHead().select(levels) == levels[1:4]
        assert VectorHead().select([Level("part2", 4, 8)]) == [Level("part2", 4, 8)]

    def test_random_groups_by_their_seed(self) -> None:
        for seed in (0, 1):
            module = make_module(3, groups="random", groups_seed=seed)
            assert module.groups == random_groups(COCO, 3, Random(seed))

    def test_own_groups(self) -> None:
        groups = (COCO.names[:9], COCO.names[7:])
        module = make_module(2, groups=groups)
        assert [group.keypoints for group in module.groups] == [tuple(range(9)), tuple(range(7, 17))]
        assert module(make_features(module)).shape == (2, 17, *SIZE)

    def test_refuses_levels_without_a_quarter(self) -> None:
        assert "no level at 1/4" in refusal(VectorHead(), [Level("last", 32, 8)])
        assert "no level at 1/4" in refusal(VectorHead(), part_levels(3, stride=8))

    def test_refuses_parts_that_differ_in_stride(self) -> None:
        levels = [*part_levels(2), Level("part3", 2, 8)]
        assert refusal(VectorHead(), levels) == (
            "vector head: the backbone's part levels differ in stride; they must be alike"
        )

    def test_refuses_a_view_that_does_not_divide(self) -> None:
        line = refusal(VectorHead(input_size=(130, 96)), LEVELS)
        assert line.startswith("vector head: input_size [130, 96] is not a multiple of 32")

    def test_refuses_more_groups_than_parts(self) -> None:
        head = VectorHead(groups=(COCO.names[:9], COCO.names[9:]))
        assert refusal(head, part_levels(3)) == (
            "vector head: 2 part groups, and the backbone has 3 levels named part1, part2, ...; "
            "give one group for each part, or head.groups=auto"
        )
        assert refusal(head, LEVELS) == (
            "vector head: 2 part groups, and the backbone has no levels named part1, part2, ...; "
            "give one group for each part, or head.groups=auto"
        )
        assert "0 part groups" in refusal(VectorHead(groups=()), LEVELS)

    def test_refuses_random_groups_of_one_part(self) -> None:
        assert refusal(VectorHead(groups="random"), LEVELS) == (
            "vector head: random groups need several parts, and the backbone has no levels named "
            "part1, part2, ...; use a space with part levels, or head.groups=auto"
        )

    def test_refuses_groups_that_are_none(self) -> None:
        assert "groups for 1, 3, 5, 8 parts, not 4" in refusal(VectorHead(), part_levels(4))
        groups = (("nose",), ("nse",))
        assert "did you mean 'nose'?" in refusal(VectorHead(groups=groups), part_levels(2))


class TestOptions:
    def make(self, **values: Any) -> VectorHead:
        head: VectorHead = make_component(VectorHead, values, where="head vector")
        return head

    @pytest.mark.parametrize(
        "groups", ["auto", "random", [["nose", "left_eye"], ["nose"]], [["nose"]], [["nose", "left_eye"]]]
    )
    def test_groups_are_a_word_or_lists_of_names(self, groups: Any) -> None:
        head = self.make(groups=groups)
        assert option_values(head)["groups"] == groups
        assert self.make(**option_values(head)) == head
        hash(head)

    @pytest.mark.parametrize("groups", ["atuo", 3, [["nose", 1]], {"a": ["nose"]}, [[["nose"]]]])
    def test_refuses_other_groups(self, groups: Any) -> None:
        with pytest.raises(PosenasError, match=r"option 'groups' of head vector: .*one of auto, random or"):
            self.make(groups=groups)

    def test_every_option_says_what_it_does(self) -> None:
        options = {option.name: option for option in describe_options(VectorHead)}
        assert all(option.help for option in options.values())
        plain = {option.name: option for option in describe_options(HeatmapHead)}
        for name in ("input_size", "encoding", "sigma"):
            assert options[name].default == plain[name].default
            assert options[name].expected() == plain[name].expected()


class TestScores:
    @pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-3, 1.0, 100.0, 1e4, 1e30])
    def test_lie_in_0_to_below_1(self, scale: float) -> None:
        vectors = scale * torch.randn(2000, 8, generator=torch.Generator().manual_seed(0))
        vectors[0] = scale
        scores = squashed_length(vectors, dim=1)
        assert scores.min() >= 0
        assert scores.max() < 1
        assert torch.isfinite(scores).all()

    def test_are_those_of_the_paper(self) -> None:
        vectors = torch.randn(500, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        for vector, score in zip(vectors, squashed_length(vectors, dim=1), strict=True):
            length = math.sqrt(sum(float(entry) ** 2 for entry in vector))
            squashed = vector * length / (1 + length**2)  # Eq. 4
            assert float(score) == pytest.approx(float(squashed.norm()), rel=1e-12)

    @pytest.mark.parametrize("scale", [0.0, 1e-25, 1.0, 4095.0, 1e4, 1e30])
    def test_have_finite_gradients(self, scale: float) -> None:
        vectors = torch.full((3, 8), scale, requires_grad=True)
        squashed_length(vectors, dim=1).sum().backward()  # type: ignore[no-untyped-call]
        assert vectors.grad is not None
        assert torch.isfinite(vectors.grad).all()

    def test_have_the_gradient_of_a_finite_difference(self) -> None:
        vectors = torch.randn(5, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        vectors[0] = 0
        assert torch.autograd.gradcheck(
            lambda values: squashed_length(values, dim=1), vectors.requires_grad_()
        )

    def test_of_a_module_without_weights_are_0_with_a_finite_gradient(self) -> None:
        module, batch = make_module(3), make_batch()
        for parameter in module.parameters():
            torch.nn.init.zeros_(parameter)
        outputs = module(make_features(module))
        assert outputs.abs().max() == 0
        module.loss(outputs, module.targets(batch)).backward()  # type: ignore[no-untyped-call]
        for parameter in module.parameters():
            assert parameter.grad is not None
            assert torch.isfinite(parameter.grad).all()

    def test_under_autocast_are_float32(self) -> None:
        module = make_module(3)
        features = make_features(module)
        expected = module(features)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = module(features)
        assert outputs.dtype == torch.float32
        assert torch.equal(outputs, expected)


class TestParts:
    @pytest.mark.parametrize("parts", [0, 1, 3, 5, 8])
    @pytest.mark.parametrize("dimension", [1, 8])
    def test_parameters_are_4c_jd_and_jd_a_part(self, parts: int, dimension: int) -> None:
        module = make_module(parts, channels=40, dimension=dimension)  # C = 10
        expected = [(40 + 1) * len(group.keypoints) * dimension for group in module.groups]
        counted = [sum(each.numel() for each in part.parameters()) for part in module.convolutions]
        assert counted == expected
        assert sum(expected) == sum(each.numel() for each in module.parameters())
        assert {name.rpartition(".")[2] for name in module.state_dict()} == {"weight", "bias"}

    @pytest.mark.parametrize(("parts", "keypoints"), [(0, COCO), (3, COCO), (8, COCO), (8, MPII)])
    def test_outputs_are_those_of_a_loop(self, parts: int, keypoints: KeypointSet) -> None:
        """One pixel and one keypoint at a time, as the equations say."""
        dimension = 3
        module = make_module(parts, keypoints, channels=6, dimension=dimension)
        features = make_features(module, channels=6)
        outputs = module(features).detach()
        for person, row, column in ((0, 0, 0), (1, 5, 20), (1, 31, 23)):
            expected = dict.fromkeys(range(len(keypoints)), 0.0)
            for name, group, part in zip(module.levels, module.groups, module.convolutions, strict=True):
                pixel = [max(0.0, float(value)) for value in features[name][person, :, row, column]]
                weight, bias = part.weight.flatten(1).tolist(), part.bias.tolist()  # type: ignore[operator, union-attr]
                for place, keypoint in enumerate(group.keypoints):
                    square = 0.0
                    for entry in range(place * dimension, (place + 1) * dimension):
                        value = bias[entry] + sum(a * b for a, b in zip(weight[entry], pixel, strict=True))
                        square += value**2
                    expected[keypoint] += square / (1 + square)
            got = outputs[person, :, row, column].tolist()
            assert got == pytest.approx(list(expected.values()), abs=1e-5)

    def test_shared_keypoints_are_sums(self) -> None:
        module = make_module(8)
        features = make_features(module)
        outputs = module(features).detach()
        elbow = COCO.names.index("left_elbow")
        nothing = {name: torch.zeros_like(level) for name, level in features.items()}
        alone = [  # left upper arm, left lower arm
            module({**nothing, name: features[name]})[:, elbow] for name in ("part2", "part3")
        ]
        expected = (alone[0] + alone[1] - module(nothing)[:, elbow]).detach()
        torch.testing.assert_close(outputs[:, elbow], expected)
        for part in module.convolutions:
            torch.nn.init.constant_(part.bias, 9.0)  # type: ignore[arg-type]
        largest = module(features).detach().amax((0, 2, 3))
        shared = [COCO.names.index(f"left_{joint}") for joint in ("shoulder", "elbow", "knee")]
        assert largest[shared].min() > 1 > largest[COCO.names.index("nose")]

    def test_a_dimension_of_1_is_the_plain_heat_map(self) -> None:
        module = make_module(dimension=1, channels=12)
        plain = HeatmapHead(sigma=2.0, loss="mse").build([Level("out", 4, 12)], COCO)
        plain.convolution.load_state_dict(module.convolutions[0].state_dict())
        features = make_features(module, channels=12)
        expected = plain({"out": features["out"].relu()})
        assert expected.min() < 0 < expected.max(), "lengths would all be above 0"
        torch.testing.assert_close(module(features), expected)
        batch = make_batch()
        per_pixel = plain.loss(expected, plain.targets(batch))
        peak = math.pi * 2.0**2 / (SIZE[0] * SIZE[1])
        torch.testing.assert_close(module.loss(expected, module.targets(batch)), per_pixel / peak)
        poses, plain_poses = module.decode(expected, make_batch()), plain.decode(expected, make_batch())
        assert torch.equal(poses.keypoints, plain_poses.keypoints)
        assert torch.equal(poses.keypoint_scores, plain_poses.keypoint_scores)

    @pytest.mark.parametrize("parts", [0, 8])
    def test_of_dimension_1_is_linear_in_the_convolutions(self, parts: int) -> None:
        module = make_module(parts, dimension=1)
        features = make_features(module)
        once = module(features).detach()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(-3.0)
        torch.testing.assert_close(module(features).detach(), -3.0 * once)


class TestLoss:
    def test_is_equation_6_of_the_keypoints_that_count(self) -> None:
        module, batch = make_module(), make_batch()
        batch.labelled[0, 3:9] = 0.0
        outputs = module(make_features(module)).detach()
        targets = module.targets(batch)
        sums = ((outputs - targets.maps()) ** 2).sum((2, 3))  # (N, K)
        sums[0, 3:9] = 0.0
        expected = sums.sum(1) / len(COCO)
        got = module.loss(outputs, targets) * math.pi * 2.0**2
        torch.testing.assert_close(got, expected.mean())

    @pytest.mark.parametrize(("stride", "sigma"), [(4, 1.0), (4, 2.0), (2, 1.0), (1, 0.5)])
    def test_of_an_empty_map_is_1_at_any_resolution(self, stride: int, sigma: float) -> None:
        module = VectorHead(sigma=sigma).build([Level("out", stride, 8)], COCO)
        targets = module.targets(make_batch())
        empty = torch.zeros(2, 17, 128 // stride, 96 // stride)
        assert float(module.loss(empty, targets)) == pytest.approx(1.0, rel=1e-3)
        assert float(module.loss(targets.maps(), targets)) == 0.0
        assert float(module.distillation_loss(empty, targets.maps())) == pytest.approx(1.0, rel=1e-3)

    @ENCODINGS
    @pytest.mark.parametrize("parts", [0, 8])
    def test_reaches_every_parameter(self, parts: int, encoding: Encoding) -> None:
        module = make_module(parts, encoding=encoding)
        value = module.loss(module(make_features(module)), module.targets(make_batch()))
        value.backward()  # type: ignore[no-untyped-call]
        assert value.shape == ()
        for parameter in module.parameters():
            assert parameter.grad is not None
            assert (parameter.grad.flatten(1) if parameter.ndim > 1 else parameter.grad).abs().max() > 0

    def test_distillation_reaches_the_student_only(self) -> None:
        module, teacher = make_module(3), make_module(3)
        torch.nn.init.normal_(teacher.convolutions[0].weight)  # type: ignore[arg-type]
        assert isinstance(module, Distillable)
        features = make_features(module)
        module.distillation_loss(module(features), teacher(features)).backward()  # type: ignore[no-untyped-call]
        assert all(parameter.grad is None for parameter in teacher.parameters())
        assert module.convolutions[0].weight.grad.abs().max() > 0  # type: ignore[union-attr]

    def test_of_nothing_labelled_is_0(self) -> None:
        module, batch = make_module(), make_batch()
        batch = replace(batch, labelled=torch.zeros_like(batch.labelled))
        assert float(module.loss(module(make_features(module)), module.targets(batch)).detach()) == 0.0

    @pytest.mark.parametrize("dimension", [1, 8])
    def test_begins_near_the_best_constant_map(self, dimension: int) -> None:
        module, batch = make_module(3, dimension=dimension), make_batch()
        targets = module.targets(batch)
        outputs = module(make_features(module)).detach()
        atol = 0.03 if dimension == 1 else 0.006  # of lengths the weights' noise is squared away
        torch.testing.assert_close(outputs, torch.full_like(outputs, 0.01), atol=atol, rtol=0)
        fresh = float(module.loss(outputs, targets))
        assert fresh < float(module.loss(torch.zeros_like(outputs), targets))

    @pytest.mark.parametrize("dimension", [1, 8])
    def test_falls_when_trained_from_fresh_weights(self, dimension: int) -> None:
        module, batch = make_module(3, dimension=dimension), make_batch()
        features, targets = make_features(module), module.targets(batch)
        maps = targets.maps()
        features = {name: torch.cat([maps, level[:, 17:]], dim=1) for name, level in features.items()}
        optimizer = torch.optim.Adam(module.parameters(), lr=3e-2)
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            loss = module.loss(module(features), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.3 < 0.9 < losses[0] < 1.0


def planted(batch: Batch, module: VectorModule, height: float) -> dict[str, Tensor]:
    """Levels from which a module with the identity for its weights makes scores that are Gaussians."""
    maps = height * module.targets(batch).maps()
    lengths = (maps / (1 - maps)).sqrt()
    features = {}
    for name, group, part in zip(module.levels, module.groups, module.convolutions, strict=True):
        places = len(group.keypoints)
        torch.nn.init.dirac_(part.weight)  # type: ignore[arg-type]
        torch.nn.init.zeros_(part.bias)  # type: ignore[arg-type]
        entries = lengths[:, list(group.keypoints)].unsqueeze(2) / math.sqrt(module.dimension)
        features[name] = entries.expand(-1, places, module.dimension, -1, -1).flatten(1, 2)
    return features


class TestDecoding:
    @pytest.mark.parametrize(("encoding", "allowed"), [("udp", 0.25), ("dark", 0.25), ("gaussian", 0.5)])
    @pytest.mark.parametrize("parts", [1, 5])
    @pytest.mark.parametrize("height", [0.2, 0.95])
    def test_recovers_planted_positions(
        self, encoding: Encoding, allowed: float, parts: int, height: float
    ) -> None:
        head = VectorHead(encoding=encoding, sigma=2.0)
        groups = body_groups(COCO, parts)
        levels = [
            Level(f"part{number + 1}", 4, 8 * len(group.keypoints)) for number, group in enumerate(groups)
        ]
        module, batch = head.build(head.select(levels), COCO), make_batch()
        outputs = module(planted(batch, module, height))
        poses = module.decode(outputs, make_batch())
        assert (poses.keypoints - batch.keypoints).abs().max() / 4 <= allowed + 1e-4
        assert poses.keypoint_scores.min() > 0.93 * height
        assert poses.keypoint_scores.max() <= height + 1e-4

    def test_scores_are_what_several_parts_add_up_to(self) -> None:
        module = make_module(8)
        scores = module.decode(1.9 * module.targets(make_batch()).maps(), make_batch()).keypoint_scores
        assert 1.8 < scores.max() <= 1.9

    def test_averaging_mirrored_outputs_of_udp_is_the_identity(self) -> None:
        module, batch = make_module(8), make_batch()
        assert isinstance(module, FlipTest)
        maps = module.targets(batch).maps()
        averaged = module.average_mirrored(maps, maps.flip(3)[:, list(COCO.mirrored)])
        torch.testing.assert_close(averaged, maps)

    def test_averaging_moves_other_mirrored_outputs_by_one_pixel(self) -> None:
        module, batch = make_module(encoding="dark"), make_batch()
        maps = module.targets(batch).maps()
        one_left = torch.cat([maps[..., 1:], maps[..., -1:]], dim=3)
        averaged = module.average_mirrored(maps, one_left.flip(3)[:, list(COCO.mirrored)])
        torch.testing.assert_close(averaged[..., 1:], maps[..., 1:])
