"""Maps looked at on other grids, by one matrix of weights for each axis."""

from __future__ import annotations

import torch
from posenas.layers import full_precision
from torch import Tensor


def resampled(features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return weighted sums of a map's cells: (N, C, H, W) to (N, R, C, A, B), in float32 at least.

    Args:
        features: (N, C, H, W).
        rows: (N, R, A, H) weights of the map's rows in each of A new ones, for each of R grids.
        columns: (N, R, B, W) weights of the map's columns in each of B new ones.
    """
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    rows, columns = rows.to(features), columns.to(features)
    images, channels, height, width = features.shape
    grids, down = rows.shape[1:3]
    with full_precision(features):
        # One product for all grids of an image: (N, R A, H) @ (N, H, C W).
        lines = rows.flatten(1, 2) @ features.transpose(1, 2).reshape(images, height, channels * width)
        lines = lines.reshape(images, grids, down * channels, width)
        cells = (lines @ columns.transpose(2, 3)).reshape(images, grids, down, channels, -1)
    return cells.transpose(2, 3)
