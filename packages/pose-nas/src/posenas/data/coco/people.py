"""People read from annotations of COCO's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from posenas.contract.file_ids import FileId, file_id
from posenas.contract.samples import Person
from posenas.data.coco.values import finite, flag, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]


TURNED = "people have a box of negative width or height, which is read from its other corner"
"""The remark on a box from another corner than the upper left one."""


def read_person(annotation: Mapping[str, Any], pose: NDArray[np.float64]) -> Person:
    """Return the person of an annotation.

    A person without a box, or with one of no size, has the box around the labelled keypoints; one without an
    area has the box's.

    Args:
        annotation: an entry of `annotations`.
        pose: (K, 3) keypoints of the person; see `read_pose`.

    Raises:
        ValueError: if something cannot be read.
    """
    box = read_box(annotation, "bbox") or (0.0, 0.0, 0.0, 0.0)
    width, height = box[2:]
    if min(width, height) <= 0 and (pose[:, 2] > 0).any():
        box = _box_around(pose)
    area = finite(annotation.get("area") or box[2] * box[3], "area")
    if area < 0:
        raise ValueError("its bbox and area must be finite numbers, the area not negative")
    return Person(
        box=box,
        keypoints=pose,
        area=area,
        crowd=flag(annotation.get("iscrowd"), "iscrowd"),
        id=_id(annotation),
        regions=_regions(annotation),
    )


def with_margin(person: Person, margin: float, *, size: tuple[int, int]) -> Person:
    """Return the person with a larger box, within the image; the area stays. Crowds stay as they are.

    Args:
        person: somebody.
        margin: by which share of its width or height the box grows on each side.
        size: width and height of the image in pixels.
    """
    x, y, width, height = person.box
    if person.crowd or min(width, height) <= 0:
        return person
    left, right = (min(max(0.0, end), size[0]) for end in (x - margin * width, x + width + margin * width))
    top, bottom = (min(max(0.0, end), size[1]) for end in (y - margin * height, y + height + margin * height))
    grown = min(x, left), min(y, top), max(x + width, right), max(y + height, bottom)
    return replace(person, box=(*grown[:2], grown[2] - grown[0], grown[3] - grown[1]))


def has_negative_box(annotation: Mapping[str, Any], key: str = "bbox") -> bool:
    """Return whether a readable annotation has a box from another corner than the upper left one."""
    box = annotation.get(key) or (0, 0, 0, 0)
    return min(float(box[2]), float(box[3])) < 0


def _id(annotation: Mapping[str, Any]) -> FileId:
    value = annotation.get("id")
    try:
        return 0 if value is None else file_id(value)
    except ValueError as error:
        raise ValueError(f"its id {error}, not {quoted(value)}") from None


def read_pose(values: object, keypoints: int) -> NDArray[np.float64]:
    """Return the (K, 3) keypoints of a list x, y, v, x, y, v, ...; all zero if there is no value.

    An unlabelled keypoint may be NaN, which becomes (0, 0).

    Args:
        values: the numbers, or a list [x, y, v] for each keypoint.
        keypoints: how many there must be.

    Raises:
        ValueError: if there are others, or a labelled keypoint is not finite.
    """
    if not values:
        return np.zeros((keypoints, 3))
    if not isinstance(values, list):
        raise ValueError(f"its keypoints must be a list of numbers, not {quoted(values)}")
    if isinstance(values[0], list):
        values = _flat(values)
    if len(values) != 3 * keypoints:
        raise ValueError(f"{len(values)} keypoint values, but {keypoints} keypoints are {3 * keypoints}")
    try:
        pose = np.array(values, np.float64).reshape(keypoints, 3)
    except OverflowError:
        raise ValueError("a keypoint is not a finite number") from None
    except (TypeError, ValueError):
        raise ValueError("its keypoints must be numbers") from None
    if not np.isfinite(pose).all():
        absent = (pose[:, 2] <= 0) & ~np.isfinite(pose[:, :2]).all(axis=1)
        pose[absent, :2] = 0
    if not np.isfinite(pose).all():
        raise ValueError("a keypoint is not a finite number")
    return pose


def _flat(values: list[Any]) -> list[Any]:
    """Return the numbers of keypoints that are lists [x, y, v]."""
    if not all(isinstance(each, list) and len(each) == 3 for each in values):
        raise ValueError("its keypoints must be numbers x, y, v, or a list [x, y, v] for each keypoint")
    return [value for each in values for value in each]


def _four(annotation: Mapping[str, Any], key: str) -> Box | None:
    """Return x, y, width and height; None if the annotation has none."""
    values = annotation.get(key)
    if not values:
        return None
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError(f"its {key} must be four numbers")
    try:
        x, y, width, height = (float(value) for value in values)
    except (TypeError, ValueError):
        raise ValueError(f"its {key} must be four numbers") from None
    except OverflowError:
        x = y = width = height = np.inf
    if not np.isfinite((x, y, width, height)).all():
        raise ValueError(f"its {key} and area must be finite numbers, the area not negative")
    return x, y, width, height


def read_box(annotation: Mapping[str, Any], key: str) -> Box | None:
    """Return a box of an annotation from its upper left corner, also if it is given from another one.

    Args:
        annotation: an entry of `annotations`.
        key: the box's name in it, such as `bbox`; the value is x, y, width and height.

    Returns:
        x, y, width and height; None if the annotation has no such box.

    Raises:
        ValueError: if it is no four finite numbers.
    """
    box = _four(annotation, key)
    if box is None:
        return None
    x, y, width, height = box
    return min(x, x + width), min(y, y + height), abs(width), abs(height)


def _regions(annotation: Mapping[str, Any]) -> dict[str, Box]:
    """Return the head's box by its name; nothing if there is none, or one without extent."""
    try:
        box = _four(annotation, "bbox_head")
    except ValueError:
        raise ValueError("its bbox_head must be four finite numbers") from None
    return {} if box is None or max(box[2:]) <= 0 else {"head": box}


def _box_around(pose: NDArray[np.float64]) -> Box:
    points = pose[pose[:, 2] > 0, :2]
    (left, top), (width, height) = points.min(axis=0), np.ptp(points, axis=0)
    return float(left), float(top), float(width), float(height)
