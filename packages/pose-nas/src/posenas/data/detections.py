"""Boxes of a person detector, from a file in COCO's results format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, IdIndex, file_id, same_id
from posenas.data.coco.values import quoted
from posenas.data.person_crop import PersonCrop
from posenas.runs.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample

Image = TypeVar("Image")


class Detection(NamedTuple, Generic[Image]):
    """A detector's box.

    Attributes:
        image: the image that the box is in.
        box: x, y, width and height in pixels.
        score: how sure the detector is.
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
) -> list[PersonCrop]:
    """Return a crop for each detected box in the samples' images.

    Boxes of other images, of other categories and of no size are left out.

    Args:
        path: JSON, a list of {"image_id", "category_id", "bbox": [x, y, width, height], "score"}.
        samples: the images of the split that is evaluated.
        keypoints: the set that poses will be predicted in; its categories are those of people.
        threshold: boxes with a lower score are left out.

    Raises:
        PosenasError: if the file is missing or malformed, or no box is left.
    """
    images = IdIndex([sample.written_id for sample in samples])
    unlabelled = np.zeros((len(keypoints), 3))
    found, number = read_detections(path, image=image_id, categories=keypoints.categories)
    placed = [(images.find(each.image), each) for each in found if each.score >= threshold]
    crops = [
        PersonCrop(position, each.box, unlabelled, each.score)
        for position, each in placed
        if position is not None
    ]
    if not crops:
        raise PosenasError(
            f"{path}: none of its {number} boxes is of category {in_words(keypoints.categories)}, scores at "
            f"least {threshold} and lies in one of the split's {len(samples)} images; choose another file or "
            "a lower threshold"
        )
    return crops


def in_words(categories: Sequence[FileId]) -> str:
    """Return the ids of categories as words for a message."""
    return " or ".join(str(each)[:40] for each in categories[:4])


def image_id(row: Mapping[str, Any]) -> FileId:
    """Return the image's id in a row of a results file.

    Raises:
        KeyError: if the row has none.
        ValueError: if it is neither a whole number nor text.
    """
    value = row["image_id"]
    try:
        return file_id(value)
    except ValueError:
        raise ValueError(f"image_id {quoted(value)} is no whole number or text") from None


def read_detections(
    path: Path, *, image: Callable[[Mapping[str, Any]], Image], categories: Sequence[FileId] = (1,)
) -> tuple[list[Detection[Image]], int]:
    """Return the boxes of people, without those of no size, and how many boxes the file holds in all.

    Args:
        path: a detector's results file.
        image: tells a row's image; raises KeyError, TypeError or ValueError if the row names none.
        categories: ids of people.

    Raises:
        PosenasError: if the file is missing or malformed.
    """
    rows = read_json(path, finite=False)
    if not isinstance(rows, list):
        raise PosenasError(f"{path}: not a detector's result, which is a JSON list of boxes with scores")
    found = []
    person: dict[FileId, bool] = {}
    for number, row in enumerate(rows):
        try:
            x, y, width, height = (float(value) for value in row["bbox"])
            shown, score, category = image(row), float(row["score"]), file_id(row["category_id"])
            if not np.isfinite((x, y, width, height, score)).all():
                raise ValueError("bbox and score must be finite")
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise PosenasError(
                f"{path}: entry {number} is no box with image_id, category_id, bbox and score "
                f"({repr(error)[:100]})"
            ) from None
        if category not in person:
            person[category] = any(same_id(category, each) for each in categories)
        if person[category] and min(width, height) > 0:
            found.append(Detection(shown, (x, y, width, height), score))
    return found, len(rows)
