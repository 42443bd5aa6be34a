"""The frames of an annotation file of PoseTrack 2018: which video each is of, and its number in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, IdIndex, file_id, same_id
from posenas.data.coco.annotations import ReadPeople, entries, people_by_image, read_images
from posenas.data.coco.categories import category_id
from posenas.data.coco.split import image_size
from posenas.data.coco.values import flag, quoted
from posenas.data.other_formats import read_coco_json
from posenas.standard.posetrack.people import columns_of, read_tracked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.samples import Person

UNLABELLED_PEOPLE = "people are annotated in frames that are marked as not labelled, and are left out"
OTHER_CATEGORIES = "annotations of other categories than the people's are left out"
BAD_REGIONS = "ignore regions are no polygons of three corners or more, and are left out"
TWICE = "frames are listed more than once: the first of them counts, with its people"

_FRAME = re.compile(r"([0-9]{1,18})[^0-9]*$")


@dataclass(frozen=True)
class Frame:
    """A frame of a video, as its annotation file describes it.

    Attributes:
        id: of the image.
        name: its `file_name`.
        video: the folder in its `file_name`, or the annotation file's name if there is none.
        number: the last number in its `file_name`.
        labelled: whether people were annotated in it, if there are any.
        people: everybody annotated in it.
        ignored: corners (M, 2) in pixels of each polygon in which nobody was annotated, if it is labelled.
        size: width and height in pixels; None if the file does not tell.
        of_frames: how many frames its video has by the file, in words; empty if the file does not tell.
        file: the annotation file.
    """

    id: FileId
    name: str
    video: str
    number: int
    labelled: bool
    people: tuple[Person, ...]
    ignored: tuple[NDArray[np.float64], ...]
    size: tuple[int, int] | None
    of_frames: str
    file: Path


Remarks = dict[str, list[str]]
"""Cases by the words that tell of several of them; see `Finding.what`."""


def read_frames(file: Path, remarks: Remarks) -> list[Frame]:
    """Return the frames of an annotation file in its order; what is odd is added to the remarks.

    Raises:
        PosenasError: if the file cannot be read; it names the file.
    """
    content = read_coco_json(file)
    try:
        if not isinstance(content, dict):
            raise PosenasError("not PoseTrack's annotations: no object with images, annotations, categories")
        return _frames(content, file, remarks)
    except PosenasError as error:
        raise PosenasError(str(error) if str(file) in str(error) else f"{file}: {error}") from None


def _frames(content: dict[str, Any], file: Path, remarks: Remarks) -> list[Frame]:
    images = read_images({"images": _without_repeats(entries(content, "images"), remarks)})
    ids = [file_id(image["id"]) for image in images]
    people, odd = _people(content, images, ids)
    for what, cases in odd.items():
        _add(remarks, what, [f"{file.name}, {case}" for case in cases])
    frames = []
    for position, (identity, image) in enumerate(zip(ids, images, strict=True)):
        name = image["file_name"].replace("\\", "/")
        labelled = _is_labelled(image)
        frames.append(
            Frame(
                id=identity,
                name=name,
                video=PurePosixPath(name).parent.name or file.stem,
                number=_number(name),
                labelled=labelled,
                people=tuple(people.get(position, ())),
                ignored=_ignored(image, remarks) if labelled else (),
                size=image_size(image) if {"width", "height"} & image.keys() else None,
                of_frames=quoted(image["nframes"]) if "nframes" in image else "",
                file=file,
            )
        )
    return frames


def _people(
    content: dict[str, Any], images: list[Mapping[str, Any]], ids: list[FileId]
) -> tuple[dict[int, list[Person]], dict[str, list[str]]]:
    """Return the people by the position of their frame, and annotations by the remark on them."""
    category = _category(entries(content, "categories"))
    names = category["keypoints"]
    columns = columns_of(names)

    def read(annotation: Mapping[str, Any], image: Mapping[str, Any]) -> ReadPeople:
        if not _is_of(annotation, category):
            return ReadPeople((), (OTHER_CATEGORIES,))
        if not _is_labelled(image):
            return ReadPeople((), (UNLABELLED_PEOPLE,))
        person, odd = read_tracked(annotation, columns=columns, keypoints=len(names))
        return ReadPeople((person,), odd)

    numbered = list(enumerate(entries(content, "annotations")))
    return people_by_image(numbered, images, IdIndex(ids), read)


def _category(categories: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first category that names keypoints."""
    found = next((each for each in categories if each.get("keypoints")), None)
    if found is None:
        raise PosenasError(
            "no category names keypoints, which PoseTrack 2018's files do; is it another file?"
        )
    try:
        file_id(found.get("id", 1))
    except ValueError as error:
        raise PosenasError(f"the category's id {error}, not {quoted(found['id'])}") from None
    return found


def _is_of(annotation: Mapping[str, Any], category: Mapping[str, Any]) -> bool:
    """Return whether an annotation is of a category; one that names none is."""
    value = category_id(annotation)
    return value is None or same_id(value, category.get("id", 1))


def _without_repeats(images: list[Mapping[str, Any]], remarks: Remarks) -> list[Mapping[str, Any]]:
    """Return the entries without those whose id an earlier one has."""
    first: dict[str, Mapping[str, Any]] = {}
    repeated = []
    for number, image in enumerate(images):
        key = repr(image["id"]) if "id" in image else f"number {number}"
        if first.setdefault(key, image) is not image:
            repeated.append(f"{quoted(image.get('file_name'))}, id {quoted(image['id'])}")
    _add(remarks, TWICE, repeated)
    return list(first.values())


def _number(name: str) -> int:
    found = _FRAME.search(PurePosixPath(name).stem)
    if found is None:
        raise PosenasError(
            f"file_name {name!r:.80} has no number, which is the frame's in its video; name frames as "
            "000000.jpg, 000001.jpg, ..."
        )
    return int(found[1])


def _is_labelled(image: Mapping[str, Any]) -> bool:
    """Return whether a frame is labelled; one that does not say so is."""
    try:
        return flag(image.get("is_labeled", True), "is_labeled")
    except ValueError as error:
        raise PosenasError(f"image {quoted(image['id'])}: {error}; mend it") from None


def _ignored(image: Mapping[str, Any], remarks: Remarks) -> tuple[NDArray[np.float64], ...]:
    """Return the ignore regions' corners; `ignore_regions_x` and `_y` have a list for each polygon."""
    columns, rows = (image.get(f"ignore_regions_{axis}") or [] for axis in "xy")
    found: list[NDArray[np.float64]] = []
    name = str(image["file_name"])
    if not isinstance(columns, list) or not isinstance(rows, list) or len(columns) != len(rows):
        _add(remarks, BAD_REGIONS, [name])
        return ()
    for corners in zip(columns, rows, strict=True):
        try:
            polygon = np.array(corners, np.float64).T
        except (OverflowError, TypeError, ValueError):
            polygon = np.zeros(0)
        if polygon.ndim == 2 and len(polygon) >= 3 and np.isfinite(polygon).all():
            found.append(polygon)
        else:
            _add(remarks, BAD_REGIONS, [name])
    return tuple(found)


def _add(remarks: Remarks, what: str, cases: list[str]) -> None:
    if cases:
        remarks.setdefault(what, []).extend(cases)
