"""Regions of people in views. Each is five points, which move with the picture as keypoints do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from posenas.data.affine import FARTHEST, transform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Person
    from posenas.data.person_crop import PersonCrop

Box = tuple[float, float, float, float]

POINTS = 5
"""The points of a region: its top left, top right, bottom right and bottom left corner, and its centre."""

_CENTRE = 4
_MIRRORED_POINTS = [1, 0, 3, 2, 4]


def region_boxes(
    annotated: Mapping[str, Box], pose: NDArray[np.float64], keypoints: KeypointSet
) -> dict[str, Box]:
    """Return the boxes of those regions of a person that are known, by name.

    A region has its annotated box. Without one it has the rectangle around its keypoints if all of them are
    labelled. Boxes without area are left out.

    Args:
        annotated: x, y, width and height in pixels, by the names of the regions.
        pose: (K, 3) pixels and visibility.
        keypoints: the keypoint set of the pose, which names the regions.
    """
    boxes = {
        name: annotated.get(name) or _box_around(pose[list(indices)])
        for name, indices in keypoints.regions.items()
    }
    return {name: box for name, box in boxes.items() if box is not None and min(box[2:]) > 0}


def regions_in_view(
    people: Sequence[Person | PersonCrop],
    matrix: NDArray[np.float64],
    *,
    keypoints: KeypointSet,
    size: tuple[int, int],
    flip: bool,
) -> NDArray[np.float64]:
    """Return the (T, R, 5, 3) points of people's regions in pixels of a view.

    Behind x and y stands 1 where the region is known and its centre lies in the view, else 0.

    Args:
        people: T people, in pixels of their image.
        matrix: (2, 3) from the image to the view.
        keypoints: the keypoint set of the people, which names the R regions.
        size: height and width of the view.
        flip: whether the view is mirrored: left regions are right ones, and left corners right ones.
    """
    points = np.zeros((len(people), len(keypoints.regions), POINTS, 3))
    for person, places in zip(people, points, strict=True):
        boxes = region_boxes(person.regions, person.keypoints, keypoints)
        for name, place in zip(keypoints.regions, places, strict=True):
            if name in boxes:
                place[:, :2], place[:, 2] = _five_points(boxes[name]), 1
    if not points.size:
        return points
    if flip:
        points = points[:, list(keypoints.mirrored_regions)][:, :, _MIRRORED_POINTS]
    points[..., :2] = transform(matrix, points[..., :2].clip(-FARTHEST, FARTHEST))
    centres = points[:, :, _CENTRE, :2]
    inside = np.all((centres >= -0.5) & (centres <= np.array(size)[::-1] - 0.5), axis=2, keepdims=True)
    points[..., 2] *= inside
    return points


def region_fields(points: Tensor) -> dict[str, Tensor]:
    """Return a batch's fields `regions` and `regions_known`; no field where there are no regions.

    Args:
        points: (T, R, 5, 3) pixels of the view, and 1 where known.
    """
    if not points.shape[1]:
        return {}
    return {
        "regions": points[..., :2].contiguous(),
        "regions_known": points[:, :, _CENTRE, 2].contiguous(),
    }


def _box_around(pose: NDArray[np.float64]) -> Box | None:
    if not (pose[:, 2] > 0).all():
        return None
    (left, top), (width, height) = pose[:, :2].min(axis=0), np.ptp(pose[:, :2], axis=0)
    return float(left), float(top), float(width), float(height)


def _five_points(box: Box) -> list[tuple[float, float]]:
    left, top, width, height = box
    right, bottom = left + width, top + height
    centre = (left + width / 2, top + height / 2)
    return [(left, top), (right, top), (right, bottom), (left, bottom), centre]
