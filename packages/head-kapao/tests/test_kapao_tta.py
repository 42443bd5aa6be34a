"""Rows of scaled and mirrored passes come back to where they were."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from head_kapao.decoding import Rows
from head_kapao.tta import undo_mirror, undo_scale
from torch import Tensor
from torch.nn.functional import interpolate

HEIGHT, WIDTH = 40, 60
MIRRORED = (0, 2, 1, 3)


def random_rows(count: int = 30) -> Rows:
    generator = torch.Generator().manual_seed(0)
    size = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64)
    corners = (torch.rand(count, 2, 2, generator=generator, dtype=torch.float64) * size).sort(1).values
    return Rows(
        image=torch.randint(3, (count,), generator=generator),
        boxes=corners.flatten(1),
        category=torch.randint(5, (count,), generator=generator),
        scores=torch.rand(count, generator=generator),
        keypoints=torch.rand(count, 4, 2, generator=generator, dtype=torch.float64) * size,
        confidences=torch.rand(count, 4, generator=generator),
    )


def literal_mirror(rows: Rows) -> Rows:
    """Row by row, keypoint by keypoint."""
    boxes, keypoints, category = rows.boxes.clone(), rows.keypoints.clone(), rows.category.clone()
    assert rows.confidences is not None
    confidences = rows.confidences.clone()
    for row in range(len(boxes)):
        x1, y1, x2, y2 = rows.boxes[row].tolist()
        boxes[row] = torch.tensor([WIDTH - 1 - x2, y1, WIDTH - 1 - x1, y2])
        category[row] = {0: 0, 1: 1, 2: 3, 3: 2, 4: 4}[int(category[row])]
        for k, other in enumerate(MIRRORED):
            x, y = rows.keypoints[row, other].tolist()
            keypoints[row, k] = torch.tensor([WIDTH - 1 - x, y])
            confidences[row, k] = rows.confidences[row, other]
    return replace(rows, boxes=boxes, keypoints=keypoints, category=category, confidences=confidences)


def test_mirrored_rows_are_those_of_a_loop() -> None:
    rows = random_rows()
    found, expected = undo_mirror(rows, width=WIDTH, mirrored=MIRRORED), literal_mirror(rows)
    for name, value in vars(found).items():
        torch.testing.assert_close(value, getattr(expected, name), msg=name)


def test_a_mirror_twice_is_none() -> None:
    rows = random_rows()
    twice = undo_mirror(undo_mirror(rows, width=WIDTH, mirrored=MIRRORED), width=WIDTH, mirrored=MIRRORED)
    torch.testing.assert_close(twice.boxes, rows.boxes)
    torch.testing.assert_close(twice.keypoints, rows.keypoints)
    assert torch.equal(twice.category, rows.category)


def blob(x: float, y: float) -> Tensor:
    """(1, 1, H, W), brightest at a place."""
    columns, rows = torch.arange(WIDTH) - x, torch.arange(HEIGHT)[:, None] - y
    return torch.exp(-(columns**2 + rows**2) / 18)[None, None]


def centre_of(image: Tensor) -> tuple[float, float]:
    weights = image[0, 0] / image.sum()
    columns, rows = torch.arange(image.shape[3]), torch.arange(image.shape[2])[:, None]
    return float((weights * columns).sum()), float((weights * rows).sum())


def at(x: float, y: float) -> Rows:
    point = torch.tensor([x, y], dtype=torch.float64)
    number = torch.zeros(1, dtype=torch.int64)
    return Rows(number, point.repeat(1, 2), number + 1, torch.ones(1), point.repeat(1, 4, 1))


@pytest.mark.parametrize("scale", [0.8, 1.2])
def test_a_place_in_a_resized_picture_comes_back(scale: float) -> None:
    scaled = (int(HEIGHT * scale), int(WIDTH * scale))
    resized = interpolate(blob(35.0, 17.0), size=scaled, mode="bilinear", align_corners=False)
    rows = undo_scale(at(*centre_of(resized)), scaled=scaled, view=(HEIGHT, WIDTH))
    expected = torch.tensor([35.0, 17.0], dtype=torch.float64)
    torch.testing.assert_close(rows.keypoints[0, 0], expected, rtol=0, atol=0.02)
    torch.testing.assert_close(rows.boxes[0], expected.repeat(2), rtol=0, atol=0.02)


def test_a_place_in_a_mirrored_picture_comes_back() -> None:
    rows = undo_mirror(at(*centre_of(blob(35.0, 17.0).flip(3))), width=WIDTH, mirrored=MIRRORED)
    expected = torch.tensor([35.0, 17.0], dtype=torch.float64)
    torch.testing.assert_close(rows.keypoints[0, 0], expected, rtol=0, atol=1e-3)
    assert rows.confidences is None


def test_no_rows_stay_no_rows() -> None:
    rows = Rows(*(value[:0] for value in vars(random_rows()).values()))
    assert len(undo_mirror(rows, width=WIDTH, mirrored=MIRRORED).boxes) == 0
    assert undo_scale(rows, scaled=(32, 48), view=(HEIGHT, WIDTH)).boxes.shape == (0, 4)
