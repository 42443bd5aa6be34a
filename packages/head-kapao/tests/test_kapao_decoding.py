"""Outputs to rows, against a loop over anchors, cells and keypoints in float64."""

from __future__ import annotations

import math

import pytest
import torch
from head_kapao.anchors import ANCHORS, scaled_anchors
from head_kapao.channels import Channels
from head_kapao.decoding import Rows, decode, join
from torch import Tensor

KEYPOINTS, IMAGES, GRID = 4, 2, (5, 7)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def random_outputs(channels: Channels, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(IMAGES, 3, *GRID, channels.count, generator=generator, dtype=torch.float64)


def literal(
    output: Tensor, anchors: list[list[float]], stride: int, *, thresholds: tuple[float, float]
) -> list[list[float]]:
    """Rows of image, category, score, x1, y1, x2, y2, keypoints."""
    rows = []
    for image in range(IMAGES):
        for anchor, (width, height) in enumerate(anchors):
            for row in range(GRID[0]):
                for column in range(GRID[1]):
                    p = [sigmoid(value) for value in output[image, anchor, row, column].tolist()]
                    classes = p[5 : 6 + KEYPOINTS]
                    category = classes.index(max(classes))
                    score = p[4] * classes[category]
                    if not score > thresholds[category > 0]:
                        continue
                    x, y = (2 * p[0] - 0.5 + column) * stride, (2 * p[1] - 0.5 + row) * stride
                    w, h = (2 * p[2]) ** 2 * width, (2 * p[3]) ** 2 * height
                    decoded = [image, category, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2]
                    for k in range(KEYPOINTS):
                        first = 6 + KEYPOINTS + 2 * k
                        decoded.append((4 * p[first] - 2) * width + column * stride)
                        decoded.append((4 * p[first + 1] - 2) * height + row * stride)
                    rows.append([float(value) for value in decoded])
    return rows


def as_rows(rows: Rows) -> Tensor:
    columns = [rows.image[:, None], rows.category[:, None], rows.scores[:, None], rows.boxes]
    return torch.cat([*columns, rows.keypoints.flatten(1)], dim=1)


@pytest.mark.parametrize("thresholds", [(-1.0, -1.0), (0.001, 0.2), (0.5, 0.1), (1.0, 1.0)])
@pytest.mark.parametrize("stride", ANCHORS)
def test_rows_and_their_order_are_those_of_the_loops(stride: int, thresholds: tuple[float, float]) -> None:
    channels = Channels(KEYPOINTS)
    output = random_outputs(channels, seed=stride)
    anchors = scaled_anchors([stride], input_size=640)[0].double()
    found = decode(
        output,
        anchors=anchors,
        stride=stride,
        channels=channels,
        pose_threshold=thresholds[0],
        keypoint_threshold=thresholds[1],
    )
    expected = literal(output, anchors.tolist(), stride, thresholds=thresholds)
    shape = (len(expected), 7 + 2 * KEYPOINTS)
    torch.testing.assert_close(
        as_rows(found), torch.tensor(expected, dtype=torch.float64).view(shape), rtol=0, atol=1e-9
    )
    everything = IMAGES * 3 * GRID[0] * GRID[1]
    assert len(expected) == everything if thresholds[0] < 0 else len(expected) < everything


def test_outputs_as_a_convolution_lays_them_out_give_the_same_rows() -> None:
    channels = Channels(KEYPOINTS)
    output = random_outputs(channels)
    maps = output.permute(0, 1, 4, 2, 3).reshape(IMAGES, 3 * channels.count, *GRID)
    viewed = maps.view(IMAGES, 3, channels.count, *GRID).permute(0, 1, 3, 4, 2)
    anchors = torch.rand(3, 2, dtype=torch.float64)
    found, expected = (decode(o, anchors=anchors, stride=8, channels=channels) for o in (viewed, output))
    torch.testing.assert_close(as_rows(found), as_rows(expected))


def test_confidences_are_those_of_the_last_channels() -> None:
    channels = Channels(KEYPOINTS, confidence=True)
    output = random_outputs(channels)
    plain = decode(
        output[..., : Channels(KEYPOINTS).count],
        anchors=torch.ones(3, 2),
        stride=8,
        channels=Channels(KEYPOINTS),
    )
    rows = decode(
        output,
        anchors=torch.ones(3, 2),
        stride=8,
        channels=channels,
        pose_threshold=-1,
        keypoint_threshold=-1,
    )
    assert rows.confidences is not None
    torch.testing.assert_close(rows.confidences, output[..., -KEYPOINTS:].sigmoid().flatten(0, 3))
    assert plain.confidences is None


def test_channels_of_the_thesis() -> None:
    assert Channels(17).count == 57
    assert Channels(14).count == 48
    assert Channels(17, confidence=True).count == 74


def test_half_precision_is_decoded_in_full_precision() -> None:
    channels = Channels(KEYPOINTS)
    half = random_outputs(channels).to(torch.bfloat16)
    anchors = torch.tensor([[100.0, 200.0]] * 3)
    found = decode(half, anchors=anchors, stride=64, channels=channels)
    expected = decode(half.float(), anchors=anchors, stride=64, channels=channels)
    torch.testing.assert_close(as_rows(found), as_rows(expected))


def test_joined_rows_keep_their_order() -> None:
    channels = Channels(KEYPOINTS, confidence=True)
    parts = [
        decode(random_outputs(channels, seed=seed), anchors=torch.ones(3, 2), stride=8, channels=channels)
        for seed in range(3)
    ]
    joined = join(parts)
    assert torch.equal(as_rows(joined), torch.cat([as_rows(part) for part in parts]))
    assert joined.confidences is not None
    assert len(joined.confidences) == len(joined.scores)
