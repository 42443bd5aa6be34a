"""The lists of an annotation file: its images, and its people by their image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, IdIndex, file_id
from posenas.contract.samples import Person
from posenas.data.coco.categories import Category, category_id, people_categories
from posenas.data.coco.values import quoted


class PeopleEntries(NamedTuple):
    """The annotations of a file, parted into those of people and the others.

    Attributes:
        categories: the people's categories.
        annotations: those of people, each with its number in the file.
        left_out: the others, by their category_id.
    """

    categories: list[Category]
    annotations: list[tuple[int, Mapping[str, Any]]]
    left_out: dict[FileId, list[Mapping[str, Any]]]


class PeopleRule(NamedTuple):
    """The options that tell which annotations are people.

    Attributes:
        category: the name of their category; empty takes the categories that list keypoints.
        unnamed: whether categories that list no keypoints will do, if their annotations have some.
    """

    category: str = ""
    unnamed: bool = False


def choose_people(
    annotations: Sequence[Mapping[str, Any]],
    categories: Sequence[Mapping[str, Any]],
    rule: PeopleRule = PeopleRule(),  # noqa: B008
) -> PeopleEntries:
    """Part the annotations of people from the others.

    Args:
        annotations: all entries of `annotations`.
        categories: all entries of `categories`.
        rule: tells which are people.

    Raises:
        PosenasError: if no category, or more than one, tells what people's keypoints are.
    """
    ids = []
    for number, annotation in enumerate(annotations):
        try:
            ids.append(category_id(annotation))
        except ValueError as error:
            raise PosenasError(f"{annotation_name(number, annotation)}: {error}; mend or remove it") from None
    named = Counter(ids)
    posed = Counter(value for value, each in zip(ids, annotations, strict=True) if each.get("keypoints"))
    chosen = people_categories(categories, named, posed=posed, wanted=rule.category, unnamed=rule.unnamed)
    theirs = {value for value in named if any(category.holds(value) for category in chosen)}
    people = [(number, each) for number, each in enumerate(annotations) if ids[number] in theirs]
    left_out: dict[FileId, list[Mapping[str, Any]]] = {}
    for value, annotation in zip(ids, annotations, strict=True):
        if value is not None and value not in theirs:
            left_out.setdefault(value, []).append(annotation)
    return PeopleEntries(chosen, people, left_out)


def read_images(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entries of `images`.

    Raises:
        PosenasError: if an entry has no text as `file_name`, or no id of its own.
    """
    images = entries(content, "images")
    known: set[FileId] = set()
    for number, image in enumerate(images):
        if "id" not in image or "file_name" not in image:
            raise PosenasError(f"entry {number} of `images` has no id or no file_name")
        try:
            identity = file_id(image["id"])
        except ValueError:
            identity = None
        if identity is None or not isinstance(image["file_name"], str):
            raise PosenasError(
                f"entry {number} of `images`: id must be a whole number or text and file_name text, "
                f"not {quoted(image['id'])} and {quoted(image['file_name'])}"
            )
        if identity in known:
            raise PosenasError(f"two images have the id {quoted(identity)}; make ids unique")
        known.add(identity)
    return images


class ReadPeople(NamedTuple):
    """The people of one annotation: one, nobody, or several where a person's parts count alone.

    Attributes:
        people: those whom the annotation shows.
        remarks: what is odd about them, each in words for several cases; see `Finding.what`.
    """

    people: tuple[Person, ...]
    remarks: tuple[str, ...] = ()


PersonReader: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], ReadPeople]
"""From an annotation and the entry of its image to the people. It raises a ValueError or KeyError where
something cannot be read."""


def people_by_image(
    annotations: Sequence[tuple[int, Mapping[str, Any]]],
    images: Sequence[Mapping[str, Any]],
    index: IdIndex,
    read: PersonReader,
) -> tuple[dict[int, list[Person]], dict[str, list[str]]]:
    """Return the people of a file by the position of their image, and the annotations by the remark on them.

    Args:
        annotations: each with its number in the file.
        images: the entries of `images`.
        index: finds an image's position by its id.
        read: gives the people of an annotation.

    Raises:
        PosenasError: if an annotation cannot be read, or its image is not there.
    """
    people: dict[int, list[Person]] = {}
    remarks: dict[str, list[str]] = {}
    for number, annotation in annotations:
        try:
            position = index.find(_image_id(annotation))
            found = None if position is None else read(annotation, images[position])
        except KeyError as error:
            raise PosenasError(f"{annotation_name(number, annotation)} has no {error}; add it") from None
        except ValueError as error:
            raise PosenasError(f"{annotation_name(number, annotation)}: {error}; mend or remove it") from None
        if position is None or found is None:
            value = annotation["image_id"]
            raise PosenasError(f"people are annotated in image {quoted(value)}, but `images` lacks it")
        if found.people:
            people.setdefault(position, []).extend(found.people)
        for remark in found.remarks:
            remarks.setdefault(remark, []).append(annotation_name(number, annotation))
    return people, remarks


def _image_id(annotation: Mapping[str, Any]) -> FileId:
    value = annotation["image_id"]
    try:
        return file_id(value)
    except ValueError as error:
        raise ValueError(f"its image_id {error}, not {quoted(value)}") from None


def annotation_name(number: int, annotation: Mapping[str, Any]) -> str:
    """Return what a message calls an annotation, by its id or its number in the file."""
    return f"annotation {quoted(annotation['id'])}" if "id" in annotation else f"annotation number {number}"


def entries(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return a list of objects from an annotation file.

    Args:
        content: the file's content.
        name: the list's name, such as `images`.

    Raises:
        PosenasError: if it is missing or something else.
    """
    found = content.get(name)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise PosenasError(f"`{name}` is missing or not a list of objects; COCO annotations have one")
    return found
