"""Maps of boxes, looked at in other boxes: what a network found in its own box, where another one looks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import relu

from head_zoom.cells import resampled


def resample(maps: Tensor, boxes: Tensor, to_boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Return maps as seen in other boxes, bilinearly and 0 outside: (M, K, H, W) to (M, K, *size).

    A cell's value is that at its centre. Maps, boxes and the boxes looked at get gradients.

    Args:
        maps: (M, K, H, W) in any precision; the result is in float32 at least.
        boxes: (M, 4) left, top, right, bottom of what each map shows. If left and right are exchanged, the
            map's first column lies at the right: it shows the mirror image. The map of a box without area is
            nowhere, and gives 0.
        to_boxes: (M, 4) left, top, right, bottom of what is to be shown, in the same unit.
        size: height and width of the result, in cells.
    """
    left, top, right, bottom = boxes.double().unbind(dim=-1)
    to_left, to_top, to_right, to_bottom = to_boxes.double().unbind(dim=-1)
    height, width = maps.shape[-2:]
    rows = _weights((top, bottom), (to_top, to_bottom), cells=height, size=size[0])
    columns = _weights((left, right), (to_left, to_right), cells=width, size=size[1])
    return resampled(maps, rows[:, None], columns[:, None])[:, 0]


def _weights(shown: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor], *, cells: int, size: int) -> Tensor:
    """Return the weight of each cell of an axis in each new cell: (M, size, cells).

    Args:
        shown: (M,) start and end of what the cells show.
        wanted: (M,) start and end of what the new cells show.
        cells: number of cells.
        size: number of new cells.
    """
    (start, end), (to_start, to_end) = shown, wanted
    fraction = (torch.arange(size, device=start.device, dtype=start.dtype) + 0.5) / size
    offset = to_start[:, None] + fraction * (to_end - to_start)[:, None] - start[:, None]
    length = (end - start)[:, None]
    somewhere = length != 0
    place = offset / torch.where(somewhere, length, 1) * cells - 0.5
    centres = torch.arange(cells, device=start.device, dtype=start.dtype)
    return relu(1 - (place[..., None] - centres).abs()) * somewhere[..., None]
