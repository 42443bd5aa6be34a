"""Skeletons drawn on images, and sheets of images: left is orange, right is blue, the middle green."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posenas.data.region_drawing import add_region, drawn_regions
from posenas.data.strokes import (
    LEFT,
    MIDDLE,
    OUTLINE,
    RIGHT,
    Colour,
    draw_line,
    draw_point,
    limb_colour,
    within_reach,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from posenas.contract.keypoints import KeypointSet

_PAPER = 255
_INK: Colour = (40, 40, 40)
_CAPTION_HEIGHT = 18
_GAP = 8
_DENSE = 40


def draw_pose(
    image: NDArray[np.uint8],
    keypoints: ArrayLike,
    *,
    keypoint_set: KeypointSet,
    visible: ArrayLike | None = None,
    enlarge: float = 1.0,
    line: int | None = None,
) -> NDArray[np.uint8]:
    """Return a copy of the image with a pose on it.

    Args:
        image: (H, W, 3) RGB.
        keypoints: (K, 2) pixels of the image; those that are drawn must be finite.
        keypoint_set: says which keypoints are joined, and which of a flip pair is left: the first.
        visible: (K,) 0 is not drawn, 1 is drawn as a ring, 2 as a disc; None draws everything as discs.
        enlarge: how many times as large the copy is; small crops are easier to judge at 256 pixels or more.
        line: width of a limb in pixels of the copy; None suits a pose that fills it.

    Returns:
        (enlarge * H, enlarge * W, 3) RGB.
    """
    size = (round(image.shape[1] * enlarge), round(image.shape[0] * enlarge))
    canvas: NDArray[np.uint8] = np.array(
        cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) if enlarge != 1 else image, np.uint8
    )
    points = (np.asarray(keypoints, np.float64) + 0.5) * enlarge - 0.5
    line = max(1, round(max(size) / 128)) if line is None else line
    add_pose(canvas, points, keypoint_set=keypoint_set, visible=visible, line=line)
    return canvas


def add_pose(
    canvas: NDArray[np.uint8],
    keypoints: ArrayLike,
    *,
    keypoint_set: KeypointSet,
    visible: ArrayLike | None = None,
    line: int,
) -> None:
    """Draw a pose on the image itself.

    Args:
        canvas: (H, W, 3) RGB.
        keypoints: (K, 2) pixels of the image; those that are drawn must be finite.
        keypoint_set: says which keypoints are joined, and which of a flip pair is left: the first.
        visible: (K,) 0 is not drawn, 1 is drawn as a ring, 2 as a disc; None draws everything as discs.
        line: width of a limb in pixels.
    """
    points = within_reach(np.asarray(keypoints, np.float64), canvas)
    seen = np.full(len(points), 2) if visible is None else np.asarray(visible)
    sides = keypoint_sides(keypoint_set)
    regions = drawn_regions(keypoint_set, points, seen, sides=sides)
    apart = [region.dots.keys() for region in regions]
    limbs = [limb for limb in keypoint_set.limbs if not any(set(limb) <= dots for dots in apart)]
    for width, outlined in ((line + 2, True), (line, False)):
        for start, end in limbs:
            if seen[start] > 0 and seen[end] > 0:
                colour = OUTLINE if outlined else limb_colour(sides[start], sides[end])
                draw_line(canvas, (points[start], points[end]), colour=colour, width=width)
    radius = line * (0.7 if len(points) > _DENSE else 1.7)
    for index, (point, visibility, side) in enumerate(zip(points, seen, sides, strict=True)):
        if visibility > 0 and not any(index in dots for dots in apart):
            draw_point(canvas, point, radius=radius, colour=side, filled=bool(visibility > 1))
    for region in regions:
        add_region(canvas, points, seen, region=region)


def keypoint_sides(keypoint_set: KeypointSet) -> list[Colour]:
    """Return LEFT, RIGHT or MIDDLE for each of the K keypoints."""
    sides = [MIDDLE] * len(keypoint_set)
    for left, right in keypoint_set.flip_pairs:
        sides[left], sides[right] = LEFT, RIGHT
    return sides


def contact_sheet(
    images: Sequence[NDArray[np.uint8]], *, columns: int, captions: Sequence[str] = (), title: str = ""
) -> NDArray[np.uint8]:
    """Return one image with all the given ones in rows, on white.

    Args:
        images: (H, W, 3) RGB each, of any sizes; every cell has room for the largest.
        columns: images in a row.
        captions: a line under each image; none, or one an image. Too long a one loses its beginning.
        title: a line above everything.

    Raises:
        ValueError: if there are captions, but not one an image.
    """
    if captions and len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images")
    height = max((image.shape[0] for image in images), default=0) + (_CAPTION_HEIGHT if captions else 0)
    width = max((image.shape[1] for image in images), default=0)
    columns = min(columns, max(len(images), 1))
    rows = -(-len(images) // columns)
    top = _GAP + (_CAPTION_HEIGHT if title else 0)
    shape = (top + rows * (height + _GAP), _GAP + columns * (width + _GAP), 3)
    sheet = np.full(shape, _PAPER, np.uint8)
    if title:
        _write(sheet, title, left=_GAP, baseline=_CAPTION_HEIGHT, width=shape[1] - 2 * _GAP)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        y, x = top + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[y : y + image.shape[0], x : x + image.shape[1]] = image
        if captions:
            baseline = y + image.shape[0] + _CAPTION_HEIGHT - 5
            _write(sheet, captions[number], left=x, baseline=baseline, width=width)
    return sheet


def _write(sheet: NDArray[np.uint8], text: str, *, left: int, baseline: int, width: int) -> None:
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    shown = text
    while len(shown) > 1 and cv2.getTextSize(shown, font, scale, 1)[0][0] > width:
        shown = shown[1:]
    cv2.putText(sheet, shown, (left, baseline), font, scale, _INK, 1, cv2.LINE_AA)
