"""A split of a dataset in COCO's format, read from its annotation file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import IdIndex, file_id, numbered
from posenas.contract.finding import Finding, finding
from posenas.contract.samples import Person, Sample
from posenas.data.coco.annotations import (
    PeopleEntries,
    PeopleRule,
    PersonReader,
    choose_people,
    entries,
    people_by_image,
    read_images,
)
from posenas.data.coco.files import check_split
from posenas.data.coco.left_out import left_out_by_category, more_boxes_than_skeletons
from posenas.data.coco.values import quoted
from posenas.data.held_out import HeldOutOptions, Together, hold_out
from posenas.data.images.file_image import FileImage
from posenas.data.other_formats import read_coco_json

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet
    from posenas.data.coco.files import AnnotationFiles

_LONGEST_SIDE = 2**31 - 1


class Reading(NamedTuple):
    """How a dataset reads the people of an annotation file.

    Attributes:
        keypoints: what everybody has.
        read: the people of an annotation, and what is odd about them.
        findings: on the file as a whole.
        who: the word for whom the dataset is about, for the message that there is nobody.
    """

    keypoints: KeypointSet
    read: PersonReader
    findings: Sequence[Finding] = ()
    who: str = "person"


class AnnotatedSplit(NamedTuple):
    """What was read of a split, and what was left out of it.

    Attributes:
        keypoints: what everybody has.
        samples: the images with their people.
        findings: what was left out, and what is odd.
    """

    keypoints: KeypointSet
    samples: tuple[Sample, ...]
    findings: tuple[Finding, ...]


def read_split(
    files: AnnotationFiles,
    understand: Callable[[PeopleEntries], Reading],
    *,
    rule: PeopleRule = PeopleRule(),  # noqa: B008
    shrink: Callable[[dict[str, Any]], object] | None = None,
) -> AnnotatedSplit:
    """Return the images and the people of an annotation file.

    Images without people and crowds are kept: evaluation needs them.

    Args:
        files: where the split's files lie.
        understand: decides how people are read, from the annotations of the people's categories.
        rule: tells which annotations are people.
        shrink: makes an object of the file smaller as soon as it is read, and returns what stands for it.
            Large files then need less memory.

    Raises:
        PosenasError: if a file is missing or malformed, or holds nobody.
    """
    path = files.annotation_file()
    content = read_coco_json(path, shrink=shrink)
    if not isinstance(content, dict):
        raise PosenasError(f"{path}: not COCO annotations: no object with images, annotations, categories")
    try:
        chosen = choose_people(entries(content, "annotations"), entries(content, "categories"), rule)
        return _understood(files, understand(chosen), chosen, content=content, path=path)
    except PosenasError as error:
        raise PosenasError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def _understood(
    files: AnnotationFiles,
    reading: Reading,
    chosen: PeopleEntries,
    *,
    content: Mapping[str, Any],
    path: Path,
) -> AnnotatedSplit:
    categories = entries(content, "categories")
    findings = [*reading.findings, *left_out_by_category(chosen.left_out, categories, split=files.split)]
    images = read_images(content)
    ids = [file_id(image["id"]) for image in images]
    index = IdIndex(ids)
    people, remarks = people_by_image(chosen.annotations, images, index, reading.read)
    if not people:
        instead = f": {findings[0]}" if findings else ""
        raise PosenasError(
            f"no {reading.who} is annotated{instead}; choose another file with dataset.{files.split}"
        )
    findings += more_boxes_than_skeletons(chosen.left_out, people, images, index, split=files.split)
    for what, cases in remarks.items():
        findings += finding(what, cases, split=files.split)
    names = [str(image["file_name"]) for image in images]
    paths, moved = files.image_paths(names, path)
    findings += moved
    samples = (
        _sample(image, FileImage(paths[name], files.max_pixels), people.get(position, ()), number=number)
        for position, (number, image, name) in enumerate(zip(numbered(ids), images, names, strict=True))
    )
    return AnnotatedSplit(reading.keypoints, tuple(samples), tuple(findings))


def reads_once(
    options: HeldOutOptions, read: Callable[[str], AnnotatedSplit], *, dataset: str
) -> Callable[[str], AnnotatedSplit]:
    """Return a function that gives a split by its name and reads each file once.

    Datasets are asked for their splits often, and a large file takes minutes to read. With `val_share` both
    splits are of the training file.

    Args:
        options: the dataset's: `val_share`, `val_together` and `val_seed` are all that is read of it.
        read: gives all that is in the file of `train` or `val`.
        dataset: its name, for messages.
    """
    whole = cache(read)

    @cache
    def divided() -> Mapping[str, AnnotatedSplit]:
        train = whole("train")
        return divide(train, options.val_share, seed=options.val_seed, together=options.val_together)

    def annotated(split: str) -> AnnotatedSplit:
        check_split(split, dataset=dataset)
        return divided()[split] if options.val_share else whole(split)

    return annotated


def divide(
    whole: AnnotatedSplit, share: float, *, seed: int, together: Together
) -> Mapping[str, AnnotatedSplit]:
    """Return the splits `train` and `val` of one file; what was noticed about the file stands at `train`.

    Args:
        whole: what was read of the file.
        share: between 0 and 1, of the images with people, for `val`.
        seed: chooses the images.
        together: what is never split.

    Raises:
        PosenasError: if people are in fewer than two groups that stay together.
    """
    train, val = hold_out(whole.samples, share, seed=seed, together=together)
    findings = tuple(replace(each, split="") for each in whole.findings)
    return {
        "train": whole._replace(samples=train, findings=findings),
        "val": whole._replace(samples=val, findings=()),
    }


def image_size(image: Mapping[str, Any]) -> tuple[int, int]:
    """Return the width and height of an entry of `images`, in pixels.

    Raises:
        PosenasError: if they are missing or no size of an image.
    """
    identity = file_id(image["id"])
    try:
        width, height = int(image["width"]), int(image["height"])
    except (KeyError, OverflowError, TypeError, ValueError):
        raise PosenasError(f"image {quoted(identity)} has no width and height in pixels; add them") from None
    if not 0 < min(width, height) <= max(width, height) <= _LONGEST_SIDE:
        raise PosenasError(
            f"image {quoted(identity)} is {quoted(width)} x {quoted(height)} pixels; "
            "mend its width and height"
        )
    return width, height


def _sample(image: Mapping[str, Any], source: FileImage, people: Sequence[Person], *, number: int) -> Sample:
    identity = file_id(image["id"])
    width, height = image_size(image)
    return Sample(
        id=number,
        source=source,
        width=width,
        height=height,
        people=tuple(people),
        crowd_index=_crowd_index(image),
        file_id=None if type(identity) is int and identity == number else identity,
    )


def _crowd_index(image: Mapping[str, Any]) -> float | None:
    value = image.get("crowdIndex")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= sys.float_info.max:
        raise PosenasError(
            f"image {quoted(image['id'])}: crowdIndex must be a number from 0, not {quoted(value)}"
        )
    return float(value)
