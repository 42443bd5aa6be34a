"""The space `ofa-video`: its costs, its shared weights, its frozen key frame and what guides a frame."""

from __future__ import annotations

from random import Random
from typing import Any, cast

import pytest
import torch
from nas_ofa_elastic import guidance
from nas_ofa_elastic.guidance import OPERATIONS, Fusion, resized
from nas_ofa_elastic.sandwich import Sandwich
from nas_ofa_elastic.space import ElasticSpace
from nas_ofa_elastic.video import ElasticVideoSpace
from posenas import Batch, Genotype, Metric, Objective, PosenasError, Results, Trial
from posenas.composing.building import build_holder, build_network
from posenas.composing.checks.backbones import rehearse_backbone, rehearse_small_network
from posenas.composing.conditional import made_possible
from posenas.composing.plugins import Owner
from posenas.contract.keypoint_sets import COCO_17
from posenas.learning.inference import prepare
from posenas.learning.sandwich_step import SandwichStep
from posenas.networks.counting import measure
from posenas.networks.devices import Compute
from posenas.networks.latency.measure import measure_latency
from posenas.networks.loss_scale import LossScale
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor, nn

SIZE = (64, 64)
HEAD = HeatmapHead(input_size=SIZE)
BACKBONES = ("tiny", "resnet50", "mobilenetv3")


def network_of(space: Any, genotype: Genotype) -> PoseNetwork:
    return build_network(space, genotype, head=HEAD, keypoints=COCO_17)


def shared_of(space: ElasticVideoSpace) -> SharedPoseNetwork:
    torch.manual_seed(0)
    holder = build_holder(space, head=HEAD, keypoints=COCO_17)
    return SharedPoseNetwork(lambda genotype: network_of(space, genotype), holder, source=space.source)


def clips(number: int, frames: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(number * frames, 17, 2, generator=generator) * torch.tensor([63.0, 63.0])
    images = torch.randn(number * frames, 3, *SIZE, generator=generator)
    return Batch(images, places, torch.ones(number * frames, 17))


def single_macs(backbone: str, genotype: Genotype) -> int:
    space = ElasticSpace(backbone=cast(Any, backbone))
    with torch.device("meta"):
        return measure(network_of(space, genotype), SIZE).macs


@pytest.mark.parametrize(("backbone", "operation"), list(zip(BACKBONES, OPERATIONS, strict=True)))
def test_mean_macs_are_those_of_single_networks_and_of_convolutions_counted_by_hand(
    backbone: str, operation: str
) -> None:
    space = ElasticVideoSpace(backbone=cast(Any, backbone), propagation=(2,))
    genotype = dict(space.sample(Random(3))) | {"frame1.fusion.operation": operation}
    total = single_macs(backbone, ElasticSpace(backbone=cast(Any, backbone)).largest())
    for frame in ("frame1.", "frame2."):
        own = {name.removeprefix(frame): value for name, value in genotype.items() if name.startswith(frame)}
        kind, stage = own.pop("fusion.operation"), own.pop("fusion.stage")
        total += single_macs(backbone, own)
        with torch.device("meta"):
            levels = ElasticSpace(backbone=cast(Any, backbone)).build(own).levels
        level = next(each for each in levels if each.name == stage)
        pixels = SIZE[0] * SIZE[1]
        convolutions = 2 if kind == "concatenate" else 1
        total += (17 + convolutions * level.channels) * level.channels * pixels // level.stride**2
    with torch.device("meta"):
        assert measure(network_of(space, genotype), SIZE).macs == round(total / 3)


def test_a_key_frame_alone_is_a_network_of_the_space_of_images() -> None:
    space, images = ElasticVideoSpace(), ElasticSpace()
    key_frame = network_of(space, space.key_frame())
    single = network_of(images, images.largest())
    assert {name: each.shape for name, each in key_frame.state_dict().items()} == {
        name: each.shape for name, each in single.state_dict().items()
    }
    assert key_frame.frames == 1


def test_samples_are_what_they_say() -> None:
    space = ElasticVideoSpace(propagation=(2, 3, 4))
    rng = Random(0)
    drawn = [space.sample(rng) for _ in range(60)]
    assert {each["propagation"] for each in drawn} == {2, 3, 4}
    for each in drawn:
        possible = space.possible(each)
        assert all(each[name] in values for name, values in possible.items())
    short = next(each for each in drawn if each["propagation"] == 2)
    with torch.device("meta"):
        assert network_of(space, short).frames == 3
    absent = {name: value for name, value in short.items() if name.startswith(("frame3.", "frame4."))}
    assert absent == {name: space.dimensions()[name].values[0] for name in absent}


@pytest.mark.parametrize("space", [ElasticVideoSpace(), ElasticVideoSpace(fusion=False, architectures="one")])
def test_networks_cut_out_equal_active_ones(space: ElasticVideoSpace) -> None:
    shared, batch = shared_of(space), clips(2, 4)
    with torch.no_grad():
        for tensor in shared.parameters():
            tensor.add_(0.02 * torch.randn_like(tensor))
    for genotype in (space.largest(), space.smallest(), space.sample(Random(1))):
        with torch.no_grad():
            active = shared.activate(genotype)(batch.images)
            cut = shared.derive(genotype).train()(batch.images)
        for one, other in zip(active, cut, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_frames_after_the_first_take_from_one_super_network() -> None:
    shared = shared_of(ElasticVideoSpace())
    names = {name.split(".")[2] for name in shared.shared.holder.state_dict() if ".frames." in name}
    assert names == {"0", "1"}
    network = shared.derive(ElasticVideoSpace().largest())
    tensors = network.state_dict()
    of_second = {
        name: each for name, each in tensors.items() if name.startswith("backbone.frames.2.backbone")
    }
    assert of_second
    for name, tensor in of_second.items():
        torch.testing.assert_close(tensor, tensors[name.replace("frames.2", "frames.1")], rtol=0, atol=0)


def test_the_frozen_key_frame_does_not_change_by_a_bit_and_the_others_learn() -> None:
    space = ElasticVideoSpace()
    shared, batch = shared_of(space), clips(4, 4)
    before = {name: each.clone() for name, each in shared.state_dict().items()}
    learnt = [each for each in shared.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=0.01, weight_decay=0.1)
    step = SandwichStep(space, 2, "truth+teacher")
    for number in range(3):
        step(shared, batch, Random(number), update=lambda _: None, progress=0.0)
        optimizer.step()
        optimizer.zero_grad()
    after = shared.state_dict()
    frozen = [name for name in before if ".frames.0." in name]
    assert len(frozen) > 50
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert any(".fusions." in name for name in moved)
    assert any("frames.1.backbone.stages" in name for name in moved)
    assert any("head.frames.1" in name for name in moved)


@pytest.mark.parametrize("flows", [True, False])
def test_gradients_reach_the_frame_before_exactly_when_the_option_says_so(flows: bool) -> None:
    space = ElasticVideoSpace(gradients=flows, propagation=(2,))
    genotype = {**space.largest(), "frame2.fusion.operation": "concatenate"}
    network, batch = network_of(space, genotype), clips(2, 3)
    fusion = cast(Any, network.backbone).frames[2].fusions["stage2"]["concatenate"]
    nn.init.normal_(fusion.mix_guide.weight)
    head: Any = network.head
    targets = head.targets(batch)
    last = head.frames[2].loss(network(batch.images)[2], targets[2])
    last.backward()
    before = cast(nn.Module, cast(Any, network.backbone).frames[1])
    reached = [each for each in before.parameters() if each.grad is not None and bool(each.grad.any())]
    assert bool(reached) == flows
    key_frame = cast(nn.Module, cast(Any, network.backbone).frames[0])
    assert all(each.grad is None for each in key_frame.parameters())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_fusion_is_what_the_paper_writes_and_begins_without_effect(operation: str) -> None:
    torch.manual_seed(0)
    fusion = Fusion(6, 5, operation)
    features, guide = torch.randn(2, 6, 8, 8), torch.rand(2, 5, 16, 16)
    torch.testing.assert_close(fusion(features, guide), features)
    for parameter in fusion.parameters():
        nn.init.normal_(parameter)
    adapted = nn.functional.interpolate(
        nn.functional.conv2d(guide, fusion.adapt.weight, fusion.adapt.bias),
        scale_factor=0.5,
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    fused: Tensor
    if operation == "concatenate":
        weight = torch.cat([fusion.mix.weight, fusion.mix_guide.weight], dim=1)
        fused = nn.functional.conv2d(torch.cat([features, adapted], dim=1), weight, fusion.mix.bias)
    else:
        both = features + adapted if operation == "add" else features * adapted
        fused = nn.functional.conv2d(both, fusion.mix.weight, fusion.mix.bias)
    torch.testing.assert_close(fusion(features, guide), fused, rtol=1e-5, atol=1e-5)


def peaks(maps: Tensor, stride: float) -> Tensor:
    """Return where the mean of each map lies in the image, x and y: pixel i covers stride x (i to i + 1)."""
    shares = maps / maps.sum((2, 3), keepdim=True)
    places = [(torch.arange(size) + 0.5) * stride for size in maps.shape[2:]]
    return torch.stack([(shares.sum(2) * places[1]).sum(2), (shares.sum(3) * places[0]).sum(2)], dim=2)


def gaussians(height: int, width: int) -> Tensor:
    """Return (1, 25, height, width) maps, each with a peak at another place between pixels."""
    shares = torch.tensor([0.42, 0.47, 0.5, 0.53, 0.58])
    factors = [(-((torch.arange(size) - shares[:, None] * size) ** 2) / 2).exp() for size in (height, width)]
    return (factors[0][:, None, :, None] * factors[1][None, :, None, :]).reshape(1, 25, height, width)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("view", [(256, 192), (160, 224), (288, 352)])
def test_a_guides_peak_stays_at_its_place_at_each_site(backbone: str, view: tuple[int, int]) -> None:
    maps = gaussians(view[0] // 4, view[1] // 4)
    guided = ElasticVideoSpace(backbone=cast(Any, backbone)).holder().frames[1]
    guided.listen(25)
    strides = [level.stride for level in guided.levels if level.name in guided.fusions]
    assert len(strides) == len(guided.fusions)
    for stride in strides:
        size = (view[0] // stride, view[1] // stride)
        found = resized(maps, size)
        assert (peaks(found, stride) - peaks(maps, 4)).abs().max() < 0.01 * 4 / stride
        torch.testing.assert_close(found.mean((2, 3)), maps.mean((2, 3)))


def test_a_guide_does_not_move_in_thirty_frames() -> None:
    maps = gaussians(256, 192)
    for stride in (8, 16, 32):
        known = maps
        for _ in range(30):
            smaller = resized(known, (1024 // stride, 768 // stride))
            known = nn.functional.interpolate(smaller, maps.shape[2:], mode="bilinear", align_corners=False)
        assert (peaks(known, 4) - peaks(maps, 4)).abs().max() < 0.5


def test_evaluation_is_the_same_with_batch_norms_folded() -> None:
    space = ElasticVideoSpace()
    network, batch = shared_of(space).derive(space.sample(Random(2))), clips(3, 4)
    with torch.no_grad():
        for _ in range(3):
            network.train()(batch.images)
        expected = network.eval()(batch.images)
        norms = sum("BatchNorm" in type(each).__name__ for each in network.modules())
        prepare(network)
        found = network(batch.images)
    assert norms > 40
    assert not any("BatchNorm" in type(each).__name__ for each in network.modules())
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_the_ends_learn_with_every_operation_and_stage() -> None:
    space = ElasticVideoSpace(propagation=(2, 3))
    rng = Random(0)
    trained = [space.in_training(space.smallest(), rng) for _ in range(100)]
    assert {each["propagation"] for each in trained} == {3}
    assert {each["frame2.fusion.operation"] for each in trained} == set(OPERATIONS)
    assert {each["frame3.fusion.stage"] for each in trained} == {"stem", "stage1", "stage2"}
    assert {each["frame1.stage1.width"] for each in trained} == {24}


def test_the_key_frame_alone_is_made_a_possible_clip() -> None:
    space = ElasticVideoSpace(propagation=(2, 3))
    for seed in range(9):
        made = made_possible(space, {**space.largest(), "propagation": 0}, Random(seed))
        assert made["propagation"] in (2, 3)
        assert all(made[name] in values for name, values in space.possible(made).items())


def test_training_shows_still_frames_beforehand_and_evaluation_does_not() -> None:
    space = ElasticVideoSpace(stills=5)
    network, batch = network_of(space, space.smallest()), clips(2, 4)
    looks: list[Tensor] = []
    cast(Any, network.backbone).frames[1].register_forward_hook(lambda *each: looks.append(each[1][0]))
    targets = cast(Any, network.head).targets(batch)
    counts = []
    for seed in range(12):
        torch.manual_seed(seed)
        looks.clear()
        network(batch.images, targets)
        counts.append(len(looks))
        assert all(torch.equal(each, batch.images[1::4]) for each in looks)
    assert min(counts) == 1
    assert max(counts) == 6
    looks.clear()
    network(batch.images)
    assert len(looks) == 1


def test_unsorted_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="does not increase; sort it"):
        ElasticVideoSpace(propagation=(3, 2))


def test_half_precision_scales_gradients_of_each_frame() -> None:
    space, batch = ElasticVideoSpace(propagation=(2,)), clips(2, 3)
    compute = Compute(torch.device("cpu"), None, loss_scale=LossScale())
    gradients = []
    for each in (None, compute):
        torch.manual_seed(0)
        genotype = {**space.smallest(), "frame2.fusion.operation": "concatenate"}
        network = build_network(space, genotype, head=HEAD, keypoints=COCO_17, compute=each)
        head: Any = network.head
        targets = head.targets(batch)
        head.loss(network(batch.images, targets), targets).backward()
        gradients.append({name: one.grad for name, one in network.named_parameters() if one.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=1e-6, msg=name)


def test_frames_that_a_short_clip_lacks_are_drawn_for_training() -> None:
    space = ElasticVideoSpace(propagation=(2, 4))
    short = next(each for each in map(space.sample, map(Random, range(9))) if each["propagation"] == 2)
    trained = [space.in_training(short, Random(seed)) for seed in range(40)]
    assert {each["frame4.stage1.width"] for each in trained} == {24, 32, 40}
    assert {each["frame2.stage1.width"] for each in trained} == {short["frame2.stage1.width"]}


def test_weights_of_a_random_key_frame_are_refused() -> None:
    with pytest.raises(PosenasError, match="only shared weights hold it"):
        Sandwich(final_weights="fresh").check_space(ElasticVideoSpace())
    Sandwich(final_weights="fresh").check_space(ElasticSpace())


def test_latency_of_a_clip_is_refused() -> None:
    network = network_of(ElasticVideoSpace(), ElasticVideoSpace().smallest())
    with pytest.raises(PosenasError, match="networks of single images alone"):
        measure_latency(network, input_size=SIZE, compute=Compute(torch.device("cpu"), None))


def test_the_report_names_each_frames_network() -> None:
    space = ElasticVideoSpace(architectures="one", propagation=(2,))
    genotype = dict(sorted(space.sample(Random(0)).items()))  # as a journal has it
    trial = Trial(genotype, "final", "val", {"oks.AP": 0.5}, {}, {})
    results = Results(
        (Metric("oks.AP"),), (Objective("oks.AP", maximize=True, is_cost=False),), (trial,), True, trial
    )
    (section,) = space.sections(results)  # no network was scored by frame
    assert section.html.count("<tr>") == 4
    assert "2 after it" in section.html
    assert f"{genotype['frames.fusion.operation']}, {genotype['frames.fusion.stage']}" in section.html
    values = [genotype[f"frames.stage1.{name}"] for name in ("depth", "width", "kernel", "groups")]
    assert ", ".join(map(str, values)) in section.html
    assert "the order width, depth, kernel, groups, attention" in section.html


class Halving(Fusion):
    def forward(self, features: Tensor, guide: Tensor) -> Tensor:
        return super().forward(features, guide)[:, :, ::2]


class Deaf(Fusion):
    def forward(self, features: Tensor, guide: Tensor) -> Tensor:  # noqa: ARG002
        return features


@pytest.mark.parametrize(
    ("rehearse", "fusion", "words"),
    [
        (rehearse_backbone, Halving, "level .* is not true.* with a guide"),
        (rehearse_small_network, Deaf, "get no gradient"),
    ],
)
def test_a_frame_that_a_guide_spoils_is_refused_before_training(
    rehearse: Any, fusion: type[Fusion], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guidance, "Fusion", fusion)
    space, owner = ElasticVideoSpace(propagation=(1,)), Owner("space", "ofa-video")
    with pytest.raises(PosenasError, match=words):
        rehearse(space, space.smallest(), HEAD.view(), owner=owner)
