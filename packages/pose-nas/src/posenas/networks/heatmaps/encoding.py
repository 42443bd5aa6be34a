"""Keypoints to Gaussian heat maps, and where a heat map's pixels lie in the view.

A Gaussian is the product of one over the rows and one over the columns, so targets stay two short vectors a
keypoint until a loss needs the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from posenas.contract.batches import Batch

QUARTER = 4
"""The stride of heat maps as the papers have them: view pixels to a heat-map pixel."""

_SMALLEST_EXPONENT = -40.0
"""A Gaussian's values end at 4e-18, nothing beside its height of 1: the denormal numbers that it would go on
to, as would products of two of them, take a CPU ten times as long."""

Encoding: TypeAlias = Literal["gaussian", "udp", "dark"]
"""How heat maps and coordinates belong together.

- gaussian: the centre is rounded to a heat-map pixel (Xiao et al., Simple Baselines, ECCV 2018).
- udp: the corner pixels of view and map coincide (Huang et al., Unbiased Data Processing, CVPR 2020).
- dark: the centre is not rounded (Zhang et al., Distribution-Aware Coordinate Representation, CVPR 2020).
"""


@dataclass(frozen=True)
class HeatmapTargets:
    """N x K Gaussians of height 1.

    Attributes:
        rows: (N, K, H), the factor over the map's rows.
        columns: (N, K, W), the factor over its columns.
        weights: (N, K), 1.0 where the keypoint counts, else 0.0.
    """

    rows: Tensor
    columns: Tensor
    weights: Tensor

    def maps(self, out: Tensor | None = None) -> Tensor:
        """(N, K, H, W), into `out` where it is given: the pages of a new tensor of 133 keypoints take
        several times as long as its values."""
        return torch.mul(self.rows.unsqueeze(3), self.columns.unsqueeze(2), out=out)


def encode(batch: Batch, encoding: Encoding, *, sigma: float, stride: int = QUARTER) -> HeatmapTargets:
    """The targets of a batch, on its device, in float32.

    A keypoint counts if it is labelled and its patch, the square of 3 sigma about it, reaches the map: beyond
    the last pixel by less than 3 sigma, before the first one by 3 sigma + 1 at most, as in the papers' code.
    The patch is about the pixel nearest to the keypoint, of `dark` about the keypoint itself. `gaussian` is
    zero outside it, as published; the others are not cut.

    Args:
        sigma: heat-map pixels.
        stride: view pixels to a heat-map pixel.
    """
    height, width = (side // stride for side in batch.images.shape[2:])
    centres = to_map(batch.keypoints.float(), encoding, (height, width), stride=stride)
    nearest = (centres + 0.5).trunc()  # towards zero left of the map too, as the papers' int() does
    radius = patch_radius(sigma)
    if encoding == "gaussian":
        centres, cut = nearest, float(radius)
    else:
        cut = float("inf")
    middles, reach = (centres, 3 * sigma) if encoding == "dark" else (nearest, radius)
    size = middles.new_tensor([width, height])
    reaches = ((middles >= -reach - 1) & (middles < size + reach)).all(2)
    return HeatmapTargets(
        rows=gaussian(centres[..., 1], height, sigma=sigma, cut=cut),
        columns=gaussian(centres[..., 0], width, sigma=sigma, cut=cut),
        weights=batch.labelled.float() * reaches,
    )


def in_view(batch: Batch) -> Tensor:
    """(N, K) bool: keypoints on a pixel of the view."""
    height, width = batch.images.shape[2:]
    last = batch.keypoints.new_tensor([width - 1, height - 1])
    return ((batch.keypoints >= -0.5) & (batch.keypoints <= last + 0.5)).all(2)


def patch_radius(sigma: float) -> int:
    """Heat-map pixels from the centre of a Gaussian's patch to its border."""
    return int(3 * sigma)


def to_map(keypoints: Tensor, encoding: Encoding, size: Sequence[int], *, stride: int = QUARTER) -> Tensor:
    """(..., 2) view pixels to heat-map pixels; `size` is the map's (height, width)."""
    return keypoints / _scale(keypoints, encoding, size, stride)


def to_view(positions: Tensor, encoding: Encoding, size: Sequence[int], *, stride: int = QUARTER) -> Tensor:
    """(..., 2) heat-map pixels to view pixels; `size` is the map's (height, width)."""
    return positions * _scale(positions, encoding, size, stride)


def _scale(like: Tensor, encoding: Encoding, size: Sequence[int], stride: int) -> Tensor:
    """View pixels to a heat-map pixel, over x and y."""
    if encoding != "udp":
        return like.new_tensor([stride, stride])
    height, width = size
    return like.new_tensor([(side * stride - 1) / (side - 1) for side in (width, height)])


def gaussian(centres: Tensor, length: int, *, sigma: float, cut: float) -> Tensor:
    """(...) centres to (..., length): exp(-distance^2 / 2 sigma^2), zero further than `cut`."""
    positions = torch.arange(length, device=centres.device, dtype=torch.float32)
    squares = (positions - centres.unsqueeze(-1)).square_()
    heights = (squares * (-0.5 / sigma**2)).clamp_(min=_SMALLEST_EXPONENT).exp_()
    return heights if math.isinf(cut) else heights.masked_fill_(squares > cut**2, 0.0)
