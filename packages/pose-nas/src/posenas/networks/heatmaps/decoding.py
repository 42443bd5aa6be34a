"""Decoding: heat maps to positions, finer than a pixel.

Refining reads the map only around its peak: a window is gathered and, for `udp` and `dark`, blurred by two
small matrix products. That equals blurring the whole map (zero beyond its border) and then looking there.
Near the border the window is moved inwards and its filters the other way, so that no pixel needs a check.
"""

from __future__ import annotations

import cv2
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from posenas.networks.constants import constant
from posenas.networks.devices import full_precision
from posenas.networks.heatmaps.encoding import Encoding, gaussian, patch_radius

_FLOOR = 1e-3
"""The share of the patch's highest value to which lower ones are raised before the logarithm.

It is UDP's published clamp.
"""


def find_peaks(maps: Tensor) -> Tensor:
    """Return the highest pixels of (N, K, H, W) maps, as (N, K, 2) int64 (x, y)."""
    width = maps.shape[3]
    flat = maps.detach().flatten(2)
    # On a CPU, numpy's arg-max takes less than half of the time of torch's.
    indices = torch.from_numpy(flat.numpy().argmax(2)) if _numpy_reads(flat) else flat.argmax(2)
    return torch.stack([indices % width, indices.div(width, rounding_mode="floor")], dim=2)


def refine(maps: Tensor, peaks: Tensor, encoding: Encoding, *, sigma: float) -> Tensor:
    """Return positions near the peaks, finer than a pixel: (N, K, 2) float32, heat-map pixels.

    Args:
        maps: (N, K, H, W) float32, higher where the keypoint is likelier.
        peaks: (N, K, 2) as returned by `find_peaks`.
        encoding: how the maps were encoded; it decides how they are refined.
        sigma: standard deviation of the encoded Gaussians, heat-map pixels.
    """
    if encoding == "gaussian":
        return peaks + _quarter_offset(maps, peaks)
    kernel = blur_kernel(encoding, sigma).to(maps.device, non_blocking=True)
    return peaks + _newton_offset(maps, peaks, kernel=kernel, step={"udp": 1, "dark": 2}[encoding])


def blur_kernel(encoding: Encoding, sigma: float) -> Tensor:
    """Return the (L,) weights of the blur before refining, which sum to 1.

    They are 7, 11 and 17 pixels wide for a sigma of 1, 2 and 3, as published. `dark` leaves the blur's own
    sigma to OpenCV, as its code does: 2 at a width of 11, but 2.9 at 17. So does `udp`, but never above the
    sigma of the encoding: below a sigma of 2, OpenCV's rule would blur the narrow maps by more than that.

    Args:
        encoding: `dark` or `udp`.
        sigma: standard deviation of the encoded Gaussians, heat-map pixels.
    """
    radius = int(2.5 * sigma + 0.5)
    width = 2 * radius + 1
    if encoding == "dark":
        return torch.from_numpy(cv2.getGaussianKernel(width, 0)[:, 0]).float()
    opencv = 0.3 * (radius - 1) + 0.8
    weights = gaussian(torch.tensor(radius), width, sigma=min(sigma, opencv), cut=radius)
    return normalize(weights, p=1.0, dim=0)


def peak_values(maps: Tensor, peaks: Tensor) -> Tensor:
    """Return the maps' values at the peaks, (N, K)."""
    columns, rows = peaks.unbind(2)
    return maps[(*_map_indices(maps), rows, columns)]


def peak_masses(maps: Tensor, peaks: Tensor, *, sigma: float) -> Tensor:
    """Return the sums of the maps over the peaks' patches, 3 sigma to each side: (N, K).

    Args:
        maps: (N, K, H, W).
        peaks: (N, K, 2) as returned by `find_peaks`.
        sigma: standard deviation of the encoded Gaussians, heat-map pixels.
    """
    filters = torch.ones(1, 2 * patch_radius(sigma) + 1, device=maps.device)
    return _filter(maps, peaks, filters)[..., 0, 0]


def _quarter_offset(maps: Tensor, peaks: Tensor) -> Tensor:
    """Return a quarter of a pixel towards the larger neighbour, over x and over y: (N, K, 2).

    It is 0 at the border: in the first two columns and rows and in the last ones, as in HRNet's code.
    """
    steps = constant([[1, 0], [-1, 0], [0, 1], [0, -1]], peaks)
    last = constant([maps.shape[3] - 1, maps.shape[2] - 1], peaks)
    columns, rows = torch.minimum((peaks.unsqueeze(2) + steps).clamp_(min=0), last).unbind(3)
    people, keypoints = (index.unsqueeze(2) for index in _map_indices(maps))
    right, left, below, above = maps[people, keypoints, rows, columns].unbind(2)
    slope = torch.stack([right - left, below - above], dim=2)
    return 0.25 * slope.sign() * _has_room(maps, peaks, before=2, after=1).unsqueeze(2)


def _newton_offset(maps: Tensor, peaks: Tensor, *, kernel: Tensor, step: int) -> Tensor:
    """Return the way from the peak to the top of the parabola through the logarithm of the blurred map.

    Second differences span `step` pixels to each side: 2 in DARK, 1 in UDP. DARK also rescales the blurred
    map to its old maximum, which adds a constant to the logarithm and so changes nothing. The offset is zero
    where these pixels are not all on the map, or where they are no hilltop, and it never leaves them.
    """
    patch = _blurred_window(maps, peaks, kernel, reach=step)
    highest = patch.amax((2, 3), keepdim=True).clamp(min=torch.finfo(patch.dtype).tiny)
    logs = (patch / highest).clamp(min=_FLOOR).log()
    _, dx, dxx, dy, dxy, _, dyy, _, _ = _differences(logs, step=step).unbind(2)
    determinant = dxx * dyy - dxy**2
    hilltop = (dxx < 0) & (determinant > 0) & _has_room(maps, peaks, before=step, after=step)
    offset = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=2) / determinant.unsqueeze(2)
    return torch.where(hilltop.unsqueeze(2), offset.clamp(-step, step), 0.0)


def _differences(patch: Tensor, *, step: int) -> Tensor:
    """Return value, central difference and second difference over `step` pixels at a patch's middle.

    Args:
        patch: (N, K, L, L) with L = 2 step + 1.
        step: pixels.

    Returns:
        (N, K, 9): differences over y as rows, over x as columns, flattened.
    """
    operators = patch.new_zeros(3, 2 * step + 1)
    operators[0, step] = 1.0
    operators[1, step + 1], operators[1, step - 1] = 0.5, -0.5
    operators[2, 0] = operators[2, -1] = 1 / step**2
    operators[2, step] = -2 / step**2
    with full_precision(patch):
        return patch.flatten(2) @ torch.kron(operators, operators).T


def _has_room(maps: Tensor, peaks: Tensor, *, before: int, after: int) -> Tensor:
    """Return whether `before` pixels lie before the peak and `after` behind it, over x and y: (N, K) bool."""
    last = constant([maps.shape[3] - 1, maps.shape[2] - 1], peaks)
    return ((peaks >= before) & (peaks <= last - after)).all(2)


def _blurred_window(maps: Tensor, peaks: Tensor, kernel: Tensor, *, reach: int) -> Tensor:
    """Return windows about the peaks of the maps, blurred by a (L,) kernel over x and y.

    Returns:
        (N, K, 2 reach + 1, 2 reach + 1).
    """
    shifted = [pad(kernel, (start, 2 * reach - start)) for start in range(2 * reach + 1)]
    return _filter(maps, peaks, torch.stack(shifted))


def _filter(maps: Tensor, peaks: Tensor, filters: Tensor) -> Tensor:
    """Return products of the maps about the peaks with filters over their rows and over their columns.

    Args:
        maps: (N, K, H, W).
        peaks: (N, K, 2).
        filters: (F, L) with L odd; the middle lies on the peak.

    Returns:
        (N, K, F, F), float32. Pixels beyond the border count as zero.
    """
    people, keypoints, height, width = maps.shape
    size = (min(height, filters.shape[1]), min(width, filters.shape[1]))
    columns, rows = (peaks - filters.shape[1] // 2).unbind(2)
    top, left = rows.clamp(0, height - size[0]), columns.clamp(0, width - size[1])
    windows = _take(maps.unfold(2, size[0], 1).unfold(3, size[1], 1), (*_map_indices(maps), top, left))
    over_rows = _moved(filters, top - rows, size[0]).flatten(0, 1)
    over_columns = _moved(filters, left - columns, size[1]).flatten(0, 1)
    with full_precision(maps):
        products = over_rows @ windows.flatten(0, 1).float() @ over_columns.transpose(1, 2)
    return products.view(people, keypoints, *products.shape[1:])


def _take(values: Tensor, indices: tuple[Tensor, ...]) -> Tensor:
    """Return `values[indices]`; on a CPU, numpy takes half of torch's time for it."""
    if not _numpy_reads(values):
        return values[indices]
    return torch.from_numpy(values.detach().numpy()[tuple(index.numpy() for index in indices)])


def _numpy_reads(values: Tensor) -> bool:
    """Return whether numpy can read the values: they are on the CPU, and torch traces nothing."""
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def _moved(filters: Tensor, by: Tensor, size: int) -> Tensor:
    """Return the filters without their first `by` entries, or after as many zeros where it is negative.

    Args:
        filters: (F, L).
        by: (N, K), less than L either way.
        size: length of the result, whose shape is (N, K, F, size).
    """
    length = filters.shape[1]
    choices = pad(filters, (length, length + size)).unfold(1, size, 1).transpose(0, 1).contiguous()
    return choices[by + length]


def _map_indices(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the indices of the maps, (N, 1) and (1, K)."""
    people, keypoints = (torch.arange(count, device=maps.device) for count in maps.shape[:2])
    return people.unsqueeze(1), keypoints.unsqueeze(0)
