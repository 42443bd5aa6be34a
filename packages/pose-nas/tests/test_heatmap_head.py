"""The head as its users see it: levels, losses, decoding, mirrored outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from posenas.contract.batches import Batch, CropRule, View
from posenas.contract.components import Distillable, FlipTest, Head
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import KEYPOINT_SETS
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.networks.heatmaps.encoding import Encoding
from posenas.networks.heatmaps.view import Crop
from posenas.standard.heads.heatmap import HeatmapHead, HeatmapModule, Loss
from torch import Tensor

COCO, WHOLEBODY = KEYPOINT_SETS["coco-17"], KEYPOINT_SETS["coco-wholebody-133"]
LEVELS = [Level("stem", 4, 8), Level("middle", 16, 24), Level("last", 32, 32), Level("out", 4, 12)]
ENCODINGS = pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])
LOSSES = pytest.mark.parametrize("loss", ["cross-entropy", "mse"])


def make_module(keypoints: KeypointSet = COCO, **options: object) -> HeatmapModule:
    head = HeatmapHead(**{"sigma": 2.0, **options})  # type: ignore[arg-type]
    torch.manual_seed(0)
    return head.build(head.select(LEVELS), keypoints)


def make_batch(keypoints: KeypointSet = COCO) -> Batch:
    generator = torch.Generator().manual_seed(1)
    points = 20 + torch.rand(2, len(keypoints), 2, generator=generator) * torch.tensor([55.0, 87.0])
    return Batch(torch.zeros(2, 3, 128, 96), points, torch.ones(2, len(keypoints)))


def make_features() -> Mapping[str, Tensor]:
    return {"out": torch.randn(2, 12, 32, 24, generator=torch.Generator().manual_seed(2))}


def perfect_outputs(module: HeatmapModule, batch: Batch) -> Tensor:
    maps = module.targets(batch).maps()
    return maps.clamp(min=1e-20).log() if module.distributions else maps


@pytest.mark.parametrize(
    ("encoding", "crop", "rule"),
    [
        ("udp", "auto", "udp"),
        ("gaussian", "auto", "standard"),
        ("dark", "auto", "standard"),
        ("dark", "udp", "udp"),
        ("udp", "standard", "standard"),
    ],
)
def test_encodings_bring_their_papers_crop_rule(encoding: Encoding, crop: Crop, rule: CropRule) -> None:
    assert HeatmapHead(encoding=encoding, crop=crop).view() == View("person", 128, 96, crop=rule)


def test_reads_the_deepest_level_at_a_quarter() -> None:
    head = HeatmapHead()
    assert isinstance(head, Head)
    assert head.view() == View("person", 128, 96)
    assert head.select(LEVELS) == [LEVELS[3]]


def test_reads_a_finer_level_that_is_deeper() -> None:
    finer = [*LEVELS, Level("fine", 2, 10)]
    assert HeatmapHead().select(finer) == [finer[-1]]
    assert HeatmapHead().select([Level("stem", 2, 8), *LEVELS]) == [LEVELS[3]]


@pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_maps_at_a_half_decode_to_the_keypoints_with_the_same_width_in_the_view(
    encoding: Encoding, loss: Loss
) -> None:
    torch.manual_seed(0)
    module = HeatmapHead(encoding=encoding, loss=loss, sigma=1.0).build([Level("fine", 2, 10)], COCO)
    assert module({"fine": torch.randn(2, 10, 64, 48)}).shape == (2, 17, 64, 48)
    batch = make_batch()
    targets = module.targets(batch)
    assert targets.maps().shape == (2, 17, 64, 48)
    spread = targets.rows[0, 0] / targets.rows[0, 0].sum()
    rows = torch.arange(64.0)
    deviation = ((rows - (spread * rows).sum()) ** 2 * spread).sum().sqrt()
    assert float(deviation) == pytest.approx(2.0, rel=0.02)  # 1 at 1/4
    decoded = module.decode(perfect_outputs(module, batch), make_batch()).keypoints
    allowed = {"gaussian": 1.6, "udp": 0.1, "dark": 0.1}[encoding]  # gaussian rounds to pixels of the map
    assert (decoded - batch.keypoints).abs().max() <= allowed


def test_refuses_levels_without_a_quarter() -> None:
    with pytest.raises(PosenasError, match="no level at 1/4"):
        HeatmapHead().select([Level("last", 32, 8)])


def test_refuses_a_view_that_does_not_divide_by_the_coarsest_stride() -> None:
    head = HeatmapHead(input_size=(130, 96))
    with pytest.raises(
        PosenasError, match=r"input_size \[130, 96\].*a multiple of 32.*nearest multiple is \[128, 96\]"
    ):
        head.select(LEVELS)
    with pytest.raises(PosenasError, match="a multiple of 4"):
        head.select([LEVELS[0]])
    assert HeatmapHead(input_size=(132, 96)).select([LEVELS[0]]) == [LEVELS[0]]


def test_has_the_initial_weights_of_the_papers_and_no_other_state() -> None:
    module = make_module()
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    assert shapes == {"convolution.weight": (17, 12, 1, 1), "convolution.bias": (17,)}
    assert not list(module.buffers())
    assert float(module.convolution.weight.detach().std()) == pytest.approx(0.001, rel=0.2)
    assert module.convolution.bias is not None
    assert module.convolution.bias.abs().max() == 0


@ENCODINGS
@LOSSES
@pytest.mark.parametrize("keypoints", [COCO, WHOLEBODY], ids=len)
def test_loss_reaches_every_parameter(keypoints: KeypointSet, encoding: Encoding, loss: Loss) -> None:
    module = make_module(keypoints, encoding=encoding, loss=loss)
    batch = make_batch(keypoints)
    outputs = module(make_features())
    assert outputs.shape == (2, len(keypoints), 32, 24)
    value = module.loss(outputs, module.targets(batch))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.shape == ()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert (parameter.grad.flatten(1) if parameter.ndim > 1 else parameter.grad).abs().max() > 0


@LOSSES
def test_distillation_reaches_the_student_only(loss: Loss) -> None:
    module, teacher = make_module(loss=loss), make_module(loss=loss)
    torch.nn.init.normal_(teacher.convolution.weight)
    assert isinstance(module, Distillable)
    features = make_features()
    module.distillation_loss(module(features), teacher(features)).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert module.convolution.weight.grad is not None
    assert module.convolution.weight.grad.abs().max() > 0


@LOSSES
def test_batch_with_nothing_labelled(loss: Loss) -> None:
    module = make_module(loss=loss)
    batch = make_batch()
    batch = replace(batch, labelled=torch.zeros_like(batch.labelled))
    value = module.loss(module(make_features()), module.targets(batch))
    value.backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) == 0.0
    assert all(p.grad is not None and p.grad.abs().max() == 0 for p in module.parameters())


def test_keypoints_outside_the_view_count_only_as_images() -> None:
    batch = make_batch()
    batch.keypoints[:, 0] = -8.0
    assert make_module(loss="mse").targets(batch).weights[:, 0].tolist() == [1.0, 1.0]
    assert make_module().targets(batch).weights[:, 0].tolist() == [0.0, 0.0]
    assert make_module().targets(batch).weights[:, 1:].min() == 1.0


@ENCODINGS
@LOSSES
@pytest.mark.parametrize("keypoints", [COCO, WHOLEBODY], ids=len)
def test_decodes_perfect_outputs(keypoints: KeypointSet, encoding: Encoding, loss: Loss) -> None:
    module, batch = make_module(keypoints, encoding=encoding, loss=loss), make_batch(keypoints)
    poses = module.decode(perfect_outputs(module, batch), make_batch())
    tolerance = 2.0 if encoding == "gaussian" else 0.4  # half a heat-map pixel, and a tenth
    assert (poses.keypoints - batch.keypoints).abs().max() <= tolerance + 1e-4
    assert poses.keypoint_scores.min() > (0.98 if loss == "cross-entropy" else 0.93)
    assert poses.keypoint_scores.max() <= 1.0


@ENCODINGS
@LOSSES
def test_decodes_bfloat16_in_float32(encoding: Encoding, loss: Loss) -> None:
    module, batch = make_module(encoding=encoding, loss=loss), make_batch()
    outputs = perfect_outputs(module, batch).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        poses = module.decode(outputs, make_batch())
        averaged = module.average_mirrored(outputs, outputs)
    expected = module.decode(outputs.float(), make_batch())
    assert {poses.keypoints.dtype, poses.keypoint_scores.dtype, averaged.dtype} == {torch.float32}
    assert torch.equal(poses.keypoints, expected.keypoints)
    assert torch.equal(poses.keypoint_scores, expected.keypoint_scores)


def test_scores_of_distributions_stay_within_0_and_1() -> None:
    module = make_module()
    for scale in (0.0, 10.0, 1e4):
        scores = module.decode(scale * torch.randn(2, 17, 32, 24), make_batch()).keypoint_scores
        assert scores.min() >= 0.0
        assert scores.max() <= 1.0


def test_scores_of_values_are_the_peaks_whatever_they_are() -> None:
    """As reference tools have it: two people above 1 keep their order, and so does one below 0."""
    module, batch = make_module(loss="mse"), make_batch()
    maps = perfect_outputs(module, batch)
    heights = torch.tensor([1.04, 1.31]).view(2, 1, 1, 1)
    scores = module.decode(heights * maps, make_batch()).keypoint_scores
    torch.testing.assert_close(scores, (heights * maps).amax((2, 3)))
    assert (scores[0] < scores[1]).all()
    assert module.decode(maps - 2.0, make_batch()).keypoint_scores.max() < 0.0


def test_a_doubtful_distribution_scores_lower() -> None:
    module, batch = make_module(), make_batch()
    sure = perfect_outputs(module, batch)
    shares = [
        module.decode(sharpness * sure, make_batch()).keypoint_scores.mean() for sharpness in (1.0, 0.3, 0.0)
    ]
    assert shares[0] > shares[1] > shares[2]
    # The arg-max of equal pixels is the corner, where a quarter of the patch of 13 x 13 is on the map.
    assert float(shares[2]) == pytest.approx(7 * 7 / (32 * 24), rel=1e-4)


def mirror(outputs: Tensor, keypoints: KeypointSet) -> Tensor:
    """What a perfectly symmetric network says to the mirrored image, up to the encoding's shift."""
    return outputs.flip(3)[:, list(keypoints.mirrored)]


@LOSSES
@pytest.mark.parametrize("keypoints", [COCO, WHOLEBODY], ids=len)
def test_averaging_mirrored_udp_outputs_is_the_identity(keypoints: KeypointSet, loss: Loss) -> None:
    module, batch = make_module(keypoints, encoding="udp", loss=loss), make_batch(keypoints)
    outputs = perfect_outputs(module, batch)
    assert isinstance(module, FlipTest)
    averaged = module.average_mirrored(outputs, mirror(outputs, keypoints))
    before, after = module.decode(outputs, make_batch()), module.decode(averaged, make_batch())
    torch.testing.assert_close(after.keypoints, before.keypoints, rtol=0, atol=1e-3)
    torch.testing.assert_close(after.keypoint_scores, before.keypoint_scores, rtol=0, atol=1e-5)


@LOSSES
@pytest.mark.parametrize("encoding", ["gaussian", "dark"])
def test_averaging_moves_other_mirrored_outputs_by_one_pixel(encoding: Encoding, loss: Loss) -> None:
    module, batch = make_module(encoding=encoding, loss=loss), make_batch()
    outputs = perfect_outputs(module, batch)
    one_left = torch.cat([outputs[..., 1:], outputs[..., -1:]], dim=3)
    averaged = module.average_mirrored(outputs, mirror(one_left, COCO))
    before, after = module.decode(outputs, make_batch()), module.decode(averaged, make_batch())
    torch.testing.assert_close(after.keypoints, before.keypoints, rtol=0, atol=0.05)


@LOSSES
@pytest.mark.parametrize(("encoding", "bias"), [("udp", 0.0), ("dark", 0.5)])
def test_flip_test_of_true_mirrored_views(encoding: Encoding, loss: Loss, bias: float) -> None:
    """Targets of the mirrored keypoints; the papers' shift leaves 1/8 heat-map pixel, half a view pixel."""
    module, batch = make_module(encoding=encoding, loss=loss), make_batch()
    flipped = batch.keypoints[:, list(COCO.mirrored)] * torch.tensor([-1.0, 1.0]) + torch.tensor([95.0, 0.0])
    mirrored = perfect_outputs(module, replace(batch, keypoints=flipped))
    averaged = module.average_mirrored(perfect_outputs(module, batch), mirrored)
    errors = module.decode(averaged, make_batch()).keypoints - batch.keypoints
    torch.testing.assert_close(errors, torch.tensor([bias, 0.0]).expand_as(errors), rtol=0, atol=0.1)


def test_averaged_distributions_are_mean_probabilities() -> None:
    module = make_module(encoding="udp")
    one, other = torch.randn(2, 2, 17, 32, 24, generator=torch.Generator().manual_seed(6))
    averaged = module.average_mirrored(one, mirror(other, COCO)).exp()
    expected = (one.flatten(2).softmax(2) + other.flatten(2).softmax(2)) / 2
    torch.testing.assert_close(averaged.flatten(2), expected)
