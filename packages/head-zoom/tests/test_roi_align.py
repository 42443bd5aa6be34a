"""RoIAlign equals its definition, sample by sample, wherever the box is and however large."""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
import pytest
import torch
from head_zoom.roi_align import roi_align
from numpy.typing import NDArray
from posenas.networks.multiplications import Multiplications
from torch import Tensor, nn

HEIGHT, WIDTH = 7, 5
BOXES = {
    "whole cells": (0, 0, 5, 7),
    "inside": (1.2, 0.7, 3.9, 5.1),
    "smaller than a bin": (2.1, 3.3, 2.4, 3.35),
    "leaves at the left and the top": (-3.3, -2.1, 2.2, 4.4),
    "leaves at the right and the bottom": (2.7, 4.9, 9.1, 12.3),
    "around the map": (-4.2, -6.1, 11.7, 13.9),
    "at less than a cell from the map": (-1.3, -1.4, -0.2, -0.1),
    "a sample exactly a cell outside": (-1.0, -1.5, 0.5, 0.0),
    "outside": (20, 20, 30, 30),
    "of no width": (2.3, 1, 2.3, 4),
    "of no area": (2.3, 1.1, 2.3, 1.1),
    "of negative width": (4, 1, 2, 4),
    "a hundred times as wide as the map": (-240, 0.3, 260, 6.1),
    "nearly of no area": (2.3, 1.1, 2.3 + 1e-6, 1.1 + 1e-6),
}


def by_samples(
    features: NDArray[np.float64], box: tuple[float, ...], size: int, samples: int
) -> NDArray[np.float64]:
    """The definition: every sample of every bin in float64, (C, H, W) to (C, size, size)."""
    left, top, right, bottom = (edge - 0.5 for edge in box)
    wide, high = (right - left) / size, (bottom - top) / size
    across, down = samples or math.ceil(wide), samples or math.ceil(high)
    bins = np.zeros((len(features), size, size))
    for row in range(size):
        for column in range(size):
            for sample_down in range(down):
                for sample_across in range(across):
                    y = top + row * high + (sample_down + 0.5) * high / down
                    x = left + column * wide + (sample_across + 0.5) * wide / across
                    bins[:, row, column] += at(features, x, y)
    return bins / max(across * down, 1)


def at(features: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
    """The map's value at a place, 0 more than a cell outside it: (C,)."""
    height, width = features.shape[1:]
    if x < -1 or x > width or y < -1 or y > height:
        return np.zeros(len(features))
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    far, low = x - left, y - top
    upper = features[:, top, left] * (1 - far) + features[:, top, right] * far
    lower = features[:, bottom, left] * (1 - far) + features[:, bottom, right] * far
    return upper * (1 - low) + lower * low


def reference(features: Tensor, boxes: Tensor, size: int, samples: int) -> Tensor:
    """The definition for a batch: (N, C, H, W) and (N, R, 4) to (N, R, C, size, size)."""
    return torch.tensor(
        np.array(
            [
                [by_samples(image.double().numpy(), tuple(box), size, samples) for box in some.tolist()]
                for image, some in zip(features, boxes, strict=True)
            ]
        )
    )


def worst(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return (found.double() - expected).abs().max().item()


@pytest.mark.parametrize("samples", [0, 1, 2])
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_a_box_gives_what_the_definition_gives(box: tuple[float, ...], samples: int) -> None:
    features = torch.randn(1, 2, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    boxes = torch.tensor([[box]], dtype=torch.float32)
    found = roi_align(features, boxes, 3, samples=samples)
    assert found.dtype == torch.float32
    assert worst(found, reference(features, boxes, 3, samples)) <= 1e-5


@pytest.mark.parametrize(("samples", "size"), [(0, 2), (0, 5), (2, 4)])
def test_random_boxes_of_several_images(samples: int, size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    features = torch.randn(2, 3, HEIGHT, WIDTH, generator=generator)
    boxes = torch.randn(2, 8, 4, generator=generator) * 8
    found = roi_align(features, boxes, size, samples=samples)
    assert worst(found, reference(features, boxes, size, samples)) <= 1e-5


def test_a_huge_box_is_the_mean_of_all_its_samples() -> None:
    """Of the million samples of a box that is so wide, the few that lie on the map are found."""
    features = torch.ones(1, 1, HEIGHT, WIDTH)
    found = roi_align(features, torch.tensor([[[-5e5 + 2.5, 0.0, 5e5 + 2.5, 7.0]]]), 1)
    assert found.item() == pytest.approx((WIDTH + 1) / 1e6, rel=1e-3)  # one sample a cell


@pytest.mark.parametrize("samples", [0, 2])
def test_features_and_boxes_get_their_gradients(samples: int) -> None:
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(2, 2, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor(
        [
            [[0.31, 0.42, 3.17, 2.93], [-1.83, -0.71, 2.36, 6.77]],
            [[2.2, 1.3, 2.9, 1.9], [9.1, 9.2, 12.4, 13]],
        ],
        dtype=torch.float64,
        requires_grad=True,
    )
    assert torch.autograd.gradcheck(lambda *inputs: roi_align(*inputs, 3, samples=samples), (features, boxes))


def test_a_box_without_samples_gives_zeros_and_finite_gradients() -> None:
    features = torch.ones(1, 1, HEIGHT, WIDTH, requires_grad=True)
    boxes = torch.tensor([[[2.0, 2.0, 2.0, 2.0], [3.0, 3.0, 1.0, 1.0]]], requires_grad=True)
    found = roi_align(features, boxes, 2)
    found.sum().backward()
    assert found.eq(0).all()
    assert features.grad is not None
    assert features.grad.eq(0).all()
    assert boxes.grad is not None
    assert boxes.grad.eq(0).all()


def test_autocast_does_not_reach_it() -> None:
    features = torch.randn(1, 2, HEIGHT, WIDTH)
    boxes = torch.tensor([[[0.3, 0.4, 4.2, 6.1]]])
    exact = roi_align(features, boxes, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(roi_align(features, boxes, 3), exact)
        assert roi_align(features.bfloat16(), boxes, 3).dtype == torch.float32


def test_its_products_are_counted_without_values() -> None:
    features, boxes = torch.empty(2, 3, HEIGHT, WIDTH, device="meta"), torch.empty(2, 4, 4, device="meta")
    with Multiplications() as multiplications:
        assert roi_align(features, boxes, 6).shape == (2, 4, 3, 6, 6)
    assert multiplications.total == 2 * 4 * 3 * (6 * HEIGHT * WIDTH + 6 * 6 * WIDTH)


class Align(nn.Module):
    """RoIAlign to 4x4 bins as a module, which is what is exported."""

    def forward(self, features: Tensor, boxes: Tensor) -> Tensor:
        return roi_align(features, boxes, 4)


def test_exported_to_onnx_it_gives_the_same() -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    generator = torch.Generator().manual_seed(4)
    features = torch.randn(2, 3, HEIGHT, WIDTH, generator=generator)
    boxes = torch.randn(2, len(BOXES), 4, generator=generator) * 8
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers its other exporter
        names = ["features", "boxes"]
        torch.onnx.export(Align(), (features, boxes), file, input_names=names, dynamo=False)
    session = runtime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    boxes = torch.tensor([list(BOXES.values())] * 2, dtype=torch.float32)
    (found,) = session.run(None, {"features": features.numpy(), "boxes": boxes.numpy()})
    assert worst(torch.tensor(found), reference(features, boxes, 4, 0)) <= 1e-4
