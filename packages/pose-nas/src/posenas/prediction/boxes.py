"""Where people are in the frames, for heads that look at one of them at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from posenas.data.crops import PersonCrop
from posenas.data.detections import COCO_PERSON, Detection, read_detections
from posenas.errors import PosenasError
from posenas.keypoints import KeypointSet
from posenas.prediction.frames import Frame, Source

PersonBox: TypeAlias = "Detection[int | str]"


@dataclass(frozen=True)
class Boxes:
    """A detector's boxes by the id or the file name of their frame."""

    found: Mapping[int | str, Sequence[PersonBox]]

    def of(self, frame: Frame) -> Sequence[PersonBox]:
        by_name = self.found.get(frame.file_name, ()) if frame.file_name else ()
        return [*self.found.get(frame.id, ()), *by_name]


class WholeFrames:
    """One box, which is the frame."""

    def of(self, frame: Frame) -> Sequence[PersonBox]:
        height, width = frame.pixels.shape[:2]
        return [Detection(frame.id, (0.0, 0.0, float(width), float(height)), 1.0)]


def read_boxes(path: Path, source: Source, *, threshold: float) -> Boxes:
    """Those of people, from a file in COCO's results format, in which a box may name its image by `file_name`
    in place of `image_id`.

    Args:
        threshold: boxes with a lower score are left out.

    Raises:
        PosenasError: where the file is missing or malformed, or no box is in a frame of the source.
    """
    found: dict[int | str, list[PersonBox]] = {}
    people, rows = read_detections(path, image=_image)
    for detection in people:
        if detection.score >= threshold and source.holds(detection.image):
            found.setdefault(detection.image, []).append(detection)
    if not found:
        raise PosenasError(
            f"{path}: none of its {rows} boxes is of category {COCO_PERSON}, scores at least {threshold} and "
            "has a frame's file_name or image_id; choose another file or a lower evaluation.box_threshold"
        )
    return Boxes(found)


def person_crops_of(
    frames: Sequence[Frame], boxes: Boxes | WholeFrames, keypoints: KeypointSet
) -> list[PersonCrop]:
    unlabelled = np.zeros((len(keypoints), 3))
    return [
        PersonCrop(index, detection.box, unlabelled, detection.score)
        for index, frame in enumerate(frames)
        for detection in boxes.of(frame)
    ]


def _image(row: Mapping[str, Any]) -> int | str:
    return str(row["file_name"]) if "file_name" in row else int(row["image_id"])
