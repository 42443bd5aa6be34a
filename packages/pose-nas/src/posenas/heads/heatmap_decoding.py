"""Heat maps to positions, finer than a pixel.

Refining reads the map only around its peak: a window is gathered and, for `udp` and `dark`, blurred by two
small matrix products. That equals blurring the whole map (zero beyond its border) and then looking there.
Near the border the window is moved inwards and its filters the other way, so that no pixel needs a check.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from posenas.heads.heatmap_encoding import Encoding, gaussian, patch_radius

_FLOOR = 1e-3
"""Of the patch's highest value: lower ones are raised to it before the logarithm (UDP's published clamp)."""


def find_peaks(maps: Tensor) -> Tensor:
    """(N, K, H, W) maps to (N, K, 2) int64 (x, y) of their highest pixels."""
    width = maps.shape[3]
    flat = maps.detach().flatten(2)
    # On a CPU, numpy's arg-max takes less than half of the time of torch's.
    indices = torch.from_numpy(flat.numpy().argmax(2)) if flat.device.type == "cpu" else flat.argmax(2)
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
    columns, rows = peaks.unbind(2)
    return maps[(*_map_indices(maps), rows, columns)]


def peak_masses(maps: Tensor, peaks: Tensor, *, sigma: float) -> Tensor:
    """(N, K) the sum of the maps over the peaks' patches, 3 sigma to each side."""
    filters = torch.ones(1, 2 * patch_radius(sigma) + 1, device=maps.device)
    return _filter(maps, peaks, filters)[..., 0, 0]


def _quarter_offset(maps: Tensor, peaks: Tensor) -> Tensor:
    """A quarter of a pixel towards the larger neighbour over x and over y; none where one is missing."""
    steps = peaks.new_tensor([[1, 0], [-1, 0], [0, 1], [0, -1]])
    last = peaks.new_tensor([maps.shape[3] - 1, maps.shape[2] - 1])
    columns, rows = torch.minimum((peaks.unsqueeze(2) + steps).clamp_(min=0), last).unbind(3)
    people, keypoints = (index.unsqueeze(2) for index in _map_indices(maps))
    right, left, below, above = maps[people, keypoints, rows, columns].unbind(2)
    slope = torch.stack([right - left, below - above], dim=2)
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
    _, dx, dxx, dy, dxy, _, dyy, _, _ = _differences(logs, step=step).unbind(2)
    determinant = dxx * dyy - dxy**2
    hilltop = (dxx < 0) & (determinant > 0) & _has_room(maps, peaks, step).all(2)
    offset = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=2) / determinant.unsqueeze(2)
    return torch.where(hilltop.unsqueeze(2), offset.clamp(-step, step), 0.0)


def _differences(patch: Tensor, *, step: int) -> Tensor:
    """The value, the central difference and the second difference over `step` pixels at a patch's middle.

    Args:
        patch: (N, K, L, L) with L = 2 step + 1.

    Returns:
        (N, K, 9): those over y as rows, those over x as columns, flattened.
    """
    operators = patch.new_zeros(3, 2 * step + 1)
    operators[0, step] = 1.0
    operators[1, step + 1], operators[1, step - 1] = 0.5, -0.5
    operators[2, 0] = operators[2, -1] = 1 / step**2
    operators[2, step] = -2 / step**2
    with torch.autocast(patch.device.type, enabled=False):
        return patch.flatten(2) @ torch.kron(operators, operators).T


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
    return _filter(maps, peaks, normalize(kernels, p=1.0, dim=1))


def _filter(maps: Tensor, peaks: Tensor, filters: Tensor) -> Tensor:
    """Products of the maps about the peaks with filters over their rows and over their columns.

    Args:
        filters: (F, L) with L odd; the middle lies on the peak.

    Returns:
        (N, K, F, F), float32; what lies beyond the border counts as zero.
    """
    people, keypoints, height, width = maps.shape
    size = (min(height, filters.shape[1]), min(width, filters.shape[1]))
    columns, rows = (peaks - filters.shape[1] // 2).unbind(2)
    top, left = rows.clamp(0, height - size[0]), columns.clamp(0, width - size[1])
    windows = _take(maps.unfold(2, size[0], 1).unfold(3, size[1], 1), (*_map_indices(maps), top, left))
    over_rows = _moved(filters, top - rows, size[0]).flatten(0, 1)
    over_columns = _moved(filters, left - columns, size[1]).flatten(0, 1)
    with torch.autocast(maps.device.type, enabled=False):
        products = over_rows @ windows.flatten(0, 1).float() @ over_columns.transpose(1, 2)
    return products.view(people, keypoints, *products.shape[1:])


def _take(values: Tensor, indices: tuple[Tensor, ...]) -> Tensor:
    """`values[indices]`; on a CPU, numpy takes half of torch's time for it."""
    if values.device.type != "cpu":
        return values[indices]
    return torch.from_numpy(values.detach().numpy()[tuple(index.numpy() for index in indices)])


def _moved(filters: Tensor, by: Tensor, size: int) -> Tensor:
    """(N, K, F, size) filters without their first `by` entries, or after as many zeros where it is negative.

    Args:
        filters: (F, L).
        by: (N, K), less than L either way.
    """
    length = filters.shape[1]
    choices = pad(filters, (length, length + size)).unfold(1, size, 1).transpose(0, 1).contiguous()
    return choices[by + length]


def _map_indices(maps: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 1) and (1, K)."""
    people, keypoints = (torch.arange(count, device=maps.device) for count in maps.shape[:2])
    return people.unsqueeze(1), keypoints.unsqueeze(0)
