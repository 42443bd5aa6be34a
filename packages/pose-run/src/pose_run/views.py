"""Images as views: people cut out by their boxes, and whole images on grey.

All maps count pixels from their centres at both ends. The numbers are those of posenas: its tests compare the
pixels of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pose_run.manifest import View


def crop_matrices(boxes: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    """Return the (P, 2, 3) maps from an image's pixels to those of the people's crops.

    A box is padded and extended to the view's shape. With `udp` its width is one step less than the view's
    pixels, else as many.

    Args:
        boxes: (P, 4) x, y, width, height in pixels of the image; sides below one pixel count as one.
        view: the size of a crop, its padding and its rule.
    """
    steps = _steps(view)
    pitch = (np.maximum(boxes[:, 2:], 1.0) * view.padding / steps).max(axis=1)
    gain = 1 / pitch
    none = np.zeros_like(gain)
    linear = np.stack([gain, none, none, gain], axis=-1).reshape(-1, 2, 2)
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    offset = steps / 2 - np.einsum("pij,pj->pi", linear, centres)
    return np.concatenate([linear, offset[..., None]], axis=-1)


def crop(image: NDArray[np.uint8], matrix: NDArray[np.float64], view: View) -> NDArray[np.uint8]:
    """Return the (view.height, view.width, 3) part of an image that a (2, 3) map shows: black outside it."""
    shown = cv2.warpAffine(
        image,
        matrix,
        (view.width, view.height),
        flags=cv2.INTER_LINEAR,
        borderValue=(view.border, view.border, view.border),
    )
    return np.asarray(shown, np.uint8)


def shown_areas(inverses: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    """Return the (P,) square pixels of the image that padded boxes fill.

    Args:
        inverses: (P, 2, 3) maps from the crops to the image.
        view: the size of a crop and its rule.
    """
    with np.errstate(over="ignore"):  # a box may be as large as its file says
        areas: NDArray[np.float64] = np.abs(np.linalg.det(inverses[:, :2, :2])) * _steps(view).prod()
    return areas


def letterbox(image: NDArray[np.uint8], view: View) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return the image as large as it fits in the middle of the view, and the (2, 3) map that leads there.

    Args:
        image: (H, W, 3).
        view: its size, and the grey level around the image.

    Returns:
        (view.height, view.width, 3), and the map from the image's pixels to the view's.
    """
    height, width = image.shape[:2]
    gain = min(view.width / width, view.height / height)
    size = max(1, round(width * gain)), max(1, round(height * gain))
    how = cv2.INTER_AREA if size[0] < width else cv2.INTER_LINEAR
    shown = cv2.resize(image, size, interpolation=how)
    left, top = (view.width - size[0]) // 2, (view.height - size[1]) // 2
    picture = np.full((view.height, view.width, 3), view.border, np.uint8)
    picture[top : top + size[1], left : left + size[0]] = shown
    x, y = size[0] / width, size[1] / height
    return picture, np.array([[x, 0.0, (x - 1) / 2 + left], [0.0, y, (y - 1) / 2 + top]])


def invert(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverses of (..., 2, 3) maps."""
    linear = np.linalg.inv(matrices[..., :2])
    return np.concatenate([linear, -linear @ matrices[..., 2:]], axis=-1)


def transform(matrices: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    """Return (..., K, 2) points after (..., 2, 3) maps."""
    linear = np.swapaxes(matrices[..., :2], -1, -2)
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ linear + matrices[..., None, :, 2]
    return moved


def _steps(view: View) -> NDArray[np.float64]:
    """Return the (2,) width and height that a padded box fills, in pixels of the view."""
    return np.array([view.width, view.height], np.float64) - (view.crop == "udp")
