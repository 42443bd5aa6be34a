"""Boxes of a person detector, from a file in COCO's results format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np

from posenas.data.coco import read_json
from posenas.data.crops import PersonCrop
from posenas.errors import PosenasError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from posenas.keypoints import KeypointSet
    from posenas.samples import Sample

COCO_PERSON = 1
Image = TypeVar("Image")


class Detection(NamedTuple, Generic[Image]):
    """A detector's box.

    Attributes:
        image: that it is in.
        box: x, y, width and height in pixels.
    """

    image: Image
    box: tuple[float, float, float, float]
    score: float


def detection_crops(
    path: Path,
    samples: Sequence[Sample],
    *,
    keypoints: KeypointSet,
    threshold: float = 0.0,
    category: int = COCO_PERSON,
) -> list[PersonCrop]:
    """The boxes of the samples' images; boxes of other images, other categories and no size are left out.

    Args:
        path: JSON, a list of {"image_id", "category_id", "bbox": [x, y, width, height], "score"}.
        samples: of the split that is evaluated.
        keypoints: the set that poses will be predicted in.
        threshold: boxes with a lower score are left out.
        category: the category_id of people.

    Raises:
        PosenasError: where the file is missing or malformed, or no box is left.
    """
    positions = {sample.id: index for index, sample in enumerate(samples)}
    unlabelled = np.zeros((len(keypoints), 3))
    found, number = read_detections(path, image=image_id, category=category)
    crops = [
        PersonCrop(positions[each.image], each.box, unlabelled, each.score)
        for each in found
        if each.score >= threshold and each.image in positions
    ]
    if not crops:
        raise PosenasError(
            f"{path}: none of its {number} boxes is of category {category}, scores at least {threshold} "
            f"and lies in one of the split's {len(samples)} images; choose another file or a lower threshold"
        )
    return crops


def image_id(row: Mapping[str, Any]) -> int:
    """That of a row of a results file. Raises KeyError, TypeError or ValueError where it has none."""
    value = row["image_id"]
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"image_id {value!r} is no whole number")
    return int(value)


def read_detections(
    path: Path, *, image: Callable[[Mapping[str, Any]], Image], category: int = COCO_PERSON
) -> tuple[list[Detection[Image]], int]:
    """The boxes of people, those of no size left out, and how many boxes there are in all.

    Args:
        image: a row's image; raises KeyError, TypeError or ValueError where the row names none.

    Raises:
        PosenasError: where the file is missing or malformed.
    """
    rows = read_json(path)
    if not isinstance(rows, list):
        raise PosenasError(f"{path}: not a detector's result, which is a JSON list of boxes with scores")
    found = []
    for number, row in enumerate(rows):
        try:
            x, y, width, height = (float(value) for value in row["bbox"])
            if not np.isfinite((x, y, width, height)).all():
                raise ValueError("bbox is not finite")
            shown, score, person = image(row), float(row["score"]), row["category_id"] == category
        except (KeyError, TypeError, ValueError) as error:
            raise PosenasError(
                f"{path}: entry {number} is no box with image_id, category_id, bbox and score ({error!r})"
            ) from None
        if person and min(width, height) > 0:
            found.append(Detection(shown, (x, y, width, height), score))
    return found, len(rows)
