"""The option `input_scales`: input resolution as a dimension of every backbone."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
import torch
from nas_ofa_elastic.input_scale import ScaledInput
from nas_ofa_elastic.space import ElasticSpace
from posenas import COCO_17, Level, PosenasError, check_genotype, option_values
from posenas.composing.options import make_component
from posenas.layers import own_maps
from posenas.networks.counting import measure
from posenas.networks.sharing import SharedWeights, sub_slices
from posenas.standard.heads.heatmap import HeatmapHead
from posenas.training import PoseNetwork, SharedPoseNetwork
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

SCALES = (0.5, 0.75, 1.0)
BACKBONES = ["tiny", "resnet50", "mobilenetv3", "hrnet-w32"]


def space(backbone: str = "tiny", scales: Sequence[float] = SCALES) -> ElasticSpace:
    return make_component(ElasticSpace, {"backbone": backbone, "input_scales": scales}, where="space ofa")


class Pool(nn.Module):
    """A backbone of no weights: the means of 4x4 and 16x16 pixels."""

    levels = (Level("fine", 4, 3), Level("coarse", 16, 3))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.seen = images.shape[-2:]
        return {level.name: avg_pool2d(images, level.stride) for level in self.levels}


def test_there_is_no_such_dimension_by_default() -> None:
    assert "input.scale" not in ElasticSpace().dimensions()
    assert space(scales=[1.0]) == ElasticSpace()
    assert not isinstance(ElasticSpace().build(ElasticSpace().smallest()), ScaledInput)


def test_with_several_scales_or_a_smaller_one_it_is_a_dimension_from_cheap_to_dear() -> None:
    assert space().dimensions()["input.scale"].values == SCALES
    assert space(scales=[0.5]).dimensions()["input.scale"].values == (0.5,)
    largest = space(scales=[0.25, 0.5]).largest()
    assert largest == {**ElasticSpace().largest(), "input.scale": 0.5}


def test_scales_may_be_written_as_text() -> None:
    asked: Any = "0.5,1"
    assert option_values(space(scales=asked))["input_scales"] == [0.5, 1.0]


@pytest.mark.parametrize("scales", [[], [0.0, 1.0], [0.5, 1.5], [1.0, 0.5], [0.5, 0.5]])
def test_senseless_scales_are_refused(scales: list[float]) -> None:
    with pytest.raises(PosenasError, match="input_scales"):
        space(scales=scales)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_levels_are_truthful_for_the_images_given(backbone: str) -> None:
    plain = ElasticSpace(backbone)
    with torch.device("meta"):
        levels = plain.build(plain.smallest()).levels
        for scale in SCALES:
            network = space(backbone).build({**plain.smallest(), "input.scale": scale})
            features = network(torch.zeros(1, 3, 192, 128))
            assert tuple(network.levels) == tuple(levels)
            assert list(features) == [level.name for level in levels]
            assert len(features) == len(levels)
            for level in levels:
                shape = (1, level.channels, 192 // level.stride, 128 // level.stride)
                assert features[level.name].shape == shape


@pytest.mark.parametrize("backbone", BACKBONES)
def test_scale_one_is_the_network_without_it(backbone: str) -> None:
    plain, scaled = ElasticSpace(backbone), space(backbone)
    torch.manual_seed(0)
    network = plain.build(plain.smallest()).eval()
    torch.manual_seed(0)
    wrapped = scaled.build({**plain.smallest(), "input.scale": 1.0}).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected, features = network(images), wrapped(images)
    assert list(features) == list(expected)
    assert all(torch.equal(features[name], expected[name]) for name in expected)


def test_every_network_nests_whatever_its_scale() -> None:
    with torch.device("meta"):
        full = {name: value.shape for name, value in space().build(space().largest()).state_dict().items()}
        rng = Random(3)
        for genotype in [space().smallest(), *(space().sample(rng) for _ in range(20))]:
            check_genotype(genotype, space().dimensions())
            for name, value in space().build(genotype).state_dict().items():
                sub_slices(full[name], value.shape)


@pytest.mark.parametrize(
    ("scale", "seen"),
    [(1.0, (128, 96)), (0.75, (96, 80)), (0.5, (64, 48)), (0.4, (48, 32)), (0.01, (16, 16))],
)
def test_sides_go_to_the_nearest_multiple_of_the_coarsest_stride(scale: float, seen: Sequence[int]) -> None:
    network = Pool()
    features = ScaledInput(network, scale)(torch.zeros(1, 3, 128, 96))
    assert network.seen == seen
    assert {name: value.shape[-2:] for name, value in features.items()} == {
        "fine": (32, 24),
        "coarse": (8, 6),
    }


@pytest.mark.parametrize("scale", [0.5, 0.75])
def test_maps_stay_where_they_were_in_the_image(scale: float) -> None:
    """Resizing there and back keeps a ramp to 0.02 pixels, but for the rim, which has one neighbour only."""
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(192.0), indexing="ij")
    images = torch.stack([rows, columns, torch.ones(128, 192)])[None]
    expected, features = Pool()(images), ScaledInput(Pool(), scale)(images)
    inner = (..., slice(3, -3), slice(3, -3))
    for name, value in features.items():
        torch.testing.assert_close(value[inner], expected[name][inner], atol=0.02, rtol=0)


def test_a_head_may_read_the_maps_as_they_were_computed() -> None:
    images = torch.randn(1, 3, 128, 96)
    features = ScaledInput(Pool(), 0.5)(images)
    own = own_maps(features)
    assert {name: value.shape[-2:] for name, value in own.items()} == {"fine": (16, 12), "coarse": (4, 3)}
    for name, value in features.items():
        torch.testing.assert_close(
            value, interpolate(own[name], value.shape[-2:], mode="bilinear"), atol=0, rtol=0
        )


def test_maps_that_were_not_resized_are_their_own() -> None:
    plain = ScaledInput(Pool(), 1.0)(torch.randn(1, 3, 128, 96))
    assert own_maps(plain) is plain


@pytest.mark.parametrize("backbone", BACKBONES)
def test_costs_fall_with_the_scale(backbone: str) -> None:
    plain = ElasticSpace(backbone)
    with torch.device("meta"):
        whole = measure(plain.build(plain.smallest()), (128, 128))
        half, three_quarters, full = (
            measure(space(backbone).build({**plain.smallest(), "input.scale": scale}), (128, 128))
            for scale in SCALES
        )
    assert full == whole
    assert half.parameters == whole.parameters
    # Attention's layers on one vector do not depend on the size.
    assert half.macs / whole.macs == pytest.approx(0.25, abs=0.01)
    assert half.paper_gflops / whole.paper_gflops == pytest.approx(0.25, abs=0.01)
    assert three_quarters.macs / whole.macs == pytest.approx(0.5625, abs=0.01)


@pytest.mark.parametrize("scale", SCALES)
def test_active_is_derived_and_its_gradients_reach_the_shared_weights(scale: float) -> None:
    torch.manual_seed(0)
    shared = SharedWeights(space().build(space().largest()))
    images = torch.randn(2, 3, 64, 64)
    genotype = {**space().largest(), "input.scale": scale}
    with torch.device("meta"):
        active, derived = space().build(genotype), space().build(genotype)
    output = shared.activate(active)(images)["top"]
    assert torch.equal(output, shared.derive(derived)(images)["top"])
    output.square().mean().backward()
    # Global context begins with a last layer of zeros, behind which no gradient reaches its other layers.
    reached = [name for name, value in shared.named_parameters() if value.grad.abs().max() > 0]
    assert set(dict(shared.named_parameters())) - set(reached) == {
        name
        for name, _ in shared.named_parameters()
        if any(part in name for part in (".mask.", ".squeeze.", ".attention.norm."))
    }


def test_a_smaller_looking_network_can_be_taught_by_the_largest() -> None:
    torch.manual_seed(0)
    head = HeatmapHead(input_size=(64, 64))

    def build(genotype: Any) -> PoseNetwork:
        backbone = space().build(genotype)
        return PoseNetwork(backbone, head.build(head.select(backbone.levels), COCO_17))

    shared = SharedPoseNetwork(build, build(space().largest()))
    images = torch.randn(2, 3, 64, 64)
    teacher = shared.activate(space().largest())(images).detach()
    student = shared.activate(space().smallest())
    assert student.backbone.scale == 0.5
    outputs = student(images)
    assert outputs.shape == teacher.shape
    student.head.distillation_loss(outputs, teacher).backward()
    assert shared.shared.holder.backbone.network.stem[0][0].weight.grad.abs().max() > 0
