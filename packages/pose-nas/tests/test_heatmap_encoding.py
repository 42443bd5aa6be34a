"""Targets equal a literal loop over keypoints and pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.contract.batches import Batch
from posenas.networks.heatmaps.encoding import Encoding, encode, gaussians, in_view, to_map


def random_batch(seed: int, *, people: int, keypoints: int, height: int, width: int) -> Batch:
    """Keypoints in the view, at its borders, and as far outside it as it is large."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([float(width), float(height)])
    points = (torch.rand(people, keypoints, 2, generator=generator) * 3 - 1) * size
    points[:, ::2] = torch.rand(people, len(range(0, keypoints, 2)), 2, generator=generator) * size
    borders = torch.tensor(
        [[0.0, 0.0], [width - 1.0, height - 1.0], [-22.0, 3.0], [-26.0, 3.0], [5.0, height + 21.0]]
    )
    points[0, : len(borders)] = borders
    labelled = (torch.rand(people, keypoints, generator=generator) < 0.8).float()
    labelled[0] = 1.0
    return Batch(torch.zeros(people, 3, height, width), points, labelled)


def literal_target(
    x: float, y: float, encoding: Encoding, *, height: int, width: int, sigma: float
) -> tuple[NDArray[np.float64], float]:
    """One (H, W) map and its weight, in view pixels x and y; height and width are the view's."""
    map_height, map_width = height // 4, width // 4
    if encoding == "udp":
        x, y = x * (map_width - 1) / (width - 1), y * (map_height - 1) / (height - 1)
    else:
        x, y = x / 4, y / 4
    near_x, near_y = int(x + 0.5), int(y + 0.5)
    radius = int(3 * sigma)
    target = np.zeros((map_height, map_width))
    weight = literal_weight(x, y, encoding, height=map_height, width=map_width, sigma=sigma)
    for row in range(map_height):
        for column in range(map_width):
            in_patch = abs(row - near_y) <= radius and abs(column - near_x) <= radius
            if encoding != "gaussian":
                target[row, column] = math.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))
            elif in_patch:
                target[row, column] = math.exp(
                    -((column - near_x) ** 2 + (row - near_y) ** 2) / (2 * sigma**2)
                )
    return target, weight


def literal_weight(x: float, y: float, encoding: Encoding, *, height: int, width: int, sigma: float) -> float:
    """As the papers' code decides which keypoints count, x and y and the sides in heat-map pixels."""
    if encoding != "dark":  # DARK has nothing to round
        x, y = int(x + 0.5), int(y + 0.5)
    left, top = x - 3 * sigma, y - 3 * sigma
    right, bottom = x + 3 * sigma + 1, y + 3 * sigma + 1
    outside = left >= width or top >= height or right < 0 or bottom < 0
    return 0.0 if outside else 1.0


@pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])
@pytest.mark.parametrize(("keypoints", "sigma"), [(17, 2.0), (133, 3.0)])
def test_equals_a_literal_loop(encoding: Encoding, keypoints: int, sigma: float) -> None:
    height, width = 64, 96
    batch = random_batch(5, people=2, keypoints=keypoints, height=height, width=width)
    targets = encode(batch, encoding, sigma=sigma)
    maps = targets.maps()
    assert maps.shape == (2, keypoints, height // 4, width // 4)
    assert maps.dtype == torch.float32
    for n in range(2):
        for k in range(keypoints):
            x, y = batch.keypoints[n, k].tolist()
            target, weight = literal_target(x, y, encoding, height=height, width=width, sigma=sigma)
            np.testing.assert_allclose(maps[n, k].numpy(), target, rtol=0, atol=1e-5)
            assert targets.weights[n, k] == weight * batch.labelled[n, k]


@pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])
@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_which_keypoints_count_equals_the_papers_code(encoding: Encoding, sigma: float) -> None:
    """Along each axis from far before the map to far behind it, in steps of 1/16 of its pixel."""
    steps = torch.arange(-20.0, 50.0, 1 / 16) + 1 / 64
    for axis, sides in enumerate([(95, 23), (63, 15)]):
        points = torch.full((1, len(steps), 2), 30.0)
        points[..., axis] = steps * (sides[0] / sides[1] if encoding == "udp" else 4.0)
        batch = Batch(torch.zeros(1, 3, 64, 96), points, torch.ones(1, len(steps)))
        places = [(step, 8.0) if axis == 0 else (8.0, step) for step in steps.tolist()]
        expected = [literal_weight(*place, encoding, height=16, width=24, sigma=sigma) for place in places]
        assert encode(batch, encoding, sigma=sigma).weights[0].tolist() == expected
        assert 0 < sum(expected) < len(expected)


def test_darks_centre_is_not_rounded() -> None:
    """On a map 24 wide a patch of 6 reaches from -7 to below 30 about DARK's centre."""
    places = torch.tensor([-7.51, -7.01, -7.0, 29.49, 29.51, 29.99, 30.0])
    points = torch.stack([places * 4, torch.full_like(places, 20.0)], dim=1).unsqueeze(0)
    batch = Batch(torch.zeros(1, 3, 64, 96), points, torch.ones(1, len(places)))
    assert encode(batch, "dark", sigma=2.0).weights.tolist() == [[0, 0, 1, 1, 1, 1, 0]]
    assert encode(batch, "gaussian", sigma=2.0).weights.tolist() == [[1, 1, 1, 1, 0, 0, 0]]


def test_weights_see_the_patch_and_the_view() -> None:
    """At x = -30 the nearest map pixel is -7, whose patch of 6 ends beside the map, as published; at -34 it
    is -8."""
    points = torch.tensor([[[0.0, 0.0], [-0.4, 0.0], [-0.6, 0.0], [-22.0, 0.0], [-30.0, 0.0], [-34.0, 0.0]]])
    batch = Batch(torch.zeros(1, 3, 64, 64), points, torch.ones(1, 6))
    assert encode(batch, "gaussian", sigma=2.0).weights.tolist() == [[1, 1, 1, 1, 1, 0]]
    assert in_view(batch).tolist() == [[True, True, False, False, False, False]]


def test_computes_in_float32_whatever_comes() -> None:
    batch = random_batch(1, people=1, keypoints=17, height=64, width=64)
    low = Batch(batch.images.bfloat16(), batch.keypoints.double(), batch.labelled.bool())
    targets = encode(low, "dark", sigma=2.0)
    assert {targets.rows.dtype, targets.columns.dtype, targets.weights.dtype} == {torch.float32}


@pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])
def test_maps_in_a_given_buffer_are_the_same(encoding: Encoding) -> None:
    keypoints = 64 * torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(0))
    batch = Batch(torch.zeros(2, 3, 64, 48), keypoints, torch.ones(2, 5))
    targets = encode(batch, encoding, sigma=1.0)
    buffer = torch.full((2, 5, 16, 12), 7.0)
    assert targets.maps(buffer) is buffer
    torch.testing.assert_close(buffer, targets.maps(), rtol=0, atol=0)


def test_no_value_is_denormal() -> None:
    far = torch.tensor([[[4.0, 4.0]]])
    targets = encode(Batch(torch.zeros(1, 3, 1024, 1024), far, torch.ones(1, 1)), "dark", sigma=1.0)
    assert targets.maps().min() >= torch.finfo(torch.float32).tiny
    assert targets.maps().max() == 1.0


@pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])
def test_gaussians_at_given_places_are_those_of_a_batch(encoding: Encoding) -> None:
    batch = random_batch(2, people=3, keypoints=17, height=64, width=48)
    places = to_map(batch.keypoints, encoding, (16, 12))
    found = gaussians(places, batch.labelled, (16, 12), encoding=encoding, sigma=1.5)
    expected = encode(batch, encoding, sigma=1.5)
    torch.testing.assert_close(vars(found), vars(expected), rtol=0, atol=0)
