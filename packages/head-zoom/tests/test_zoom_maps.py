"""Maps in boxes: their geometry, maps moved into other boxes, and mirrored ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from head_zoom.maps import MapsInBoxes, to_map, to_view, whole_view
from head_zoom.moving import average_mirrored, move_distributions, move_values, undo_mirror
from head_zoom.parts import Part, parts_of
from head_zoom.targets import Coding
from posenas import COCO_WHOLEBODY_133
from posenas.heatmaps import Encoding, log_probabilities, to_view as heatmaps_to_view
from torch import Tensor

ENCODINGS = pytest.mark.parametrize("encoding", ["gaussian", "udp", "dark"])
BODY, FACE, HAND = parts_of(COCO_WHOLEBODY_133)


def random_boxes(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    starts = 60 * torch.rand(*shape, 2, generator=generator) - 20
    return torch.cat([starts, starts + 5 + 40 * torch.rand(*shape, 2, generator=generator)], dim=-1)


def test_a_boxs_border_is_half_a_pixel_outside_the_map() -> None:
    boxes = torch.tensor([[[10.0, 20.0, 26.0, 52.0]]])
    corners = torch.tensor([[[[10.0, 20.0], [26.0, 52.0], [11.0, 22.0]]]])
    expected = torch.tensor([[[[-0.5, -0.5], [7.5, 7.5], [0.0, 0.0]]]])
    torch.testing.assert_close(to_map(corners, boxes, (8, 8)), expected)


def test_to_view_undoes_to_map() -> None:
    boxes, points = random_boxes(3, 2), 50 * torch.rand(3, 2, 7, 2)
    torch.testing.assert_close(to_view(to_map(points, boxes, (16, 24)), boxes, (16, 24)), points)


@ENCODINGS
def test_a_levels_maps_at_full_size_are_those_of_the_heatmap_head(encoding: Encoding) -> None:
    size = (32, 24)
    box = torch.tensor(whole_view((128, 96), size, stride=4, encoding=encoding)).expand(1, 1, 4)
    positions = 24 * torch.rand(1, 1, 9, 2)
    torch.testing.assert_close(to_view(positions, box, size), heatmaps_to_view(positions, encoding, size))


@pytest.mark.parametrize("cells", [8, 16, 24])
def test_cells_of_a_smaller_copy_lie_where_convolutions_see_the_view(cells: int) -> None:
    """Pixel q of a copy 4c wide is (q + 1/2) x 96 / 4c - 1/2 in the view, and cell j of c is about 4j."""
    left, _, right, _ = whole_view((128, 96), (32, cells), stride=4, encoding="gaussian")
    centres = [left + (cell + 0.5) * (right - left) / cells for cell in range(cells)]
    seen = [(4 * cell + 0.5) * 96 / (4 * cells) - 0.5 for cell in range(cells)]
    np.testing.assert_allclose(centres, seen, atol=1e-9)


def gaussian_logits(points: Tensor, boxes: Tensor, size: int, *, sigma: float) -> MapsInBoxes:
    """Logits whose distributions are Gaussians about (N, R, K, 2) pixels of the view."""
    places = to_map(points, boxes, (size, size))
    pixels = torch.arange(size)
    squares = (pixels - places[..., 1, None])[..., :, None] ** 2 + (pixels - places[..., 0, None])[
        ..., None, :
    ] ** 2
    return MapsInBoxes(-squares / (2 * sigma**2), boxes)


def test_a_distribution_in_another_box_keeps_its_place_and_its_share() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 32.0, 32.0]]])
    points = torch.tensor([[[[16.0, 12.0], [12.0, 20.0]]]])
    logits = gaussian_logits(points, boxes, 32, sigma=2.0)
    inside = torch.tensor([[[4.0, 2.0, 28.0, 30.0]]])
    moved = move_distributions(logits, inside, (24, 24))
    torch.testing.assert_close(moved.sum((3, 4)), torch.ones(1, 1, 2), rtol=0, atol=0.02)
    columns = (moved.sum(3) * torch.arange(24)).sum(3) / moved.sum((3, 4))
    rows = (moved.sum(4) * torch.arange(24)).sum(3) / moved.sum((3, 4))
    centres = to_view(torch.stack([columns, rows], dim=3), inside, (24, 24))
    torch.testing.assert_close(centres, points, rtol=0, atol=0.1)
    half = move_distributions(logits, torch.tensor([[[16.0, 0.0, 48.0, 32.0]]]), (32, 32))
    torch.testing.assert_close(half.sum((3, 4)), torch.tensor([[[0.5, 0.0228]]]), rtol=0, atol=0.01)


def test_values_are_covered_inside_their_box_alone() -> None:
    maps = MapsInBoxes(torch.full((1, 1, 2, 8, 8), 3.0), torch.tensor([[[0.0, 0.0, 8.0, 8.0]]]))
    values, covered = move_values(maps, torch.tensor([[[4.0, 0.0, 12.0, 8.0]]]), (8, 8))
    torch.testing.assert_close(covered, torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0]).expand(1, 1, 1, 8, 8))
    torch.testing.assert_close(values[..., :4], torch.full((1, 1, 2, 8, 4), 3.0))


def mirrored_points(points: Tensor, *, hands: bool, width: int) -> Tensor:
    """A person's points of a part in the mirrored view, from the definition of the keypoint set alone."""
    regions = list(COCO_WHOLEBODY_133.regions.values())
    rows = regions[1:] if hands else regions[:1]
    order = COCO_WHOLEBODY_133.mirrored
    by_index = {
        index: points[:, region, place] for region, row in enumerate(rows) for place, index in enumerate(row)
    }
    images = torch.stack([torch.stack([by_index[order[index]] for index in row], 1) for row in rows], 1)
    return torch.stack([width - 1 - images[..., 0], images[..., 1]], dim=3)


@pytest.mark.parametrize("part", [FACE, HAND])
def test_maps_of_mirrored_views_are_those_of_the_views_again(part: Part) -> None:
    hands = part is HAND
    shape = len(part.points), len(part.points[0])
    boxes = random_boxes(2, shape[0])
    points = boxes[:, :, None, :2] + torch.rand(2, *shape, 2) * (boxes[..., 2:] - boxes[..., :2])[:, :, None]
    mirrored_boxes = torch.stack(
        [95 - boxes[..., 2], boxes[..., 1], 95 - boxes[..., 0], boxes[..., 3]], dim=2
    )
    mirrored_boxes = mirrored_boxes.flip(1)  # a left hand is a right one
    logits = gaussian_logits(points, boxes, 16, sigma=1.5)
    mirrored = gaussian_logits(mirrored_points(points, hands=hands, width=96), mirrored_boxes, 16, sigma=1.5)
    undone = undo_mirror(mirrored, part=part, width=96)
    torch.testing.assert_close(undone.boxes, boxes)
    torch.testing.assert_close(undone.maps, logits.maps, rtol=1e-4, atol=1e-3)
    for coding in (Coding("udp", distributions=True), Coding("gaussian", distributions=False)):
        averaged = average_mirrored(logits, mirrored, part=part, width=96, coding=coding)
        own = logits.maps.flatten(0, 1)
        expected = log_probabilities(own) if coding.distributions else own
        close = averaged.maps.flatten(0, 1)
        near = expected > -20
        torch.testing.assert_close(close[near], expected[near], rtol=1e-3, atol=1e-2)


def test_values_outside_the_mirrored_box_are_the_views_own() -> None:
    own = MapsInBoxes(torch.ones(1, 1, 68, 4, 4), torch.tensor([[[10.0, 0.0, 18.0, 8.0]]]))
    mirrored = MapsInBoxes(torch.full((1, 1, 68, 4, 4), 3.0), torch.tensor([[[81.0, 0.0, 85.0, 8.0]]]))
    averaged = average_mirrored(own, mirrored, part=FACE, width=96, coding=Coding("udp", distributions=False))
    torch.testing.assert_close(averaged.maps[0, 0, 0, 0], torch.tensor([2.0, 2.0, 1.0, 1.0]))


def test_the_body_maps_are_mirrored_like_its_keypoints_and_boxes() -> None:
    names = [*COCO_WHOLEBODY_133.names]
    for region in COCO_WHOLEBODY_133.regions:
        names += [
            f"{region} {point}" for point in ("top left", "top right", "bottom right", "bottom left", "c")
        ]
    row = [names[index] for index in BODY.points[0]]
    assert len(row) == 38
    swapped = [row[index] for index in BODY.mirrored]
    pairs = dict(zip(row, swapped, strict=True))
    assert pairs["left_wrist"] == "right_wrist"
    assert pairs["left_hand top left"] == "right_hand top right"
    assert pairs["face bottom right"] == "face bottom left"
    assert pairs["right_hand c"] == "left_hand c"
    assert pairs["nose"] == "nose"
