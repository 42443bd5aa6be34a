"""Heat maps to positions, finer than a pixel.

Refining reads the map only around its peak: a window is gathered and, for `udp` and `dark`, blurred by two
small matrix products. That equals blurring the whole map (zero beyond its border) and then looking there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from posenas.heads.heatmap_encoding import Encoding, gaussian, patch_radius

_FLOOR = 1e-3
"""Of the patch's highest value: lower ones are raised to it before the logarithm (UDP's published clamp)."""


def find_peaks(maps: Tensor) -> Tensor:
    """(N, K, H, W) maps to (N, K, 2) int64 (x, y) of their highest pixels."""
    people, keypoints, height, width = maps.shape
    # torch's arg-max is several times slower than its maximum on a CPU, so it only looks into the best block.
    length = math.gcd(height * width, 128)
    blocks = maps.reshape(people * keypoints, -1, length)
    best = blocks.amax(2).argmax(1)
    inside = blocks[torch.arange(len(best), device=maps.device), best].argmax(1)
    indices = (best * length + inside).view(people, keypoints)
    return torch.stack([indices % width, indices.div(width, rounding_mode="floor")], dim=2)


def refine(maps: Tensor, peaks: Tensor, encoding: Encoding, *, sigma: float) -> Tensor:
    """(N, K, 2) float32 positions near the peaks, heat-map pixels.

    Args:
        maps: (N, K, H, W) float32, higher where the keypoint is likelier.
        peaks: (N, K, 2) as of `find_peaks`.
        sigma: of the encoded Gaussians, heat-map pixels.
    """
    if encoding == "gaussian":
        return peaks + _quarter_offset(maps, peaks)
    return peaks + _newton_offset(maps, peaks, sigma=sigma, step={"udp": 1, "dark": 2}[encoding])


def peak_values(maps: Tensor, peaks: Tensor) -> Tensor:
    """(N, K) the maps' values at the peaks."""
    return _window(maps, peaks, 0)[..., 0, 0]


def peak_masses(maps: Tensor, peaks: Tensor, *, sigma: float) -> Tensor:
    """(N, K) the sum of the maps over the peaks' patches, 3 sigma to each side."""
    return _window(maps, peaks, patch_radius(sigma)).sum((2, 3))


def _quarter_offset(maps: Tensor, peaks: Tensor) -> Tensor:
    """A quarter of a pixel towards the larger neighbour over x and over y; none where one is missing."""
    around = _window(maps, peaks, 1)
    slope = torch.stack([around[..., 1, 2] - around[..., 1, 0], around[..., 2, 1] - around[..., 0, 1]], dim=2)
    return 0.25 * slope.sign() * _has_room(maps, peaks, 1)


def _newton_offset(maps: Tensor, peaks: Tensor, *, sigma: float, step: int) -> Tensor:
    """From the peak to the top of the parabola through the logarithm of the blurred map.

    Second differences span `step` pixels to each side: 2 in DARK, 1 in UDP. DARK also rescales the blurred
    map to its old maximum, which adds a constant to the logarithm and so changes nothing. The offset is zero
    where those pixels are not all on the map or are no hilltop, and never leaves them.
    """
    patch = _blurred_window(maps, peaks, sigma=sigma, reach=step)
    highest = patch.amax((2, 3), keepdim=True).clamp(min=torch.finfo(patch.dtype).tiny)
    logs = (patch / highest).clamp(min=_FLOOR).log()
    here, low, high = step, step - 1, step + 1
    centre = 2 * logs[..., here, here]
    dx = (logs[..., here, high] - logs[..., here, low]) / 2
    dy = (logs[..., high, here] - logs[..., low, here]) / 2
    dxx = (logs[..., here, -1] - centre + logs[..., here, 0]) / step**2
    dyy = (logs[..., -1, here] - centre + logs[..., 0, here]) / step**2
    dxy = (logs[..., high, high] - logs[..., high, low] - logs[..., low, high] + logs[..., low, low]) / 4
    determinant = dxx * dyy - dxy**2
    hilltop = (dxx < 0) & (determinant > 0) & _has_room(maps, peaks, step).all(2)
    offset = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=2) / determinant.unsqueeze(2)
    return torch.where(hilltop.unsqueeze(2), offset.clamp(-step, step), 0.0)


def _has_room(maps: Tensor, peaks: Tensor, reach: int) -> Tensor:
    """(N, K, 2) bool: `reach` more pixels to both sides of the peak, over x and over y."""
    last = peaks.new_tensor([maps.shape[3] - 1, maps.shape[2] - 1])
    return (peaks >= reach) & (peaks <= last - reach)


def _blurred_window(maps: Tensor, peaks: Tensor, *, sigma: float, reach: int) -> Tensor:
    """(N, K, 2 reach + 1, 2 reach + 1) about the peaks, of the maps blurred by a Gaussian of sigma.

    The blur is 11 pixels wide for a sigma of 2 and 17 for 3, as published.
    """
    radius = int(2.5 * sigma + 0.5)
    centres = torch.arange(radius, radius + 2 * reach + 1, device=maps.device)
    kernels = gaussian(centres, 2 * (radius + reach) + 1, sigma=sigma, cut=radius)
    kernels = normalize(kernels, p=1.0, dim=1)
    with torch.autocast(maps.device.type, enabled=False):
        return kernels @ _window(maps, peaks, reach + radius) @ kernels.T


def _window(maps: Tensor, peaks: Tensor, reach: int) -> Tensor:
    """(N, K, 2 reach + 1, 2 reach + 1) of the maps about the peaks, zero beyond the border."""
    people, keypoints, height, width = maps.shape
    offsets = torch.arange(-reach, reach + 1, device=maps.device)
    columns, rows = (peaks.unsqueeze(3) + offsets).unbind(2)
    starts = torch.arange(people * keypoints, device=maps.device).view(people, keypoints, 1) * (
        height * width
    )
    lines = starts + rows.clamp(0, height - 1) * width
    values = maps.take(lines.unsqueeze(3) + columns.clamp(0, width - 1).unsqueeze(2))
    rows_inside, columns_inside = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    return values.mul_(rows_inside.unsqueeze(3)).mul_(columns_inside.unsqueeze(2))
