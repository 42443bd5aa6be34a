"""Boxes of people in the frames, for networks that look at one person at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_run.errors import PoseRunError, quoted
from pose_run.ids import as_number, checked_id, same_id
from pose_run.model import Model
from pose_run.sources import Frame, Source


class Detection(NamedTuple):
    """A detector's box.

    Attributes:
        image: id or file name of the image.
        row: x, y, width and height in pixels, and the score.
    """

    image: int | str
    row: tuple[float, float, float, float, float]


class FoundBoxes:
    """The boxes of a detector's results file.

    Attributes:
        beside: how many did not meet the frames that they were asked for.
    """

    def __init__(self, found: Mapping[int, Sequence[Sequence[float]]]) -> None:
        """Take in rows of x, y, width, height and score, by the id of their frame."""
        self._found = found
        self.beside = 0

    def __call__(self, frame: Frame) -> NDArray[np.float64]:
        """Return the (P, 5) boxes and scores that show a part of the frame."""
        rows = np.array(self._found.get(frame.id, ()), np.float64).reshape(-1, 5)
        height, width = frame.pixels.shape[:2]
        x, y, wide, high = rows[:, :4].T
        meeting: NDArray[np.bool_] = (x < width) & (y < height) & (x + wide > 0) & (y + high > 0)
        self.beside += int((~meeting).sum())
        shown: NDArray[np.float64] = rows[meeting]
        return shown


@dataclass(frozen=True)
class FindingNetwork:
    """A network that finds people in whole images, in place of a detector's file."""

    model: Model
    beside: int = 0

    def __call__(self, frame: Frame) -> NDArray[np.float64]:
        """Return the (P, 5) boxes and scores of the people that the network finds in the frame."""
        people = self.model(frame.pixels)
        rows = np.column_stack([people.boxes, people.scores])
        sized: NDArray[np.float64] = rows[(rows[:, 2:4] > 0).all(axis=1)]
        return sized


def read_boxes(
    path: Path,
    source: Source,
    *,
    categories: Sequence[float | str],
    threshold: float,
    warn: Callable[[str], None],
) -> FoundBoxes:
    """Return the boxes of people from a file in COCO's results format.

    A box may name its image by `file_name` in place of `image_id`; `Source.find` tells what else it may be.

    Args:
        path: a detector's results file.
        source: the frames that the boxes are in.
        categories: ids of people.
        threshold: boxes with a lower score are left out.
        warn: told how many of the others are in no frame of the source.

    Raises:
        PoseRunError: if the file is missing or malformed, or no box is in a frame of the source.
    """
    rows = _rows(path)
    wanted = [each for each in _people(path, rows, categories) if each.row[4] >= threshold]
    found: dict[int, list[Sequence[float]]] = {}
    lost: list[int | str] = []
    for image, row in wanted:
        frame = source.find(image)
        if frame is None:
            lost.append(image)
        else:
            found.setdefault(frame, []).append(row)
    if not found:
        raise PoseRunError(
            f"{path}: none of its {len(rows)} boxes is of category {' or '.join(map(str, categories[:4]))}, "
            f"scores at least {threshold} and has a frame's file_name or image_id{_example(rows)}; "
            "choose another file"
        )
    if lost:
        frames = "" if source.total is None else f"{source.total} "
        warn(
            f"{path}: {len(lost)} of {len(wanted)} boxes name none of the {frames}frames, such as "
            f"{quoted(lost[0])}; they are left out"
        )
    return FoundBoxes(found)


def _rows(path: Path) -> list[Any]:
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise PoseRunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise PoseRunError(f"{path}: not JSON ({error!s:.100}); get the file again") from None
    if not isinstance(rows, list):
        raise PoseRunError(f"{path}: not a detector's result, which is a JSON list of boxes with scores")
    return rows


def _people(path: Path, rows: Sequence[Any], categories: Sequence[float | str]) -> Iterator[Detection]:
    """Yield the boxes of people that have a size."""
    for number, row in enumerate(rows):
        try:
            x, y, width, height = (float(value) for value in row["bbox"])
            image, score, category = _image(row), float(row["score"]), checked_id(row["category_id"])
            if not np.isfinite((x, y, width, height, score)).all():
                raise ValueError("bbox and score must be finite")
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise PoseRunError(
                f"{path}: entry {number} is not a box with image_id, category_id, bbox and score "
                f"({repr(error)[:100]})"
            ) from None
        if min(width, height) > 0 and any(same_id(category, each) for each in categories):
            yield Detection(image, (x, y, width, height, score))


def _image(row: Mapping[str, Any]) -> int | str:
    if "file_name" in row:
        return str(row["file_name"])
    identity = checked_id(row["image_id"])
    number = as_number(identity)
    return identity if number is None else number


def _example(rows: Sequence[Any]) -> str:
    if not rows:
        return ""
    named = "file_name" if "file_name" in rows[0] else "image_id"
    category, score = rows[0]["category_id"], float(rows[0]["score"])
    return (
        f" (the first is of {named} {quoted(rows[0][named])}, category {quoted(category)}, "
        f"and scores {score:.3g})"
    )
