"""Heat-map encoding and decoding against a numpy loop over keypoints, 64 people, maps of 64 x 48.

    OMP_NUM_THREADS=1 python benchmarks/codec.py [--json FILE] [--pairs N]

The loops do what the published codes do: write one patch (gaussian) or one map (udp, dark) a keypoint; take
the arg-max, blur the whole map with OpenCV, and refine. `factors` is encoding as far as the head's targets
go, two short vectors a keypoint, against the same loop; `maps` goes on to (N, K, H, W) maps in a buffer that
is used again; `new maps` makes them anew, and their page faults are most of its time at K=133. The null ratio
is ours against ours: how far noise alone moves a ratio.
Ends with status 1 where results differ.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import cv2
import figures
import numpy as np
import torch
from numpy.typing import NDArray
from posenas.contract.batches import Batch
from posenas.networks.heatmaps.decoding import find_peaks, refine
from posenas.networks.heatmaps.encoding import Encoding, encode
from ratios import Ratio, alternate
from torch import Tensor

PEOPLE, HEIGHT, WIDTH, SIGMA = 64, 64, 48, 2.0
RADIUS, BLUR = 6, 11
ENCODINGS: tuple[Encoding, ...] = ("gaussian", "udp", "dark")
Array = NDArray[np.float32]


def loop_encode(keypoints: Array, encoding: Encoding) -> Array:
    """(N, K, 2) view pixels to (N, K, H, W)."""
    people, count = keypoints.shape[:2]
    maps = np.zeros((people, count, HEIGHT, WIDTH), np.float32)
    scale = np.array([WIDTH * 4 - 1, HEIGHT * 4 - 1]) / [WIDTH - 1, HEIGHT - 1] if encoding == "udp" else 4.0
    write = write_patch if encoding == "gaussian" else write_map
    for person in range(people):
        for keypoint in range(count):
            write(maps[person, keypoint], keypoints[person, keypoint] / scale)
    return maps


def write_patch(target: Array, centre: Array) -> None:
    x, y = int(centre[0] + 0.5), int(centre[1] + 0.5)
    left, top, right, bottom = x - RADIUS, y - RADIUS, x + RADIUS + 1, y + RADIUS + 1
    if left >= WIDTH or top >= HEIGHT or right <= 0 or bottom <= 0:
        return
    offsets = np.arange(-RADIUS, RADIUS + 1, dtype=np.float32)
    patch = np.exp(-(offsets**2 + offsets[:, None] ** 2) / (2 * SIGMA**2))
    rows, columns = slice(max(0, top), min(bottom, HEIGHT)), slice(max(0, left), min(right, WIDTH))
    target[rows, columns] = patch[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]


def write_map(target: Array, centre: Array) -> None:
    x = np.arange(WIDTH, dtype=np.float32) - centre[0]
    y = np.arange(HEIGHT, dtype=np.float32)[:, None] - centre[1]
    target[:] = np.exp(-(x**2 + y**2) / (2 * SIGMA**2))


def loop_decode(maps: Array, encoding: Encoding) -> Array:
    """(N, K, H, W) to (N, K, 2) heat-map pixels."""
    people, count = maps.shape[:2]
    positions = np.zeros((people, count, 2), np.float32)
    for person in range(people):
        for keypoint in range(count):
            heatmap = maps[person, keypoint]
            y, x = divmod(int(heatmap.argmax()), WIDTH)
            offset = quarter(heatmap, x, y) if encoding == "gaussian" else newton(heatmap, x, y, encoding)
            positions[person, keypoint] = [x + offset[0], y + offset[1]]
    return positions


def quarter(heatmap: Array, x: int, y: int) -> tuple[float, float]:
    if not (1 < x < WIDTH - 1 and 1 < y < HEIGHT - 1):
        return 0.0, 0.0
    dx = heatmap[y, x + 1] - heatmap[y, x - 1]
    dy = heatmap[y + 1, x] - heatmap[y - 1, x]
    return 0.25 * np.sign(dx), 0.25 * np.sign(dy)


def newton(heatmap: Array, x: int, y: int, encoding: Encoding) -> tuple[float, float]:
    step = 1 if encoding == "udp" else 2
    if not (step <= x < WIDTH - step and step <= y < HEIGHT - step):
        return 0.0, 0.0
    blurred = cv2.GaussianBlur(heatmap, (BLUR, BLUR), 0, borderType=cv2.BORDER_CONSTANT)
    blurred *= heatmap.max() / blurred.max()
    logs = np.log(np.maximum(blurred, 1e-10))
    dx = 0.5 * (logs[y, x + 1] - logs[y, x - 1])
    dy = 0.5 * (logs[y + 1, x] - logs[y - 1, x])
    dxx = (logs[y, x + step] - 2 * logs[y, x] + logs[y, x - step]) / step**2
    dyy = (logs[y + step, x] - 2 * logs[y, x] + logs[y - step, x]) / step**2
    dxy = 0.25 * (logs[y + 1, x + 1] - logs[y - 1, x + 1] - logs[y + 1, x - 1] + logs[y - 1, x - 1])
    determinant = dxx * dyy - dxy * dxy
    if dxx >= 0 or determinant <= 0:
        return 0.0, 0.0
    return (dxy * dy - dyy * dx) / determinant, (dxy * dx - dxx * dy) / determinant


def decode(maps: Tensor, encoding: Encoding) -> Tensor:
    return refine(maps, find_peaks(maps), encoding, sigma=SIGMA)


def make_batch(count: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    size = torch.tensor([WIDTH * 4.0, HEIGHT * 4.0])
    keypoints = torch.rand(PEOPLE, count, 2, generator=generator) * size
    return Batch(torch.zeros(PEOPLE, 3, HEIGHT * 4, WIDTH * 4), keypoints, torch.ones(PEOPLE, count))


def measure(count: int, encoding: Encoding, *, pairs: int) -> tuple[dict[str, Ratio], float]:
    """Ratios by what was done, and the largest difference of values and of heat-map pixels."""
    batch = make_batch(count)
    keypoints = batch.keypoints.numpy()
    factors: Callable[[], object] = partial(encode, batch, encoding, sigma=SIGMA)
    maps = encode(batch, encoding, sigma=SIGMA).maps()
    noisy = maps + 0.01 * torch.rand(maps.shape, generator=torch.Generator().manual_seed(1))
    in_loop, ours = partial(loop_decode, noisy.numpy(), encoding), partial(decode, noisy, encoding)
    difference = max(
        float(np.abs(maps.numpy() - loop_encode(keypoints, encoding)).max()),
        float(np.abs(ours().numpy() - in_loop()).max()),
    )
    loop = partial(loop_encode, keypoints, encoding)
    ratios = {
        "factors": alternate(factors, loop, pairs=pairs),
        "maps": alternate(lambda: encode(batch, encoding, sigma=SIGMA).maps(maps), loop, pairs=pairs),
        "new maps": alternate(lambda: encode(batch, encoding, sigma=SIGMA).maps(), loop, pairs=pairs),
        "decode": alternate(ours, in_loop, pairs=pairs),
        "null": alternate(ours, ours, pairs=pairs),
    }
    return ratios, difference


def main() -> None:
    options = figures.arguments("codec", "heat-map codecs against loops over keypoints", pairs=9)
    cv2.setNumThreads(1)
    found = figures.Figures(
        "codec", {"people": PEOPLE, "maps": [HEIGHT, WIDTH], "sigma": SIGMA, "pairs": options.pairs}
    )
    worst = 0.0
    for count in (17, 133):
        for encoding in ENCODINGS:
            ratios, difference = measure(count, encoding, pairs=options.pairs)
            worst = max(worst, difference)
            for work, ratio in ratios.items():
                found.add(f"K={count} {encoding} {work}", ratio)
    found.add("largest difference", worst)
    found.write(options.json)
    if worst > 1e-4:
        sys.exit("codec: the results differ from the loops'")


if __name__ == "__main__":
    main()
