"""A map looked at in another box equals what torch samples there, cell by cell."""

from __future__ import annotations

import torch
from head_zoom.resampling import resample
from torch import Tensor
from torch.nn.functional import grid_sample


def reference(maps: Tensor, boxes: Tensor, to_boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The same by torch's `grid_sample`, one place at a time."""
    found = torch.zeros(*maps.shape[:2], *size, dtype=torch.float64)
    for index, (box, to_box) in enumerate(zip(boxes.tolist(), to_boxes.tolist(), strict=True)):
        for row in range(size[0]):
            for column in range(size[1]):
                x = to_box[0] + (column + 0.5) / size[1] * (to_box[2] - to_box[0])
                y = to_box[1] + (row + 0.5) / size[0] * (to_box[3] - to_box[1])
                # grid_sample's -1 and 1 are the outer edges of the first and the last cell.
                place = [2 * (x - box[0]) / (box[2] - box[0]) - 1, 2 * (y - box[1]) / (box[3] - box[1]) - 1]
                grid = torch.tensor([[[place]]], dtype=torch.float64)
                value = grid_sample(maps[index : index + 1].double(), grid, align_corners=False)
                found[index, :, row, column] = value[0, :, 0, 0]
    return found


def drawn(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Four maps of 6x5 cells, their boxes, and boxes nearby, which partly lie outside."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(4, 3, 6, 5, generator=generator)
    corners = torch.rand(2, 4, 2, generator=generator) * 20
    sides = torch.rand(2, 4, 2, generator=generator) * 30 + 2
    boxes, to_boxes = torch.cat([corners, corners + sides], dim=-1)
    return maps, boxes, to_boxes


def test_it_is_what_torch_samples_there() -> None:
    for seed in range(3):
        maps, boxes, to_boxes = drawn(seed)
        found = resample(maps, boxes, to_boxes, (7, 9))
        assert found.dtype == torch.float32
        torch.testing.assert_close(
            found.double(), reference(maps, boxes, to_boxes, (7, 9)), atol=1e-5, rtol=0
        )


def test_in_its_own_box_a_map_is_itself() -> None:
    maps, boxes, _ = drawn(5)
    torch.testing.assert_close(resample(maps, boxes, boxes, (6, 5)), maps, atol=1e-6, rtol=0)


def test_a_map_of_an_exchanged_box_is_mirrored() -> None:
    maps, boxes, to_boxes = drawn(6)
    found = resample(maps, boxes[:, [2, 1, 0, 3]], to_boxes, (7, 9))
    torch.testing.assert_close(found, resample(maps.flip(-1), boxes, to_boxes, (7, 9)), atol=1e-6, rtol=0)


def test_far_away_and_without_area_it_is_zero_and_learns_nothing() -> None:
    maps = torch.ones(3, 1, 4, 4, requires_grad=True)
    boxes = torch.tensor([[0.0, 0, 4, 4], [1, 1, 1, 1], [2, 0, 2, 4]], requires_grad=True)
    to_boxes = torch.tensor([[9.0, 9, 12, 12], [0, 0, 4, 4], [0, 0, 4, 4]])
    found = resample(maps, boxes, to_boxes, (4, 4))
    found.sum().backward()
    assert found.eq(0).all()
    assert maps.grad is not None
    assert maps.grad.eq(0).all()
    assert boxes.grad is not None
    assert boxes.grad.eq(0).all()


def test_maps_and_boxes_get_their_gradients() -> None:
    maps, boxes, to_boxes = (value.double().requires_grad_() for value in drawn(7))
    assert torch.autograd.gradcheck(lambda *inputs: resample(*inputs, (3, 2)), (maps, boxes, to_boxes))


def test_autocast_does_not_reach_it() -> None:
    maps, boxes, to_boxes = drawn(8)
    exact = resample(maps, boxes, to_boxes, (7, 9))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(resample(maps, boxes, to_boxes, (7, 9)), exact)
