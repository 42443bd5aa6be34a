"""Whole images in a view: each as large as it fits, in the middle, on grey.

Maps count from pixel centres, as those of crops do. An enlarged image's corner pixel covers several of the
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
"""The grey level, from 0 to 255, of what lies around an image."""


def fitted_size(width: int, height: int, view: View) -> tuple[int, int]:
    """Return the width and height of an image in the view; at least one pixel each.

    Args:
        width: of the image, in pixels.
        height: of the image, in pixels.
        view: the view that the image fits into.
    """
    gain = min(view.width / width, view.height / height)
    return max(1, round(width * gain)), max(1, round(height * gain))


def letterbox(
    image: NDArray[np.uint8], view: View, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return a picture with the image in its middle, and the (2, 3) map from the image to the picture.

    Args:
        image: (H, W, 3).
        view: the image is as large as it fits in it.
        size: height and width of the picture; an image that would be larger there is shrunk to fit.
    """
    shown = resized(image, _size_within(image, view, size))
    top, left = (size[0] - shown.shape[0]) // 2, (size[1] - shown.shape[1]) // 2
    picture = np.full((*size, 3), GREY, np.uint8)
    picture[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return picture, scaling(image.shape[:2], shown.shape[:2], (left, top))


def _size_within(image: NDArray[np.uint8], view: View, size: tuple[int, int]) -> tuple[int, int]:
    """Return the image's width and height in a picture of this (height, width).

    Only an image whose size was told wrongly would be larger than the picture; it is made smaller.
    """
    width, height = fitted_size(image.shape[1], image.shape[0], view)
    if height <= size[0] and width <= size[1]:
        return width, height
    return fitted_size(image.shape[1], image.shape[0], replace(view, height=size[0], width=size[1]))


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the image in this width and height: averaged if it shrinks, else bilinear."""
    shrinks = size[0] < image.shape[1]
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
    )


def scaling(
    before: tuple[int, ...], after: tuple[int, ...], corner: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the (2, 3) map from the pixels of an image to those of its resized copy.

    Args:
        before: the image's (height, width).
        after: the copy's (height, width).
        corner: x and y by which the copy's corner is moved.
    """
    x, y = after[1] / before[1], after[0] / before[0]
    return np.array([[x, 0.0, (x - 1) / 2 + corner[0]], [0.0, y, (y - 1) / 2 + corner[1]]])


def rectangle(sizes: Iterable[tuple[int, int]], view: View) -> tuple[int, int]:
    """Return the (height, width) of the smallest picture that images fit in, each as large as in the view.

    The picture's sides are multiples of the view's stride.

    Args:
        sizes: widths and heights of the images.
        view: tells the largest size and the stride.
    """
    fitted = [fitted_size(width, height, view) for width, height in sizes]
    width, height = (max(sides) for sides in zip(*fitted, strict=True))
    return _multiple(height, view.stride), _multiple(width, view.stride)


def _multiple(side: int, stride: int) -> int:
    """Return the side, rounded up to a multiple of the stride."""
    return -(-side // stride) * stride
