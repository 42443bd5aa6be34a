"""RoIAlign: the features of a box, brought to a fixed number of bins.

A bin is the mean of samples on a grid that is parallel to the map's axes. Bilinear interpolation is the
product of one weight in x and one in y, and so is the rule for samples outside the map. A box's bins are
therefore `Wy @ features @ Wx.T` with two small matrices: two batched matrix products without a gather, a
scatter or a loop over boxes. They are deterministic on every device, and differentiable in the boxes too.

Source: He et al., Mask R-CNN, ICCV 2017; the rules at the border are those of the usual implementations.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from head_zoom.cells import resampled

_NEAR = 6
"""Samples that are looked at for each cell where their number follows from the box.

Two or more samples of one bin are then over half a cell apart, so that at most 4 of them lie within one cell
of any cell's centre. The other 2 allow for rounding.
"""


def roi_align(features: Tensor, boxes: Tensor, size: int, *, samples: int = 0) -> Tensor:
    """Return the features in boxes: (N, C, H, W) and (N, R, 4) to (N, R, C, size, size).

    Positions are computed in float64, products in float32 at least, also under autocast.

    Args:
        features: (N, C, H, W) in any precision.
        boxes: (N, R, 4) left, top, right, bottom in cells of the map, whose first cell covers 0 to 1. They
            may have any size and place: a sample that is over a cell away from the map counts as 0.
        size: bins along each side of a box.
        samples: along each side of a bin; 0 takes one for every cell or part of a cell that the bin covers.
            A side of zero or less then has none, and its bins are 0.
    """
    left, top, right, bottom = boxes.double().unbind(dim=-1)
    height, width = features.shape[-2:]
    rows = _weights(top, bottom, cells=height, bins=size, samples=samples)
    columns = _weights(left, right, cells=width, bins=size, samples=samples)
    return resampled(features, rows, columns)


def _weights(start: Tensor, end: Tensor, *, cells: int, bins: int, samples: int) -> Tensor:
    """Return the weight of each cell of an axis in each bin: (..., bins, cells).

    Args:
        start, end: (...) edges of the boxes in cells.
        cells: of the map along this axis.
        bins: of a box.
        samples: along a bin, or 0 where their number follows from the box.
    """
    if start.is_meta:  # costs are counted there: they depend on shapes alone, and many small steps take long
        return start.new_empty(*start.shape, bins, cells)
    length = ((end - start) / bins)[..., None, None]
    number = torch.full_like(length, samples) if samples else length.detach().ceil()
    step = length / number.clamp(min=1)
    index = torch.arange(bins, device=start.device, dtype=start.dtype)[:, None]
    origin = start[..., None, None] - 0.5 + index * length
    centres = torch.arange(cells, device=start.device, dtype=start.dtype)
    first = torch.zeros_like(origin) if samples else _first_near(centres, origin, step, number)
    offsets = torch.arange(samples or _NEAR, device=start.device, dtype=start.dtype)
    sample = first[..., None] + offsets
    place = origin[..., None] + (sample + 0.5) * step[..., None]
    counts = (sample < number[..., None]) & (place >= -1) & (place <= cells)
    near = relu(1 - (place.clamp(0, cells - 1) - centres[:, None]).abs()) * counts
    return near.sum(-1) / number.clamp(min=1)


@torch.no_grad()
def _first_near(centres: Tensor, origin: Tensor, step: Tensor, number: Tensor) -> Tensor:
    """Return the index of each bin's sample at which each cell begins to look: (..., bins, cells).

    Every sample before that one is a cell or more before the cell's centre.
    """
    spacing = torch.where(step > 0, step, 1)
    return torch.minimum(((centres - 1 - origin) / spacing - 0.5).floor(), number - 1).clamp(min=0)
