"""Affine maps between the pixels of an image and the pixels of a view, one map for each person.

Pixels are counted from their centres at both ends. Two rules say how a padded box fills a view of W pixels:

- `udp`: the box's corners land on the centres of the view's corner pixels, so its width is `W - 1` steps. A
  mirrored map is then exactly the map followed by a mirror ("unbiased data processing": Huang et al., The
  Devil is in the Details, CVPR 2020).
- `standard`, the papers' rule: the width is `W` steps, and a mirrored map lies one pixel beside the mirror's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from posenas.contract.batches import View

PADDING = 1.25

FARTHEST = 1e6
"""Pixels from an image's corner. No image reaches so far, and beyond it numbers become infinite."""


def crop_matrix(
    box: ArrayLike,
    view: View,
    *,
    scale: ArrayLike = 1.0,
    rotation: ArrayLike = 0.0,
    shift: ArrayLike = (0.0, 0.0),
    flip: ArrayLike = False,
) -> NDArray[np.float64]:
    """Return the map that shows a box in the view, padded by 1.25 and extended to the view's shape.

    All arguments broadcast, so one call serves one box or N of them.

    Args:
        box: (..., 4) x, y, width, height in pixels of the image; sides below one pixel count as one.
        view: the view to fill.
        scale: (...) above 1 shows more of the surroundings.
        rotation: (...) degrees by which the picture turns clockwise about the box's centre.
        shift: (..., 2) how far the shown region moves right and down, as a share of its own size.
        flip: (...) whether the view is mirrored, left to right.

    Returns:
        (..., 2, 3) from pixels of the image to pixels of the view.
    """
    boxes = np.asarray(box, np.float64)
    steps = view_steps(view)
    pitch = (np.maximum(boxes[..., 2:], 1.0) * PADDING / steps).max(axis=-1) * np.asarray(scale)
    centre = boxes[..., :2] + boxes[..., 2:] / 2 + np.asarray(shift) * pitch[..., None] * steps

    turn = np.radians(rotation)
    cosine, sine = np.cos(turn) / pitch, np.sin(turn) / pitch
    mirror = np.where(flip, -1.0, 1.0)
    rows = np.broadcast_arrays(mirror * cosine, -mirror * sine, sine, cosine)
    linear = np.stack(rows, axis=-1).reshape(*rows[0].shape, 2, 2)
    offset = steps / 2 - np.einsum("...ij,...j->...i", linear, centre)
    return np.concatenate([linear, offset[..., None]], axis=-1)


def view_steps(view: View) -> NDArray[np.float64]:
    """Return the (2,) width and height that a padded box fills, in pixels of the view."""
    size = np.array([view.width, view.height], np.float64)
    return size - 1.0 if view.crop == "udp" else size


def shown_area(inverse: NDArray[np.float64], view: View) -> NDArray[np.float64]:
    """Return the (...) areas that padded boxes fill, in square pixels of the image.

    Args:
        inverse: (..., 2, 3) maps from the view to the image.
        view: the view that the boxes fill.
    """
    with np.errstate(over="ignore"):  # a box may be as large as its file says
        area: NDArray[np.float64] = np.abs(np.linalg.det(inverse[..., :2])) * view_steps(view).prod()
    return area


def invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverses of (..., 2, 3) maps."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def transform(matrix: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    """Map (..., K, 2) points through (..., 2, 3) matrices."""
    linear = np.swapaxes(matrix[..., :2], -1, -2)
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ linear + matrix[..., None, :, 2]
    return moved


def warp(image: NDArray[np.uint8], matrix: NDArray[np.float64], view: View) -> NDArray[np.uint8]:
    """Return the part of an image that a view shows: bilinear, and black outside the image.

    Args:
        image: (H, W, 3).
        matrix: (2, 3) from pixels of the image to pixels of the view.
        view: the size of what is returned.

    Returns:
        (view.height, view.width, 3).
    """
    crop = cv2.warpAffine(image, matrix, (view.width, view.height), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)
