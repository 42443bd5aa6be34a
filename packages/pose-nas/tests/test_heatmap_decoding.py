"""Heat maps to positions: planted positions come back, and literal whole-map loops agree."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.contract.batches import Batch
from posenas.networks.heatmaps.decoding import blur_kernel, find_peaks, peak_masses, peak_values, refine
from posenas.networks.heatmaps.encoding import Encoding, encode, to_map, to_view
from torch import Tensor

HEIGHT, WIDTH = 64, 48


def clean_maps(positions: Tensor, *, sigma: float, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """(N, K, 2) heat-map pixels to (N, K, H, W) unrounded Gaussians of height 1."""
    x = torch.arange(width, dtype=torch.float64) - positions[..., 0, None, None]
    y = torch.arange(height, dtype=torch.float64)[:, None] - positions[..., 1, None, None]
    return torch.exp(-(x**2 + y**2) / (2 * sigma**2)).float()


def network_like_maps(seed: int, *, people: int, keypoints: int, sigma: float) -> Tensor:
    """Peaks of uneven height and width, each with a weaker rival, and smooth noise."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(people, keypoints, *shape, generator=generator)

    size = torch.tensor([WIDTH - 1.0, HEIGHT - 1.0])
    main = clean_maps(uniform(0, 1, 2) * size, sigma=1.2 * sigma)
    rival = clean_maps(uniform(0, 1, 2) * size, sigma=0.9 * sigma)
    noise = torch.nn.functional.avg_pool2d(uniform(-0.05, 0.05, HEIGHT + 2, WIDTH + 2), 3, stride=1)
    return uniform(0.3, 1.0, 1, 1) * main + uniform(0.0, 0.25, 1, 1) * rival + noise


KERNELS = {1.0: 7, 2.0: 11, 3.0: 17}
"""The published widths of the blur, by the sigma of the encoding."""


def blur_whole_map(heatmap: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """As DARK's code does: zeros around the map, OpenCV's blur with a sigma of its own, the old maximum."""
    width = KERNELS[sigma]
    padded = cv2.GaussianBlur(np.pad(heatmap, width // 2), (width, width), 0)
    blurred = padded[width // 2 : -(width // 2), width // 2 : -(width // 2)]
    return np.asarray(blurred * heatmap.max() / blurred.max())


def newton(gradient: list[float], hessian: list[list[float]], *, limit: float) -> NDArray[np.float64]:
    if hessian[0][0] >= 0 or np.linalg.det(hessian) <= 0:
        return np.zeros(2)
    step = -np.linalg.inv(hessian) @ np.array(gradient)
    return np.asarray(np.clip(step, -limit, limit))


def literal_dark(heatmap: NDArray[np.float64], x: int, y: int, sigma: float) -> NDArray[np.float64]:
    """The offset as DARK states it, with its floor of 1e-10."""
    h = np.log(np.maximum(blur_whole_map(heatmap, sigma), 1e-10))
    height, width = h.shape
    if not (1 < x < width - 2 and 1 < y < height - 2):
        return np.zeros(2)
    dx = 0.5 * (h[y, x + 1] - h[y, x - 1])
    dy = 0.5 * (h[y + 1, x] - h[y - 1, x])
    dxx = 0.25 * (h[y, x + 2] - 2 * h[y, x] + h[y, x - 2])
    dyy = 0.25 * (h[y + 2, x] - 2 * h[y, x] + h[y - 2, x])
    dxy = 0.25 * (h[y + 1, x + 1] - h[y - 1, x + 1] - h[y + 1, x - 1] + h[y - 1, x - 1])
    return newton([dx, dy], [[dxx, dxy], [dxy, dyy]], limit=2.0)


def literal_udp(heatmap: NDArray[np.float64], x: int, y: int, sigma: float) -> NDArray[np.float64]:
    """The offset as UDP states it, with its clamp to [1e-3, 50]."""
    h = np.log(np.clip(blur_whole_map(heatmap, sigma), 1e-3, 50.0))
    height, width = h.shape
    if not (0 < x < width - 1 and 0 < y < height - 1):
        return np.zeros(2)
    dx = 0.5 * (h[y, x + 1] - h[y, x - 1])
    dy = 0.5 * (h[y + 1, x] - h[y - 1, x])
    dxx = h[y, x + 1] - 2 * h[y, x] + h[y, x - 1]
    dyy = h[y + 1, x] - 2 * h[y, x] + h[y - 1, x]
    dxy = 0.5 * (
        h[y + 1, x + 1]
        - h[y, x + 1]
        - h[y + 1, x]
        + 2 * h[y, x]
        - h[y, x - 1]
        - h[y - 1, x]
        + h[y - 1, x - 1]
    )
    return newton([dx, dy], [[dxx, dxy], [dxy, dyy]], limit=1.0)


def literal_gaussian(heatmap: NDArray[np.float64], x: int, y: int) -> NDArray[np.float64]:
    """The quarter offset as HRNet's code has it."""
    height, width = heatmap.shape
    if not (1 < x < width - 1 and 1 < y < height - 1):
        return np.zeros(2)
    slope = [heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]
    return np.asarray(0.25 * np.sign(slope))


def literal_refine(maps: Tensor, encoding: Encoding, sigma: float) -> NDArray[np.float64]:
    people, keypoints, _, width = maps.shape
    positions = np.zeros((people, keypoints, 2))
    for n in range(people):
        for k in range(keypoints):
            heatmap = maps[n, k].double().numpy()
            y, x = divmod(int(heatmap.argmax()), width)
            if encoding == "gaussian":
                offset = literal_gaussian(heatmap, x, y)
            elif encoding == "dark":
                offset = literal_dark(heatmap, x, y, sigma)
            else:
                offset = literal_udp(heatmap, x, y, sigma)
            positions[n, k] = np.array([x, y]) + offset
    return positions


# The blurred window equals the blurred map to rounding. UDP's one-sided mixed difference is replaced by
# DARK's central one, which moves a position by about a thousandth of a pixel.
@pytest.mark.parametrize(("encoding", "tolerance"), [("gaussian", 0.0), ("dark", 2e-5), ("udp", 3e-3)])
@pytest.mark.parametrize(("keypoints", "sigma"), [(17, 2.0), (17, 3.0), (133, 2.0)])
def test_equals_literal_loops_over_whole_maps(
    encoding: Encoding, tolerance: float, keypoints: int, sigma: float
) -> None:
    maps = network_like_maps(7, people=2, keypoints=keypoints, sigma=sigma)
    positions = refine(maps, find_peaks(maps), encoding, sigma=sigma)
    expected = literal_refine(maps, encoding, sigma)
    np.testing.assert_allclose(positions.numpy(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_dark_at_384x288_equals_opencvs_blur(sigma: float) -> None:
    """Of clean and of cut-off maps, wherever the peak is: within 1e-4 of a map's pixel."""
    generator = torch.Generator().manual_seed(11)
    inside = torch.rand(4, 17, 2, generator=generator) * torch.tensor([71.0, 95.0])
    corners = 6 * torch.rand(4, 17, 2, generator=generator)
    far_corners = torch.tensor([71.0, 95.0]) - 6 * torch.rand(4, 17, 2, generator=generator)
    planted = torch.cat([inside, corners, far_corners])
    maps = clean_maps(planted, sigma=sigma, height=96, width=72)
    positions = refine(maps, find_peaks(maps), "dark", sigma=sigma)
    expected = literal_refine(maps, "dark", sigma)
    np.testing.assert_allclose(positions.numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("sigma", "width"), KERNELS.items())
def test_darks_kernel_is_opencvs(sigma: float, width: int) -> None:
    kernel = blur_kernel("dark", sigma).numpy()
    np.testing.assert_allclose(kernel, cv2.getGaussianKernel(width, 0)[:, 0], rtol=0, atol=1e-7)


def test_udps_kernel_is_opencvs_where_that_is_no_wider_than_the_maps() -> None:
    for sigma, own in [(1.0, 1.0), (2.0, 2.0), (3.0, 2.9)]:
        kernel = blur_kernel("udp", sigma).numpy()
        expected = cv2.getGaussianKernel(KERNELS[sigma], own)[:, 0]
        np.testing.assert_allclose(kernel, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("height", "width"), [(HEIGHT, WIDTH), (5, 4), (3, 3)])
def test_the_quarter_offset_is_hrnets_for_a_peak_on_every_pixel(height: int, width: int) -> None:
    maps = torch.rand(1, height * width, height, width, generator=torch.Generator().manual_seed(2))
    for index in range(height * width):
        maps[0, index, index // width, index % width] = 2.0
    positions = refine(maps, find_peaks(maps), "gaussian", sigma=2.0)
    assert np.array_equal(positions.numpy(), literal_refine(maps, "gaussian", 2.0))


@pytest.mark.parametrize(("encoding", "tolerance"), [("gaussian", 0.5), ("dark", 0.1), ("udp", 0.1)])
@pytest.mark.parametrize("keypoints", [17, 133])
def test_recovers_planted_positions(encoding: Encoding, tolerance: float, keypoints: int) -> None:
    """Of clean targets at least five heat-map pixels from the border."""
    generator = torch.Generator().manual_seed(3)
    planted = 5 + torch.rand(4, keypoints, 2, generator=generator) * torch.tensor(
        [WIDTH - 11.0, HEIGHT - 11.0]
    )
    in_view = to_view(planted, encoding, (HEIGHT, WIDTH))
    images = torch.zeros(4, 3, 4 * HEIGHT, 4 * WIDTH)
    maps = encode(Batch(images, in_view, torch.ones(4, keypoints)), encoding, sigma=2.0).maps()
    positions = refine(maps, find_peaks(maps), encoding, sigma=2.0)
    assert (positions - planted).abs().max() <= tolerance


@pytest.mark.parametrize("encoding", ["gaussian", "dark", "udp"])
@pytest.mark.parametrize(("height", "width"), [(HEIGHT, WIDTH), (8, 8)])
def test_peaks_at_the_border_stay_within_a_pixel(encoding: Encoding, height: int, width: int) -> None:
    edges = torch.tensor(
        [[x, y] for x in (0, 1, 2, width - 1) for y in (0, height // 2, height - 2, height - 1)]
    )
    maps = clean_maps(edges.unsqueeze(0), sigma=2.0, height=height, width=width)
    positions = refine(maps, find_peaks(maps), encoding, sigma=2.0)
    assert (positions - edges).abs().max() < 1.0


@pytest.mark.parametrize("encoding", ["gaussian", "dark", "udp"])
@pytest.mark.parametrize("value", [0.0, -1.0, 1.0])
def test_flat_maps_have_no_offset(encoding: Encoding, value: float) -> None:
    maps = torch.full((1, 2, HEIGHT, WIDTH), value)
    assert refine(maps, torch.tensor([[[20, 30], [0, 0]]]), encoding, sigma=2.0).tolist() == [
        [[20, 30], [0, 0]]
    ]


@pytest.mark.parametrize("encoding", ["gaussian", "dark", "udp"])
def test_noise_never_throws_a_position_off_its_stencil(encoding: Encoding) -> None:
    maps = torch.randn(8, 17, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    peaks = find_peaks(maps)
    assert (refine(maps, peaks, encoding, sigma=2.0) - peaks).abs().max() <= 2.0


def test_equal_neighbours_give_no_quarter_offset() -> None:
    maps = clean_maps(torch.tensor([[[20.0, 30.25]]]), sigma=2.0)
    assert refine(maps, find_peaks(maps), "gaussian", sigma=2.0).tolist() == [[[20.0, 30.25]]]


def test_peak_values_and_masses() -> None:
    maps = clean_maps(torch.tensor([[[20.0, 30.0], [0.0, 0.0]]]), sigma=2.0)
    peaks = find_peaks(maps)
    assert peaks.tolist() == [[[20, 30], [0, 0]]]
    assert peak_values(maps, peaks).tolist() == [[1.0, 1.0]]
    patches = [maps[0, 0, 24:37, 14:27].sum(), maps[0, 1, :7, :7].sum()]
    torch.testing.assert_close(peak_masses(maps, peaks, sigma=2.0), torch.stack(patches).unsqueeze(0))


@pytest.mark.parametrize("encoding", ["gaussian", "dark", "udp"])
def test_to_view_undoes_to_map(encoding: Encoding) -> None:
    points = torch.rand(5, 2) * 200
    torch.testing.assert_close(to_view(to_map(points, encoding, (64, 48)), encoding, (64, 48)), points)


def test_udp_joins_the_corners() -> None:
    corner = torch.tensor([[191.0, 255.0]])
    torch.testing.assert_close(to_map(corner, "udp", (64, 48)), torch.tensor([[47.0, 63.0]]))


@pytest.mark.parametrize("encoding", ["gaussian", "dark", "udp"])
def test_positions_have_shapes_on_the_meta_device(encoding: Encoding) -> None:
    """A head that crops what it found runs there when its costs are counted."""
    maps = torch.empty(2, 5, HEIGHT, WIDTH, device="meta")
    positions = refine(maps, find_peaks(maps), encoding, sigma=2.0)
    assert positions.is_meta
    assert positions.shape == (2, 5, 2)
