"""DeepLabCut's CSV files of labelled pictures, of one animal or of several.

Three or four lines of names stand above: scorer, individuals (with several animals), bodyparts, coords. Each
further line is a picture, named in the first column or in the first three.

Source: Mathis et al., "DeepLabCut", Nature Neuroscience 2018; Lauer et al., "Multi-animal pose estimation",
Nature Methods 2022.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from posenas import PosenasError
from posenas.annotations import quoted

from data_sleap.labels import NOBODY, Frame, Labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADINGS = ("scorer", "individuals", "bodyparts", "coords")
_ABSENT = ("", "nan")
_HALF = "keypoints have only one of x and y and are read as absent"
_OTHER = "people with other bodyparts than the first are left out, such as DeepLabCut's unique bodyparts"


class Columns(NamedTuple):
    """The columns of a file.

    Attributes:
        width: how many there are.
        first: the first one that holds a number; those before it name the picture.
        names: of the K keypoints.
        places: the columns of x and y, by the individual and the keypoint.
        others: the first column of each individual with other keypoints, by its name.
    """

    width: int
    first: int
    names: tuple[str, ...]
    places: Mapping[str, Sequence[tuple[int, int]]]
    others: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class _Reading:
    """What is gathered from the lines of a file.

    Attributes:
        frames: by the picture's name; None for a picture without labels.
        remarks: what is odd or left out, and where.
        wrong: why lines cannot be read, and where they are.
    """

    frames: dict[str, Frame | None] = field(default_factory=dict)
    remarks: dict[str, list[str]] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=dict)


def read_csv(file: Path) -> Labels:
    """Return what is labelled in a CSV file of DeepLabCut.

    Args:
        file: such as `CollectedData_NAME.csv`.

    Raises:
        PosenasError: if it is no such file, or lines cannot be read; it tells their number, the reasons and
            the first of them.
    """
    lines = _lines(file)
    headings: dict[str, list[str]] = {}
    while lines and lines[0][1] and lines[0][1][0] in _HEADINGS and lines[0][1][0] not in headings:
        words = lines.pop(0)[1]
        headings[words[0]] = words
    columns = _columns(headings, file)
    reading = _Reading()
    for number, words in lines:
        place = f"{file}, line {number}"
        try:
            _read_line(words, columns, reading, place=place)
        except ValueError as error:
            reading.wrong.setdefault(str(error), []).append(place)
    if reading.wrong:
        told = [f"{len(places)} lines {reason} ({places[0]})" for reason, places in reading.wrong.items()]
        raise PosenasError(f"{'; '.join(told[:3])}{'; ...' if len(told) > 3 else ''}; mend or remove them")
    frames = tuple(each for each in reading.frames.values() if each)
    return Labels((file,), columns.names, (), None, frames, reading.remarks)


def _lines(file: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that is not empty, with the line's number."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, strict=True)
            return [(rows.line_num, [cell.strip() for cell in row]) for row in rows if any(row)]
    except OSError as error:
        raise PosenasError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PosenasError(f"{file}: no CSV file: not in UTF-8") from None
    except csv.Error as error:
        raise PosenasError(f"{file}: no CSV file: {error}") from None


def _columns(headings: Mapping[str, Sequence[str]], file: Path) -> Columns:
    """Return the columns that the lines of names describe.

    Raises:
        PosenasError: if they are not those of labels.
    """
    missing = [name for name in ("scorer", "bodyparts", "coords") if name not in headings]
    if missing:
        raise PosenasError(
            f"{file}: no labels of DeepLabCut: no line of names begins with {missing[0]}; give a "
            "CollectedData_NAME.csv of its folder labeled-data"
        )
    coords = headings["coords"]
    width, first = len(coords), next((at for at, word in enumerate(coords) if at and word), 0)
    if any(len(line) != width for line in headings.values()) or not first:
        raise PosenasError(f"{file}: its lines of names have different columns, or none for a keypoint")
    if "likelihood" in coords:
        raise PosenasError(
            f"{file}: it has a likelihood, so it holds predictions of DeepLabCut and no labels; give a "
            "CollectedData_NAME.csv of its folder labeled-data"
        )
    found: dict[str, dict[str, dict[str, int]]] = {}
    individuals = headings.get("individuals", ["one"] * width)
    for at in range(first, width):
        places = found.setdefault(individuals[at], {}).setdefault(headings["bodyparts"][at], {})
        if coords[at] not in ("x", "y") or coords[at] in places or not headings["bodyparts"][at]:
            raise PosenasError(
                f"{file}: column {at + 1} of its lines of names must be x or y of another bodypart, not "
                f"{quoted(coords[at])} of {quoted(headings['bodyparts'][at])}"
            )
        places[coords[at]] = at
    return _by_individual(found, width, first, file=file)


def _by_individual(
    found: Mapping[str, Mapping[str, Mapping[str, int]]], width: int, first: int, *, file: Path
) -> Columns:
    """Return the columns of the individuals that have the keypoints of the first one.

    Args:
        found: the column by individual, bodypart, and `x` or `y`.
        width: how many columns there are.
        first: the first one that holds a number.
        file: for the message.
    """
    halves = [part for parts in found.values() for part, places in parts.items() if len(places) < 2]
    if halves:
        raise PosenasError(f"{file}: bodypart {quoted(halves[0])} has no column for x, or none for y")
    names = tuple(next(iter(found.values())))
    same = {who: parts for who, parts in found.items() if set(parts) == set(names)}
    return Columns(
        width,
        first,
        names,
        {who: [(parts[name]["x"], parts[name]["y"]) for name in names] for who, parts in same.items()},
        {who: [places["x"] for places in parts.values()] for who, parts in found.items() if who not in same},
    )


def _read_line(words: Sequence[str], columns: Columns, reading: _Reading, *, place: str) -> None:
    """Add the picture of a line to what is gathered.

    Args:
        words: the line's cells.
        columns: what they are.
        reading: what is gathered.
        place: the file and the line's number, for remarks.

    Raises:
        ValueError: if the line cannot be read; it tells why, in words for several lines.
    """
    if len(words) != columns.width:
        raise ValueError(f"have another number of columns than the {columns.width} of the lines of names")
    name = "/".join(part for part in words[: columns.first] if part).replace("\\", "/")
    if not name:
        raise ValueError("name no picture")
    if name in reading.frames:
        raise ValueError("name a picture that an earlier line has named")
    values = [math.nan if word.lower() in _ABSENT else _number(word) for word in words[columns.first :]]
    row = np.array([math.nan] * columns.first + values)
    people = list(_people(row, columns, reading, place=place))
    others = [who for who, places in columns.others.items() if np.isfinite(row[list(places)]).any()]
    reading.remarks.setdefault(_OTHER, []).extend(f"{who} in {place}" for who in others)
    reading.frames[name] = Frame(name, None, name, people=tuple(people)) if people else None
    reading.remarks.setdefault(NOBODY, []).extend([] if people else [name])


def _people(
    row: NDArray[np.float64], columns: Columns, reading: _Reading, *, place: str
) -> Iterator[NDArray[np.float64]]:
    """Yield the (K, 2) places of everybody with a labelled keypoint."""
    for places in columns.places.values():
        pose = row[np.array(places)]
        half = np.isfinite(pose).sum(axis=1) == 1
        reading.remarks.setdefault(_HALF, []).extend([place] * int(half.sum()))
        pose[half] = np.nan
        if np.isfinite(pose).any():
            yield pose


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise ValueError("hold something other than numbers") from None
    if not math.isfinite(value):
        raise ValueError("hold numbers that are not finite")
    return value
