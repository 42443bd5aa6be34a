"""People to objects, against a loop over people; and people that are hard to make objects of."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from head_kapao.objects import Objects, make_objects
from torch import Tensor

HEIGHT, WIDTH, KEYPOINTS = 96, 160, 5


def random_people(seed: int, people: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Some boxes have no size or lie outside, some keypoints too."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    size = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64)
    centres, sizes = (uniform(people, 2) * 1.4 - 0.2) * size, uniform(people, 2) * size
    sizes[uniform(people) < 0.1] = 0.0
    image = torch.randint(3, (people,), generator=generator)
    keypoints = (uniform(people, KEYPOINTS, 2) * 1.4 - 0.2) * size
    visibility = torch.randint(3, (people, KEYPOINTS), generator=generator)
    visibility[uniform(people) < 0.2] = 0
    return image, torch.cat([centres - sizes / 2, centres + sizes / 2], dim=1), keypoints, visibility


def is_inside(x: float, y: float) -> bool:
    return 0 <= x <= WIDTH - 1 and 0 <= y <= HEIGHT - 1


def literal_rows(
    image: Tensor, boxes: Tensor, keypoints: Tensor, visibility: Tensor, side: float
) -> list[list[float]]:
    """One row an object: image, category, centre, size, keypoints, visible, judged."""
    poses, objects = [], []
    for person in range(len(image)):
        x1, y1, x2, y2 = boxes[person].tolist()
        points, flags = keypoints[person].tolist(), visibility[person].tolist()
        seen = [float(flag > 0 and is_inside(*point)) for point, flag in zip(points, flags, strict=True)]
        x, y, width, height = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        number = float(image[person])
        if width > 0 and height > 0 and is_inside(x, y):
            flat = [value for point in points for value in point]
            poses.append([number, 0.0, x, y, width, height, *flat, *seen, float(max(flags) > 0)])
        for index, point in enumerate(points):
            if seen[index]:
                nothing = [0.0] * (3 * KEYPOINTS + 1)
                objects.append([number, index + 1.0, *point, side, side, *nothing])
    return poses + objects


def as_rows(objects: Objects) -> list[list[float]]:
    values = [getattr(objects, field.name).double() for field in fields(objects)]
    rows: list[list[float]] = torch.cat(
        [value.flatten(1) if value.dim() > 1 else value[:, None] for value in values], 1
    ).tolist()
    return rows


@pytest.mark.parametrize("people", [0, 1, 60])
def test_objects_are_those_of_a_loop_over_people(people: int) -> None:
    image, boxes, keypoints, visibility = random_people(people, people)
    objects = make_objects(image, boxes, keypoints=keypoints, visibility=visibility, view=(HEIGHT, WIDTH))
    assert as_rows(objects) == literal_rows(image, boxes, keypoints, visibility, 0.05 * WIDTH)
    if people == 60:
        assert 0 < int((objects.category == 0).sum()) < people, "no pose was left out"


def test_side_of_a_keypoint_is_a_share_of_the_longer_side() -> None:
    image, boxes, keypoints, visibility = random_people(1, 20)
    objects = make_objects(
        image, boxes, keypoints=keypoints, visibility=visibility, view=(HEIGHT, WIDTH), keypoint_size=0.1
    )
    assert (objects.sizes[objects.category > 0] == 0.1 * WIDTH).all()
    assert (objects.category > 0).any()


def one_person(box: list[float], points: list[list[float]], visibility: list[int]) -> Objects:
    return make_objects(
        torch.zeros(1, dtype=torch.int64),
        torch.tensor([box]),
        keypoints=torch.tensor([points]),
        visibility=torch.tensor([visibility]),
        view=(HEIGHT, WIDTH),
    )


def test_a_person_without_keypoints_is_a_pose_that_teaches_no_confidence() -> None:
    objects = one_person([10.0, 10.0, 50.0, 90.0], [[0.0, 0.0], [0.0, 0.0]], [0, 0])
    assert objects.category.tolist() == [0]
    assert not objects.visible.any()
    assert not objects.judged.any()


def test_keypoints_of_a_person_without_a_box_stay() -> None:
    objects = one_person([20.0, 20.0, 20.0, 60.0], [[20.0, 30.0], [20.0, 50.0]], [2, 1])
    assert objects.category.tolist() == [1, 2]


def test_a_pose_whose_keypoints_are_all_outside_is_judged() -> None:
    objects = one_person([10.0, 10.0, 50.0, 90.0], [[-5.0, 20.0], [20.0, HEIGHT + 1.0]], [2, 1])
    assert objects.category.tolist() == [0]
    assert objects.judged.tolist() == [True]
    assert not objects.visible.any()


def test_a_keypoint_at_the_border_is_the_centre_of_its_whole_square() -> None:
    objects = one_person([0.0, 0.0, 50.0, 90.0], [[0.0, 0.0], [WIDTH - 1.0, HEIGHT - 1.0]], [2, 2])
    assert objects.centres[1:].tolist() == [[0.0, 0.0], [WIDTH - 1.0, HEIGHT - 1.0]]
    assert objects.sizes[1:].tolist() == [[8.0, 8.0], [8.0, 8.0]]


def test_coordinates_that_are_no_numbers_make_no_object() -> None:
    nan = float("nan")
    assert len(one_person([nan, 0.0, 50.0, 90.0], [[nan, 3.0], [4.0, nan]], [2, 2]).category) == 0
