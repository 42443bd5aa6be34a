"""Targets of a grid, against loops over groups of cells, anchors and objects in the facts' words."""

from __future__ import annotations

import math

import pytest
import torch
from head_kapao.anchors import ANCHORS, scaled_anchors
from head_kapao.assignment import Assignment, assign
from head_kapao.objects import Objects
from posenas import PosenasError
from torch import Tensor

HEIGHT, WIDTH, KEYPOINTS = 384, 640, 4
Target = tuple[int, int, int, int, list[float], int, list[list[float]], list[bool], bool]


def make(centres: Tensor, sizes: Tensor, *, seed: int = 0) -> Objects:
    generator = torch.Generator().manual_seed(seed)
    count = len(centres)
    size = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64)
    keypoints = torch.rand(count, KEYPOINTS, 2, generator=generator, dtype=torch.float64) * size
    return Objects(
        image=torch.randint(3, (count,), generator=generator),
        category=torch.randint(KEYPOINTS + 1, (count,), generator=generator),
        centres=centres,
        sizes=sizes,
        keypoints=keypoints,
        visible=torch.rand(count, KEYPOINTS, generator=generator) < 0.5,
        judged=torch.rand(count, generator=generator) < 0.5,
    )


def random_objects(seed: int, count: int) -> Objects:
    """Sizes from a pixel to twice the view; of the centres many are on borders of cells or of the view."""
    generator = torch.Generator().manual_seed(seed)
    view = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64)
    centres = torch.rand(count, 2, generator=generator, dtype=torch.float64) * view
    kind = torch.randint(6, (count, 2), generator=generator)
    centres = torch.where(kind == 0, (centres / 8).round() * 8, centres)
    centres = torch.where(kind == 1, 0.0, centres)
    centres = torch.where(kind == 2, view, centres)
    centres = torch.where(kind == 3, (centres / 8).floor() * 8 + 4, centres)
    sizes = torch.exp(torch.rand(count, 2, generator=generator, dtype=torch.float64) * math.log(2 * WIDTH))
    return make(centres, sizes, seed=seed)


def fraction(value: float) -> float:
    return value - math.floor(value)


def takes(direction: str, x: float, y: float, columns: int, rows: int) -> bool:
    """A centre on a border of cells has its nearer neighbour before it, not one on either side."""
    match direction:
        case "left":
            return fraction(x) < 0.5 and x > 1
        case "up":
            return fraction(y) < 0.5 and y > 1
        case "right":
            return 0 < fraction(columns - x) < 0.5 and columns - x > 1
        case "down":
            return 0 < fraction(rows - y) < 0.5 and rows - y > 1
    return True


STEPS = {"centre": (0, 0), "left": (-1, 0), "up": (0, -1), "right": (1, 0), "down": (0, 1)}


def literal(
    objects: Objects, anchors: list[list[float]], stride: int, rows: int, columns: int
) -> list[Target]:
    targets: list[Target] = []
    for direction, (dx, dy) in STEPS.items():
        for number, (anchor_width, anchor_height) in enumerate(anchors):
            for index in range(len(objects.image)):
                x, y = (value / stride for value in objects.centres[index].tolist())
                width, height = objects.sizes[index].tolist()
                ratios = [width / anchor_width, height / anchor_height]
                if max(max(ratio, 1 / ratio) for ratio in ratios) >= 4.0:
                    continue
                if not takes(direction, x, y, columns, rows):
                    continue
                column = min(max(math.floor(x) + dx, 0), columns - 1)
                row = min(max(math.floor(y) + dy, 0), rows - 1)
                points = [
                    [px / stride - column, py / stride - row] for px, py in objects.keypoints[index].tolist()
                ]
                targets.append(
                    (
                        int(objects.image[index]),
                        number,
                        row,
                        column,
                        [x - column, y - row, width / stride, height / stride],
                        int(objects.category[index]),
                        points,
                        objects.visible[index].tolist(),
                        bool(objects.judged[index]),
                    )
                )
    return targets


def as_list(assigned: Assignment) -> list[Target]:
    columns = [value.tolist() for value in vars(assigned).values()]
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize("stride", ANCHORS)
@pytest.mark.parametrize("count", [0, 1, 300])
def test_targets_and_their_order_are_those_of_the_loops(stride: int, count: int) -> None:
    objects = random_objects(stride + count, count)
    anchors = scaled_anchors([stride], input_size=WIDTH)[0].double()
    grid = (HEIGHT // stride, WIDTH // stride)
    found = as_list(assign(objects, anchors=anchors, stride=stride, grid=grid))
    assert found == literal(objects, anchors.tolist(), stride, *grid)
    if count == 300:
        assert len(found) > 100


def assigned_cells(x: float, y: float, *, grid: tuple[int, int] = (8, 8)) -> list[tuple[int, int]]:
    """(column, row) of one object that one anchor fits, centre and grid in cells of 8 pixels."""
    centre = torch.tensor([[x * 8, y * 8]], dtype=torch.float64)
    objects = make(centre, torch.full((1, 2), 20.0, dtype=torch.float64))
    assigned = assign(objects, anchors=torch.tensor([[20.0, 20.0]]), stride=8, grid=grid)
    return list(zip(assigned.column.tolist(), assigned.row.tolist(), strict=True))


def test_an_object_has_its_cell_and_the_nearer_neighbours() -> None:
    assert assigned_cells(3.2, 4.7) == [(3, 4), (2, 4), (3, 5)]
    assert assigned_cells(3.7, 4.2) == [(3, 4), (3, 3), (4, 4)]
    assert assigned_cells(3.5, 4.5) == [(3, 4)]


def test_a_centre_on_the_border_of_cells_has_the_earlier_neighbour_alone() -> None:
    assert assigned_cells(3.0, 4.5) == [(3, 4), (2, 4)]
    assert assigned_cells(4.5, 3.0) == [(4, 3), (4, 2)]
    assert assigned_cells(1.0, 4.5) == [(1, 4)], "the first column's border has none"
    assert assigned_cells(7.0, 4.5) == [(7, 4), (6, 4)]


@pytest.mark.parametrize(
    ("centre", "cells"),
    [
        (0.2, [0]),
        (1.0, [1]),
        (3.0, [3, 2]),
        (3.2, [3, 2]),
        (3.5, [3]),
        (3.7, [3, 4]),
        (7.0, [7, 6]),
        (7.8, [7]),
    ],
)
def test_cells_are_those_of_the_table_in_the_docs(centre: float, cells: list[int]) -> None:
    assert assigned_cells(centre, 4.5) == [(column, 4) for column in cells]
    assert assigned_cells(4.5, centre) == [(4, row) for row in cells]


def test_no_neighbour_is_outside_the_grid() -> None:
    assert assigned_cells(0.2, 0.3) == [(0, 0)]
    assert assigned_cells(7.8, 7.9) == [(7, 7)]
    assert assigned_cells(8.0, 8.0) == [(7, 7), (7, 7), (7, 7)], "cells at the far border are clamped"
    assert assigned_cells(0.4, 0.6, grid=(1, 1)) == [(0, 0)]


def test_sides_that_differ_by_the_whole_factor_do_not_fit() -> None:
    sizes = torch.tensor([[80.0, 20.0], [79.9, 20.0], [5.0, 20.0], [5.1, 20.0]], dtype=torch.float64)
    objects = make(torch.full((4, 2), 36.0, dtype=torch.float64), sizes)
    assigned = assign(objects, anchors=torch.tensor([[20.0, 20.0]]), stride=8, grid=(8, 8))
    assert assigned.box[:, 2].tolist() == [79.9 / 8, 5.1 / 8]


def test_anchors_follow_the_input_size() -> None:
    assert scaled_anchors([8, 64], input_size=1280).tolist() == [
        [[*pair] for pair in ANCHORS[s]] for s in (8, 64)
    ]
    assert scaled_anchors([16], input_size=640)[0].tolist() == [[48.0, 34.0], [43.0, 76.0], [90.0, 68.5]]


def test_a_stride_without_anchors_is_refused() -> None:
    with pytest.raises(PosenasError, match="no anchors for stride 4; choose levels of stride 8, 16, 32, 64"):
        scaled_anchors([4, 8], input_size=640)
