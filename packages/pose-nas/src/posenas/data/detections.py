"""Boxes of a person detector, from a file in COCO's results format."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, IdIndex, file_id, same_id
from posenas.contract.finding import Finding, first_cases
from posenas.data.coco.values import quoted
from posenas.data.images.search import last_parts
from posenas.data.other_formats import read_coco_json
from posenas.data.person_crop import PersonCrop

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

    Boxes of other images, of other categories and of no size are left out. A box may name its image by
    `file_name` too, which counts before `image_id`, and by the file's name without its ending as `image_id`.

    Args:
        path: JSON, a list of {"image_id", "category_id", "bbox": [x, y, width, height], "score"}.
        samples: the images of the split that is evaluated.
        keypoints: the set that poses will be predicted in; its categories are those of people.
        threshold: boxes with a lower score are left out.

    Raises:
        PosenasError: if the file is missing or malformed, or no box is left.
    """
    images = _Images(samples)
    unlabelled = np.zeros((len(keypoints), 3))
    read = read_detections(path, image=images.find, categories=keypoints.categories)
    crops = [
        PersonCrop(each.image, each.box, unlabelled, each.score)
        for each in read.people
        if each.score >= threshold and each.image is not None
    ]
    if not crops:
        raise PosenasError(
            f"{path}: none of its {read.number} boxes is of category {in_words(keypoints.categories)}, scores"
            f" at least {threshold} and lies in one of the split's {len(samples)} images{read.example}; "
            "choose another file or a lower threshold"
        )
    return crops


def boxes_of_other_images(
    path: Path, samples: Sequence[Sample], *, keypoints: KeypointSet, threshold: float = 0.0
) -> list[Finding]:
    """Return a finding on the boxes that `detection_crops` leaves out since their image is no sample's.

    Args:
        path: as for `detection_crops`.
        samples: the images of the split that is evaluated.
        keypoints: its categories are those of people.
        threshold: boxes with a lower score do not count.

    Raises:
        PosenasError: if the file is missing or malformed.
    """
    images = _Images(samples)

    def other(row: Mapping[str, Any]) -> str | None:
        return _image_name(row) if images.find(row) is None else None

    read = read_detections(path, image=other, categories=keypoints.categories)
    names = [each.image for each in read.people if each.image is not None and each.score >= threshold]
    what = f"of {read.number} boxes in {path} are of other images than val's {len(samples)} and are left out"
    return first_cases(what, len(names), list(dict.fromkeys(names)))


class _Images:
    """The samples of a split by what a detector calls their images."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        names = [PurePath(str(sample.source)) for sample in samples]
        self._ids = IdIndex([sample.written_id for sample in samples])
        self._names = _once([name.name for name in names])
        self._stems = _once([name.stem for name in names])

    def find(self, row: Mapping[str, Any]) -> int | None:
        """Return the position of the sample that a row of a results file names; None for another image.

        Raises:
            KeyError: if the row has neither `file_name` nor `image_id`.
            ValueError: if `image_id` is neither a whole number nor text.
        """
        named = self._names.get(last_parts(str(row["file_name"]))[0]) if "file_name" in row else None
        if named is not None or ("file_name" in row and "image_id" not in row):
            return named
        identity = image_id(row)
        position = self._ids.find(identity)
        return self._stems.get(str(identity)) if position is None and isinstance(identity, str) else position


def _once(names: Sequence[str]) -> dict[str, int]:
    """Return the positions of the names that are there once."""
    count = Counter(names)
    return {name: position for position, name in enumerate(names) if count[name] == 1}


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


def _image_name(row: Mapping[str, Any]) -> str:
    named = "file_name" if "file_name" in row else "image_id"
    return f"{named} {quoted(row[named])}"


def _example(row: Mapping[str, Any]) -> str:
    category, score = row["category_id"], float(row["score"])
    return f" (the first is of {_image_name(row)}, category {quoted(category)}, and scores {score:.3g})"


class ReadDetections(NamedTuple, Generic[Image]):
    """The boxes of a file.

    Attributes:
        people: those of people, without those of no size.
        number: of all boxes.
        example: the first box in words for a message; empty if there is none.
    """

    people: list[Detection[Image]]
    number: int
    example: str


def read_detections(
    path: Path, *, image: Callable[[Mapping[str, Any]], Image], categories: Sequence[FileId] = (1,)
) -> ReadDetections[Image]:
    """Return the boxes of people in a file of a detector's results.

    Args:
        path: a detector's results file.
        image: tells a row's image; raises KeyError, TypeError or ValueError if the row names none.
        categories: ids of people.

    Raises:
        PosenasError: if the file is missing or malformed.
    """
    rows = read_coco_json(path)
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
                f"{path}: entry {number} is not a box with image_id, category_id, bbox and score "
                f"({repr(error)[:100]})"
            ) from None
        if category not in person:
            person[category] = any(same_id(category, each) for each in categories)
        if person[category] and min(width, height) > 0:
            found.append(Detection(shown, (x, y, width, height), score))
    return ReadDetections(found, len(rows), _example(rows[0]) if rows else "")
