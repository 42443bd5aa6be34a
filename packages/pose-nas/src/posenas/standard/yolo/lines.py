"""The lines of ultralytics' label files: class, box and keypoints of a person, as shares of the picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from posenas.contract.errors import PosenasError

_BOX = 5
"""Columns of the class and the box."""
_LARGEST = 100.0
"""A place that is a hundred pictures away is no share of a picture."""
_TOLERANCE = 0.01
"""How far beyond the picture ultralytics still takes a place."""


class Line(NamedTuple):
    """A person of a label file.

    Attributes:
        number: of the line, from 1.
        kind: the class.
        box: centre, width and height as shares of the picture.
        keypoints: x, y, visibility of each keypoint, x and y as shares; empty if the line has none.
    """

    number: int
    kind: int
    box: tuple[float, ...]
    keypoints: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Columns:
    """The columns that lines may have.

    Attributes:
        keypoints: K.
        values: of each keypoint, 2 or 3; None takes both.
        classes: the numbers of the known classes; empty takes every class.
    """

    keypoints: int
    values: int | None
    classes: frozenset[int] = frozenset()

    def counts(self) -> dict[int, int]:
        """Return the values of each keypoint by the number of columns; 0 where a line is a box only."""
        widths = (2, 3) if self.values is None else (self.values,)
        return {_BOX: 0} | {_BOX + self.keypoints * width: width for width in widths}


def read_lines(file: Path, columns: Columns) -> Iterator[Line | tuple[int, str]]:
    """Yield the people of a label file, and for each line that cannot be read its number and the reason.

    Args:
        file: the label file.
        columns: what a line may have.

    Raises:
        PosenasError: if the file cannot be read.
    """
    counts = columns.counts()
    for number, text in enumerate(_text(file).splitlines(), start=1):
        words = text.split()
        if not words:
            continue
        try:
            yield _line(number, words, columns, counts)
        except ValueError as error:
            yield number, str(error)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PosenasError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PosenasError(f"{file}: no label file: not in UTF-8") from None


def _line(number: int, words: Sequence[str], columns: Columns, counts: Mapping[int, int]) -> Line:
    if len(words) not in counts:
        raise ValueError(_wrong_count(len(words), columns))
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ValueError("hold something other than numbers") from None
    if not all(map(math.isfinite, values)):
        raise ValueError("hold numbers that are not finite")
    kind = int(values[0])
    if kind != values[0] or kind < 0:
        raise ValueError("have a class that is no whole number from 0")
    if columns.classes and kind not in columns.classes:
        raise ValueError("have a class that data.yaml does not name")
    keypoints = tuple(_keypoints(values[_BOX:], counts[len(words)]))
    places = [*values[1:_BOX], *(value for point in keypoints for value in point[:2])]
    if max(map(abs, places)) > _LARGEST:
        raise ValueError(
            "have places that are no shares of the picture, from 0 to 1: divide pixels by width and height"
        )
    return Line(number, kind, tuple(values[1:_BOX]), keypoints)


def _wrong_count(count: int, columns: Columns) -> str:
    expected = " or ".join(str(each) for each in columns.counts() if each != _BOX)
    other = 5 - columns.values if columns.values else None
    hint = ""
    if other and count == _BOX + other * columns.keypoints:
        hint = f": that is kpt_shape [{columns.keypoints}, {other}]"
    return f"have {count} columns instead of {expected} for {columns.keypoints} keypoints{hint}"


def _keypoints(values: Sequence[float], width: int) -> Iterator[tuple[float, float, float]]:
    """Yield x, y and visibility of each keypoint.

    Without a visibility a keypoint is absent at (0, 0), as exporters write it, and below 0, as ultralytics
    reads it.
    """
    for start in range(0, len(values), width or 1):
        x, y = values[start], values[start + 1]
        if width == 3:
            yield x, y, values[start + 2]
        elif (x, y) == (0, 0) or min(x, y) < 0:
            yield 0.0, 0.0, 0.0
        else:
            yield x, y, 2.0


def is_beyond(line: Line) -> bool:
    """Return whether a box or a labelled keypoint lies outside the picture."""
    x, y, width, height = line.box
    ends = [x, y, width, height, *(value for *place, seen in line.keypoints if seen > 0 for value in place)]
    return min(ends) < -_TOLERANCE or max(ends) > 1 + _TOLERANCE


def as_annotation(line: Line, size: tuple[int, int], *, number: int) -> dict[str, Any]:
    """Return a person as an annotation of COCO's form, in pixels.

    Args:
        line: the person.
        size: width and height of the picture in pixels, as it is seen.
        number: the annotation's id.
    """
    (width, height), (x, y, box_width, box_height) = size, line.box
    corner = (x - box_width / 2) * width, (y - box_height / 2) * height
    points = [value for x, y, seen in line.keypoints for value in (x * width, y * height, seen)]
    return {"id": number, "bbox": [*corner, box_width * width, box_height * height], "keypoints": points}
