"""A split of a data set of ultralytics' form, read from its pictures and label files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.file_ids import FileId, numbered
from posenas.contract.finding import Finding, finding
from posenas.contract.samples import Person, Sample, UnreadableImageError
from posenas.data.coco.people import read_person, read_pose, with_margin
from posenas.data.coco.split import AnnotatedSplit
from posenas.data.images.file_image import FileImage
from posenas.data.images.upright import upright_size
from posenas.standard.yolo.lines import Columns, Line, as_annotation, is_beyond, read_lines

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet
    from posenas.standard.yolo.description import Description
    from posenas.standard.yolo.places import Found, Labelled

Size = tuple[int, int]

_UNREADABLE = "pictures cannot be read and are left out"
_UNLABELLED = "pictures have no label file, so nobody is in them"
_LONELY = "label files belong to no picture"
_TWICE = "pictures are listed more than once and count once"
_BOX_ONLY = "label lines hold a box and no keypoints"
_BEYOND = (
    "label lines have places outside 0..1, so outside the picture; ultralytics leaves out such a picture"
)
_DIGITS = 18
_REPEATED = "label lines are repeated within their file and count once"


def read_split(
    found: Found,
    description: Description,
    keypoints: KeypointSet,
    *,
    classes: Sequence[int],
    max_pixels: int,
    box_margin: float,
    split: str,
) -> AnnotatedSplit:
    """Return the pictures and the people of a split.

    Pictures without people are kept: evaluation needs them. A picture that cannot be read is left out, since
    nothing else tells the size that its labels are shares of.

    Args:
        found: the pictures and their label files.
        description: what `data.yaml` says.
        keypoints: what everybody has.
        classes: the numbers of the people's classes.
        max_pixels: images with more are refused before they are decoded.
        box_margin: by which share of its size a box grows on each side.
        split: the split's name, for the findings.

    Raises:
        PosenasError: if label lines cannot be read, or nobody is there.
    """
    columns = Columns(len(keypoints), description.values, frozenset(description.classes))
    lines, remarks = _read_lines(found.pictures, columns)
    people = {
        position: [line for line in each if not description.classes or line.kind in classes]
        for position, each in lines.items()
    }
    if not any(people.values()):
        raise PosenasError(
            f"nobody is labelled in {split}: {len(found.pictures)} pictures, "
            f"{sum(each.label is not None for each in found.pictures)} label files, "
            f"{sum(map(len, lines.values()))} label lines; set dataset.{split} or dataset.category"
        )
    sizes, unreadable = _sizes(found.pictures, max_pixels)
    told = {
        _UNREADABLE: unreadable,
        _UNLABELLED: [str(each.image) for each in found.pictures if each.label is None],
        _LONELY: found.lonely,
        _TWICE: found.twice,
        **remarks,
    }
    findings = [each for what, cases in told.items() for each in finding(what, cases, split=split)]
    findings += _class_findings(lines, description, classes, split=split)
    samples = _samples(found.pictures, people, sizes, keypoints=len(keypoints), max_pixels=max_pixels)
    if box_margin:
        samples = [_with_margin(sample, box_margin) for sample in samples]
    return AnnotatedSplit(keypoints, tuple(samples), tuple(findings))


def _with_margin(sample: Sample, margin: float) -> Sample:
    size = sample.width, sample.height
    return replace(sample, people=tuple(with_margin(each, margin, size=size) for each in sample.people))


def _samples(
    pictures: Sequence[Labelled],
    people: Mapping[int, Sequence[Line]],
    sizes: Mapping[int, Size],
    *,
    keypoints: int,
    max_pixels: int,
) -> list[Sample]:
    """Return the pictures whose size is known; people are numbered from 1.

    Args:
        pictures: of a split.
        people: their lines by the position of the picture.
        sizes: the pictures' sizes by the position.
        keypoints: K.
        max_pixels: images with more are refused before they are decoded.
    """
    ids = image_ids([pictures[position].name for position in sizes])
    samples: list[Sample] = []
    last = 0
    for position, identity, number in zip(sizes, ids, numbered(ids), strict=True):
        size, somebody = sizes[position], people.get(position, ())
        everybody = [_person(line, size, keypoints, number=last + n) for n, line in enumerate(somebody, 1)]
        last += len(somebody)
        samples.append(
            Sample(
                id=number,
                source=FileImage(pictures[position].image, max_pixels),
                width=size[0],
                height=size[1],
                people=tuple(everybody),
                file_id=None if identity == number else identity,
            )
        )
    return samples


def image_ids(names: Sequence[str]) -> list[FileId]:
    """Return an id for each picture, as ultralytics writes them in its predictions.

    They are the numbers that the files' names are, else the names without folder and ending, else, where two
    of them are equal, the names with both.

    Args:
        names: the pictures' names, all different, with `/` between folders.
    """
    stems = [PurePath(name).stem for name in names]
    if len(set(stems)) < len(stems):
        return [*names]
    is_number = all(stem.isascii() and stem.isdigit() and len(stem) <= _DIGITS for stem in stems)
    if is_number and len(set(map(int, stems))) == len(stems):
        return [int(stem) for stem in stems]
    return [*stems]


def choose_classes(description: Description, category: str) -> list[int]:
    """Return the numbers of the people's classes; class 0 if nobody names classes.

    Args:
        description: what `data.yaml` says.
        category: the dataset's option: a class by its name; empty takes every class.

    Raises:
        PosenasError: if there is no such class.
    """
    names = description.classes
    chosen = [number for number, name in sorted(names.items()) if category in ("", name)]
    if category and not chosen:
        raise PosenasError(
            f"dataset.category = {category!r:.60} is not a class of {description.file or 'the labels'}; "
            f"{suggestion(category, names.values()):.150}"
        )
    return chosen or [0]


def _class_findings(
    lines: Mapping[int, Sequence[Line]], description: Description, classes: Sequence[int], *, split: str
) -> list[Finding]:
    """Return findings on lines of other classes, and on several classes that are read as one."""
    count = Counter(line.kind for each in lines.values() for line in each)
    told = {kind: f"{description.classes.get(kind, kind)} ({number})" for kind, number in count.items()}
    left_out = [kind for kind in sorted(count) if description.classes and kind not in classes]
    what = "label lines of other classes than dataset.category are left out"
    found = [
        Finding(what, sum(count[kind] for kind in left_out), tuple(told[kind] for kind in left_out), split)
    ]
    together = sorted(set(count) - set(left_out))
    what = "classes are read as one kind of people; dataset.category=NAME chooses one"
    names = [told[kind] for kind in together] if len(together) > 1 else []
    return [*(found if left_out else []), *finding(what, names, split=split)]


def _person(line: Line, size: Size, keypoints: int, *, number: int) -> Person:
    annotation = as_annotation(line, size, number=number)
    return read_person(annotation, read_pose(annotation["keypoints"], keypoints))


def _sizes(pictures: Sequence[Labelled], max_pixels: int) -> tuple[dict[int, Size], list[str]]:
    """Return the size of each picture by its position, and why the others cannot be read."""
    sizes, unreadable = {}, []
    for position, picture in enumerate(pictures):
        try:
            sizes[position] = upright_size(picture.image, max_pixels)
        except UnreadableImageError as error:
            unreadable.append(str(error))
    return sizes, unreadable


def _read_lines(
    pictures: Sequence[Labelled], columns: Columns
) -> tuple[dict[int, list[Line]], dict[str, list[str]]]:
    """Return the label lines by the position of their picture, and places in files by the remark on them.

    Args:
        pictures: of a split.
        columns: what a line may have.

    Raises:
        PosenasError: if lines cannot be read; it tells their number, the reasons and the first of them.
    """
    found: dict[int, list[Line]] = {}
    remarks: dict[str, list[str]] = {}
    wrong: dict[str, list[str]] = {}
    for position, picture in enumerate(pictures):
        seen = set[tuple[object, ...]]()
        for line in read_lines(picture.label, columns) if picture.label else ():
            place = f"{picture.label}, line {line[0]}"
            if not isinstance(line, Line):
                wrong.setdefault(line[1], []).append(place)
                continue
            for remark in _remarks(line, seen):
                remarks.setdefault(remark, []).append(place)
            if line[1:] not in seen:
                found.setdefault(position, []).append(line)
            seen.add(line[1:])
    if wrong:
        raise PosenasError(_refusal(wrong))
    return found, remarks


def _remarks(line: Line, seen: set[tuple[object, ...]]) -> list[str]:
    told = {_REPEATED: line[1:] in seen, _BOX_ONLY: not line.keypoints, _BEYOND: is_beyond(line)}
    return [what for what, is_so in told.items() if is_so]


def _refusal(wrong: Mapping[str, Sequence[str]]) -> str:
    """Return the message on lines that cannot be read: each reason with its count and its first place."""
    told = [f"{len(places)} label lines {reason} ({places[0]})" for reason, places in wrong.items()]
    return f"{'; '.join(told[:3])}{'; ...' if len(told) > 3 else ''}; mend or remove them"
