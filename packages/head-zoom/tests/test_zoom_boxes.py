"""Boxes of regions equal literal computations; training trusts its own boxes only where they are good."""

from __future__ import annotations

import torch
from head_zoom.boxes import around, enlarge, overlap, trained
from torch import Tensor


def random_boxes(number: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    starts = 20 * torch.rand(number, 2, 2, generator=generator)
    return torch.cat([starts, starts + 1 + 20 * torch.rand(number, 2, 2, generator=generator)], dim=2)


def test_the_least_rectangle_around_points() -> None:
    points = torch.tensor([[[[3.0, 4.0], [-1.0, 9.0], [5.0, 2.0]]]])
    assert around(points).tolist() == [[[-1.0, 2.0, 5.0, 9.0]]]


def test_boxes_are_enlarged_about_their_centres() -> None:
    boxes = torch.tensor([[[10.0, 10.0, 20.0, 14.0], [5.0, 5.0, 5.0, 5.0], [0.0, 0.0, 90.0, 10.0]]])
    larger = enlarge(boxes, 1.5, least=8.0, most=100.0)
    assert larger.tolist() == [[[7.5, 8.0, 22.5, 16.0], [1.0, 1.0, 9.0, 9.0], [-5.0, -2.5, 95.0, 12.5]]]


def test_overlap_equals_a_literal_loop() -> None:
    first, second = random_boxes(40, 0), random_boxes(40, 1)
    found = overlap(first, second)
    for row in range(40):
        for region in range(2):
            a, b = first[row, region].tolist(), second[row, region].tolist()
            width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
            height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
            areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
            expected = width * height / (sum(areas) - width * height)
            assert abs(float(found[row, region]) - expected) < 1e-5
    assert (found == 0).any()
    assert (found > 0.5).any()


def test_training_takes_true_boxes_only_where_its_own_are_poor_and_the_truth_is_known() -> None:
    own = torch.tensor([[[0.0, 0.0, 10.0, 10.0]] * 4])
    true = torch.tensor(
        [[[0.0, 0.0, 10.0, 6.0], [0.0, 0.0, 10.0, 4.0], [0.0, 0.0, 10.0, 4.0], [50.0, 50.0, 60.0, 60.0]]]
    )
    known = torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    taken = trained(own, true, known)
    torch.testing.assert_close(taken, torch.stack([own[:, 0], true[:, 1], own[:, 2], true[:, 3]], dim=1))
