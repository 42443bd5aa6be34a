"""Whole images in a view: as large as they fit, in its middle, on grey.

Maps count from pixel centres, as those of crops do; an enlarged image's corner pixel covers several of the
view's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.batches import View

GREY = 114
"""Of 255: what lies around an image."""


def fitted_size(width: int, height: int, view: View) -> tuple[int, int]:
    """Width and height of an image in the view; at least one pixel each."""
    gain = min(view.width / width, view.height / height)
    return max(1, round(width * gain)), max(1, round(height * gain))


def letterbox(
    image: NDArray[np.uint8], view: View, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """An image in a picture of this (height, width), and its map from the image to the picture.

    Args:
        view: the image is as large as it fits in it.
        size: an image that would be larger there is as large as it fits in this.
    """
    shown = resized(image, _size_within(image, view, size))
    top, left = (size[0] - shown.shape[0]) // 2, (size[1] - shown.shape[1]) // 2
    picture = np.full((*size, 3), GREY, np.uint8)
    picture[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return picture, scaling(image.shape[:2], shown.shape[:2], (left, top))


def _size_within(image: NDArray[np.uint8], view: View, size: tuple[int, int]) -> tuple[int, int]:
    """Width and height; only an image whose size was told wrongly does not fit in the picture."""
    width, height = fitted_size(image.shape[1], image.shape[0], view)
    if height <= size[0] and width <= size[1]:
        return width, height
    return fitted_size(image.shape[1], image.shape[0], replace(view, height=size[0], width=size[1]))


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """To this width and height: averaged where it shrinks, else bilinear."""
    shrinks = size[0] < image.shape[1]
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )


def scaling(
    before: tuple[int, ...], after: tuple[int, ...], corner: tuple[float, float]
) -> NDArray[np.float64]:
    """(2, 3) from the pixels of an image of one (height, width) to those of another, its corner moved."""
    x, y = after[1] / before[1], after[0] / before[0]
    return np.array([[x, 0.0, (x - 1) / 2 + corner[0]], [0.0, y, (y - 1) / 2 + corner[1]]])


def rectangle(sizes: Iterable[tuple[int, int]], view: View) -> tuple[int, int]:
    """(height, width) of the smallest picture with sides of multiples of the view's stride that images of
    these widths and heights fit in, each as large as in the view."""
    fitted = [fitted_size(width, height, view) for width, height in sizes]
    width, height = (max(sides) for sides in zip(*fitted, strict=True))
    return _multiple(height, view.stride), _multiple(width, view.stride)


def _multiple(side: int, stride: int) -> int:
    return -(-side // stride) * stride
