"""Boxes of people in the frames, for heads that look at one person at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import FileId, as_number
from posenas.contract.keypoints import KeypointSet
from posenas.data.coco.values import quoted
from posenas.data.detections import Detection, image_id, in_words, read_detections
from posenas.data.person_crop import PersonCrop
from posenas.prediction.frames import Frame, Source

PersonBox: TypeAlias = "Detection[int | str]"


class Boxes:
    """The boxes that a detector found.

    Attributes:
        beside: how many did not meet the frames that they were asked for.
    """

    def __init__(self, found: Mapping[int, Sequence[PersonBox]]) -> None:
        """Take in the boxes.

        Args:
            found: by the number of their frame.
        """
        self._found = found
        self.beside = 0

    def of(self, frame: Frame) -> Sequence[PersonBox]:
        """Return the boxes that show a part of the frame."""
        named = self._found.get(frame.id, ())
        meeting = [each for each in named if _meets(each, frame)]
        self.beside += len(named) - len(meeting)
        return meeting


class WholeFrames:
    """A stand-in for a detector's boxes: one box in each frame, which is the whole of it."""

    beside = 0

    def of(self, frame: Frame) -> Sequence[PersonBox]:
        """Return the frame as its only box."""
        height, width = frame.pixels.shape[:2]
        return [Detection(frame.id, (0.0, 0.0, float(width), float(height)), 1.0)]


def read_boxes(
    path: Path,
    source: Source,
    *,
    categories: Sequence[FileId] = (1,),
    threshold: float,
    warn: Callable[[str], None],
) -> Boxes:
    """Return the boxes of people from a file in COCO's results format.

    A box may name its image by `file_name` in place of `image_id`; `Source.find` tells what else it may be.

    Args:
        path: a detector's results file.
        source: the frames that the boxes are in.
        categories: ids of people.
        threshold: boxes with a lower score are left out.
        warn: told how many of the others are in no frame of the source.

    Raises:
        PosenasError: if the file is missing or malformed, or no box is in a frame of the source.
    """
    found: dict[int, list[PersonBox]] = {}
    read = read_detections(path, image=_image, categories=categories)
    wanted = [detection for detection in read.people if detection.score >= threshold]
    lost: list[int | str] = []
    for detection in wanted:
        frame = source.find(detection.image)
        if frame is None:
            lost.append(detection.image)
        else:
            found.setdefault(frame, []).append(detection)
    if not found:
        raise PosenasError(
            f"{path}: none of its {read.number} boxes is of category {in_words(categories)}, scores at least "
            f"{threshold} and has a frame's file_name or image_id{read.example}; choose another file, "
            "a lower evaluation.box_threshold, or --ids-of"
        )
    if lost:
        frames = "" if source.total is None else f"{source.total} "
        warn(
            f"{path}: {len(lost)} of {len(wanted)} boxes name none of the {frames}frames, such as "
            f"{quoted(lost[0])}; they are left out"
        )
    return Boxes(found)


def person_crops_of(
    frames: Sequence[Frame], boxes: Boxes | WholeFrames, keypoints: KeypointSet
) -> list[PersonCrop]:
    """Return a crop for each person's box in the frames.

    Args:
        frames: a crop's `sample` is its frame's position among them.
        boxes: where people are.
        keypoints: the set that poses are predicted in.
    """
    unlabelled = np.zeros((len(keypoints), 3))
    return [
        PersonCrop(index, detection.box, unlabelled, detection.score)
        for index, frame in enumerate(frames)
        for detection in boxes.of(frame)
    ]


def _image(row: Mapping[str, Any]) -> int | str:
    if "file_name" in row:
        return str(row["file_name"])
    identity = image_id(row)
    number = as_number(identity)
    return str(identity) if number is None else number


def _meets(detection: PersonBox, frame: Frame) -> bool:
    x, y, width, height = detection.box
    return x < frame.pixels.shape[1] and y < frame.pixels.shape[0] and x + width > 0 and y + height > 0
