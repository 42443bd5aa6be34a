"""Encoding: keypoints to Gaussian heat maps, and where a heat map's pixels lie in the view.

A Gaussian is the product of one over the rows and one over the columns, so targets stay two short vectors for
each keypoint until a loss needs the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from posenas.contract.batches import Batch
from posenas.networks.constants import constant

QUARTER = 4
"""The stride of the papers' heat maps: view pixels for one heat-map pixel."""

_SMALLEST_EXPONENT = -40.0
"""The exponent at which a Gaussian's values end: 4e-18, nothing beside its height of 1.

Smaller values, and products of two of them, would be denormal numbers, which take a CPU ten times as long.
"""

Encoding: TypeAlias = Literal["gaussian", "udp", "dark"]
"""How heat maps and coordinates belong together.

- gaussian: the centre is rounded to a heat-map pixel (Xiao et al., Simple Baselines, ECCV 2018).
- udp: the corner pixels of view and map coincide (Huang et al., Unbiased Data Processing, CVPR 2020).
- dark: the centre is not rounded (Zhang et al., Distribution-Aware Coordinate Representation, CVPR 2020).
"""


@dataclass(frozen=True)
class HeatmapTargets:
    """The N x K Gaussians of height 1 that a batch's maps should be.

    Attributes:
        rows: (N, K, H), the factor over the map's rows.
        columns: (N, K, W), the factor over its columns.
        weights: (N, K), 1.0 where the keypoint counts, else 0.0.
    """

    rows: Tensor
    columns: Tensor
    weights: Tensor

    def maps(self, out: Tensor | None = None) -> Tensor:
        """Return the maps, (N, K, H, W), in `out` where it is given.

        Giving it saves time: the pages of a new tensor for 133 keypoints take several times as long as its
        values.
        """
        return torch.mul(self.rows.unsqueeze(3), self.columns.unsqueeze(2), out=out)


def encode(batch: Batch, encoding: Encoding, *, sigma: float, stride: int = QUARTER) -> HeatmapTargets:
    """Return the targets of a batch, on its device, in float32.

    A keypoint counts if it is labelled and its patch, the square of 3 sigma about it, reaches the map: beyond
    the last pixel by less than 3 sigma, before the first one by 3 sigma + 1 at most, as in the papers' code.
    The patch is about the pixel nearest to the keypoint, for `dark` about the keypoint itself. `gaussian` is
    zero outside it, as published; the other encodings are not cut.

    Args:
        batch: crops of N people.
        encoding: how heat maps and coordinates belong together.
        sigma: standard deviation of the Gaussians, heat-map pixels.
        stride: view pixels for one heat-map pixel.
    """
    size = batch.images.shape[2] // stride, batch.images.shape[3] // stride
    centres = to_map(batch.keypoints.float(), encoding, size, stride=stride)
    return gaussians(centres, batch.labelled, size, encoding=encoding, sigma=sigma)


def gaussians(
    centres: Tensor, labelled: Tensor, size: Sequence[int], *, encoding: Encoding, sigma: float
) -> HeatmapTargets:
    """Return the targets of keypoints at given places of their maps; which of them count, says `encode`.

    Args:
        centres: (N, K, 2) heat-map pixels, float32.
        labelled: (N, K) 1.0 where the keypoint is labelled, else 0.0.
        size: (height, width) of the maps.
        encoding: how heat maps and coordinates belong together.
        sigma: standard deviation of the Gaussians, heat-map pixels.
    """
    height, width = size
    nearest = (centres + 0.5).trunc()  # towards zero left of the map too, as the papers' int() does
    radius = patch_radius(sigma)
    if encoding == "gaussian":
        centres, cut = nearest, float(radius)
    else:
        cut = float("inf")
    middles, reach = (centres, 3 * sigma) if encoding == "dark" else (nearest, radius)
    behind = constant([width, height], middles)
    reaches = ((middles >= -reach - 1) & (middles < behind + reach)).all(2)
    return HeatmapTargets(
        rows=gaussian(centres[..., 1], height, sigma=sigma, cut=cut),
        columns=gaussian(centres[..., 0], width, sigma=sigma, cut=cut),
        weights=labelled.float() * reaches,
    )


def in_view(batch: Batch) -> Tensor:
    """Return whether each keypoint lies on a pixel of the view: (N, K) bool."""
    height, width = batch.images.shape[2:]
    last = constant([width - 1, height - 1], batch.keypoints)
    return ((batch.keypoints >= -0.5) & (batch.keypoints <= last + 0.5)).all(2)


def patch_radius(sigma: float) -> int:
    """Return the heat-map pixels from the centre of a Gaussian's patch to its border."""
    return int(3 * sigma)


def to_map(keypoints: Tensor, encoding: Encoding, size: Sequence[int], *, stride: int = QUARTER) -> Tensor:
    """Return (..., 2) view pixels as heat-map pixels.

    Args:
        keypoints: (..., 2) view pixels.
        encoding: how heat maps and coordinates belong together.
        size: (height, width) of the map.
        stride: view pixels for one heat-map pixel.
    """
    return keypoints / _scale(keypoints, encoding, size, stride)


def to_view(positions: Tensor, encoding: Encoding, size: Sequence[int], *, stride: int = QUARTER) -> Tensor:
    """Return (..., 2) heat-map pixels as view pixels.

    Args:
        positions: (..., 2) heat-map pixels.
        encoding: how heat maps and coordinates belong together.
        size: (height, width) of the map.
        stride: view pixels for one heat-map pixel.
    """
    return positions * _scale(positions, encoding, size, stride)


def _scale(like: Tensor, encoding: Encoding, size: Sequence[int], stride: int) -> Tensor:
    """Return the view pixels for one heat-map pixel, over x and y."""
    if encoding != "udp":
        return constant([stride, stride], like)
    height, width = size
    return constant([(side * stride - 1) / (side - 1) for side in (width, height)], like)


def gaussian(centres: Tensor, length: int, *, sigma: float, cut: float) -> Tensor:
    """Return Gaussians of height 1: exp(-distance^2 / 2 sigma^2), zero further away than `cut`.

    Args:
        centres: (...) pixels.
        length: number of pixels, the last axis of the result (..., length).
        sigma: standard deviation, pixels.
        cut: pixels.
    """
    positions = torch.arange(length, device=centres.device, dtype=torch.float32)
    squares = (positions - centres.unsqueeze(-1)).square_()
    heights = (squares * (-0.5 / sigma**2)).clamp_(min=_SMALLEST_EXPONENT).exp_()
    return heights if math.isinf(cut) else heights.masked_fill_(squares > cut**2, 0.0)
