"""The assignment of objects to the cells and anchors that learn them.

An anchor takes an object if their sides are within a factor of four. It does so on every grid, in the cell of
the object's centre and in the nearer neighbours beside and above or below: up to three cells.

Source: KAPAO (McNally, thesis, 2022), section 4.2.1; the factor and the neighbours as in its public code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from head_kapao.objects import Objects

RATIO = 4.0
"""The factor that the sides of an object and of its anchors stay below."""


@dataclass(frozen=True)
class Assignment:
    """M targets on one grid. Lengths are in cells, places relative to the origin of the target's cell.

    Attributes:
        image: (M,) int64; with `anchor`, `row` and `column` the place in the (N, 3, H, W) grid.
        box: (M, 4) centre x, y, width, height.
        category: (M,) int64, 0 for a pose, k for keypoint k.
        keypoints: (M, K, 2).
        visible: (M, K) bool.
        judged: (M,) bool, as in `Objects`.
    """

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    box: Tensor
    category: Tensor
    keypoints: Tensor
    visible: Tensor
    judged: Tensor

    @property
    def place(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The index of the targets in (N, 3, H, W)."""
        return self.image, self.anchor, self.row, self.column


def assign(objects: Objects, *, anchors: Tensor, stride: int, grid: tuple[int, int]) -> Assignment:
    """Return all targets of one grid.

    Targets in the centres' cells come first, then those left, above, right, below. In each of these groups
    they are ordered by anchor, then by object.

    Args:
        objects: the objects of a batch of views.
        anchors: (A, 2) width and height, pixels.
        stride: the grid's.
        grid: rows and columns.
    """
    anchor, chosen = _fits(objects.sizes, anchors.to(objects.sizes)).nonzero(as_tuple=True)
    centres = objects.centres[chosen] / stride
    steps, taking = _neighbours(centres, grid)
    direction, match = taking.nonzero(as_tuple=True)
    last = steps.new_tensor([grid[1] - 1, grid[0] - 1])
    cells = (centres[match].floor().long() + steps[direction]).clamp(min=0).minimum(last)
    anchor, chosen = anchor[match], chosen[match]
    return Assignment(
        image=objects.image[chosen],
        anchor=anchor,
        row=cells[:, 1],
        column=cells[:, 0],
        box=torch.cat([centres[match] - cells, objects.sizes[chosen] / stride], dim=1),
        category=objects.category[chosen],
        keypoints=objects.keypoints[chosen] / stride - cells.unsqueeze(1),
        visible=objects.visible[chosen],
        judged=objects.judged[chosen],
    )


def _fits(sizes: Tensor, anchors: Tensor) -> Tensor:
    """Tell, as (A, O) bool, which of (O, 2) sizes fit which of (A, 2) anchors."""
    ratios = sizes / anchors.unsqueeze(1)
    return torch.maximum(ratios, 1 / ratios).amax(2) < RATIO


def _neighbours(centres: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the steps to neighbouring cells, and which of those cells take each object.

    A centre on the border of two cells lies in the later one, and the earlier one is its neighbour. A centre
    on the border of the first two cells has no neighbour, nor has one in the middle of a cell.

    Returns:
        (5, 2) steps in x and y, and (5, M) whether the cell so far from the centre's takes the object.
    """
    size = centres.new_tensor([grid[1], grid[0]])
    fraction = centres - centres.floor()
    before = (fraction < 0.5) & (centres > 1)
    after = (fraction > 0.5) & (centres < size - 1)
    taking = torch.cat([torch.ones_like(before[:, :1]), before, after], dim=1)
    steps = torch.tensor([[0, 0], [-1, 0], [0, -1], [1, 0], [0, 1]], device=centres.device)
    return steps, taking.T
