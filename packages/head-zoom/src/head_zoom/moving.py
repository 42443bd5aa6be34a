"""Maps looked at in other boxes, and maps of mirrored views."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from posenas.heatmaps import probabilities
from posenas.training import constant
from torch import Tensor

from head_zoom.maps import MapsInBoxes
from head_zoom.parts import Part
from head_zoom.resampling import resample
from head_zoom.targets import Coding

_LEAST = 1e-6
"""The least share of a pixel by which is divided."""


def move_values(maps: MapsInBoxes, boxes: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return maps of values in other boxes, and how far they are known.

    Args:
        maps: (N, R, K, h, w) in boxes of their own.
        boxes: (N, R, 4) to look at.
        size: height and width of the maps there.

    Returns:
        (N, R, K, H, W); and (N, R, 1, H, W), which falls from 1 to 0 across the border of their own boxes.
    """
    ones = torch.ones_like(maps.maps[:, :, :1])
    both = _moved(torch.cat([maps.maps, ones], dim=2), maps.boxes, boxes, size)
    covered = both[:, :, -1:]
    return both[:, :, :-1] / covered.clamp(min=_LEAST), covered


def move_distributions(logits: MapsInBoxes, boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Return the probabilities of pixels of maps in other boxes, at most 1 in sum.

    The sum over a map is the share of the distribution that lies in the other box.

    Args:
        logits: (N, R, K, h, w) in boxes of their own.
        boxes: (N, R, 4) to look at.
        size: height and width of the maps there.

    Returns:
        (N, R, K, H, W).
    """
    own = probabilities(logits.maps.flatten(0, 1)).view_as(logits.maps)
    densities = _moved(own, logits.boxes, boxes, size)
    pixels = _pixel_areas(boxes, size) / _pixel_areas(logits.boxes, logits.size)
    moved = densities * pixels[:, :, None, None, None]
    return moved / moved.sum((3, 4), keepdim=True).clamp(min=1.0)


def _moved(maps: Tensor, boxes: Tensor, to_boxes: Tensor, size: Sequence[int]) -> Tensor:
    regions = maps.shape[:2]
    moved = resample(maps.flatten(0, 1), boxes.flatten(0, 1), to_boxes.flatten(0, 1), size)
    return torch.unflatten(moved, 0, regions)


def _pixel_areas(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Return the areas of the maps' pixels in those of the view, (N, R)."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(2) / (size[0] * size[1])


def average_mirrored(
    outputs: MapsInBoxes, mirrored: MapsInBoxes, *, part: Part, width: int, coding: Coding
) -> MapsInBoxes:
    """Return the mean of the maps and those of the mirrored views, in the boxes of the former.

    Values count as far as their boxes reach.

    Args:
        outputs: a part's maps of the views.
        mirrored: its maps of the mirrored views.
        part: says which region and which point each is in a mirrored view.
        width: of the view, pixels.
        coding: how points and maps belong together.
    """
    undone = undo_mirror(mirrored, part=part, width=width)
    if coding.distributions:
        own = probabilities(outputs.maps.flatten(0, 1)).view_as(outputs.maps)
        mean = (own + move_distributions(undone, outputs.boxes, outputs.size)) / 2
        return MapsInBoxes(mean.clamp(min=torch.finfo(mean.dtype).tiny).log(), outputs.boxes)
    values, covered = move_values(undone, outputs.boxes, outputs.size)
    return MapsInBoxes((outputs.maps.float() + covered * values) / (1 + covered), outputs.boxes)


def undo_mirror(mirrored: MapsInBoxes, *, part: Part, width: int) -> MapsInBoxes:
    """Return the maps of mirrored views as maps of the views, in the boxes that they cover there.

    Args:
        mirrored: a part's maps of the mirrored views.
        part: says which region and which point each is in a mirrored view.
        width: of the view, pixels.
    """
    regions = constant(part.mirrored_regions, mirrored.maps, dtype=torch.int64)
    order = constant(part.mirrored, mirrored.maps, dtype=torch.int64)
    left, top, right, bottom = mirrored.boxes[:, regions].unbind(2)
    boxes = torch.stack([width - 1 - right, top, width - 1 - left, bottom], dim=2)
    return MapsInBoxes(mirrored.maps[:, regions][:, :, order].flip(4), boxes)
