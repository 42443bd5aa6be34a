"""The parts of the body that COCO-WholeBody annotates beside COCO's 17 keypoints: feet, face and hands."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from posenas.annotations import flag, has_negative_box, image_size, read_box, read_person, read_pose

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from posenas import Person

Entry = Mapping[str, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Part:
    """A part of the body with fields of its own in an annotation.

    Attributes:
        name: in words of the keypoint set; the name of its region if it has a box.
        prefix: what its fields begin with, such as `lefthand` of `lefthand_kpts`.
        keypoints: how many it has.
        boxed: whether it has a box.
        clipped: whether its box ends at the image's borders.
    """

    name: str
    prefix: str
    keypoints: int
    boxed: bool = True
    clipped: bool = False

    @property
    def values(self) -> str:
        """The field of the keypoints."""
        return f"{self.prefix}_kpts"

    @property
    def valid(self) -> str:
        """The field that says whether the part is clear enough for labels."""
        return f"{self.prefix}_valid"

    @property
    def box(self) -> str:
        """The field of the box."""
        return f"{self.prefix}_box"

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the part that every annotation has."""
        return (self.values, self.valid, *((self.box,) if self.boxed else ()))

    @property
    def words(self) -> str:
        """The part's name in a sentence."""
        return self.name.replace("_", " ")


FEET = Part("feet", "foot", 6, boxed=False)
FACE = Part("face", "face", 68, clipped=True)
LEFT_HAND = Part("left_hand", "lefthand", 21)
RIGHT_HAND = Part("right_hand", "righthand", 21)
PARTS = (FEET, FACE, LEFT_HAND, RIGHT_HAND)
"""In the order of the 133 keypoints, after the body's 17."""


class ReadPart(NamedTuple):
    """A part of a person.

    Attributes:
        pose: (K, 3) keypoints, labelled whether or not the part is valid.
        box: x, y, width and height in pixels; None where the part is not valid or has none.
        remarks: what is odd about it, each in words for several cases.
    """

    pose: NDArray[np.float64]
    box: Box | None = None
    remarks: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        """Whether a keypoint is labelled."""
        return bool((self.pose[:, 2] > 0).any())


def read_part(annotation: Entry, part: Part, image: Entry) -> ReadPart:
    """Return a part of a person.

    Beyond the body a visibility is 0, 1, 2 or a confidence between them. A keypoint is labelled where it is
    above 0. A confidence is read as 1, labelled and perhaps hidden.

    Args:
        annotation: an entry of `annotations`.
        part: the part.
        image: the entry of the annotation's image.

    Raises:
        KeyError: if only some of the part's fields are there.
        ValueError: if one of them cannot be read.
    """
    missing = [field for field in part.fields if field not in annotation]
    if len(missing) == len(part.fields):
        return ReadPart(np.zeros((part.keypoints, 3)), remarks=(_LACKING.format(part),))
    if missing:
        raise KeyError(missing[0])
    pose = _pose(annotation[part.values], part)
    valid = flag(annotation[part.valid], part.valid)
    labelled = bool((pose[:, 2] > 0).any())
    if not valid:
        return ReadPart(pose, remarks=(_INVALID.format(part),) if labelled else ())
    remarks: tuple[str, ...] = () if labelled else (_UNLABELLED.format(part),)
    if not part.boxed:
        return ReadPart(pose, remarks=remarks)
    box = read_box(annotation, part.box)
    if has_negative_box(annotation, part.box):
        remarks += (_TURNED.format(part),)
    if box and part.clipped:
        box = _clipped(box, *image_size(image))
    if box is None or min(box[2:]) <= 0:
        return ReadPart(pose, remarks=(*remarks, _NO_AREA.format(part)))
    return ReadPart(pose, box, remarks)


_INVALID = (
    "people have labelled keypoints in {0.values} but no {0.valid}; they count, as in COCO-WholeBody's own "
    "evaluation, but the part has no place"
)
_UNLABELLED = "people have {0.valid} but no labelled keypoint in {0.values}"
_TURNED = "people have a {0.box} of negative width or height, which is read from its other corner"
_NO_AREA = "people have {0.valid} but a {0.box} of no area in the image, so their {0.words} has no place"
_LACKING = "people have no {0.values}, {0.valid}: nothing of their {0.words} counts as labelled"


def part_alone(annotation: Entry, part: ReadPart) -> Person | None:
    """Return a part of a person as a person of its own; None if it has no box or no labelled keypoint.

    The box is the part's, and the area the box's. The part of a crowd is a crowd.

    Args:
        annotation: an entry of `annotations`.
        part: what was read of it.

    Raises:
        ValueError: if the annotation cannot be read.
    """
    if part.box is None or not part.labelled:
        return None
    owner = read_person(annotation, part.pose)
    return replace(owner, box=part.box, area=part.box[2] * part.box[3], regions={})


def unpacked(values: object) -> object:
    """Return a list for an array of numbers, and everything else as it is."""
    return values.tolist() if isinstance(values, array) else values


def _pose(values: object, part: Part) -> NDArray[np.float64]:
    try:
        pose = read_pose(unpacked(values), part.keypoints)
    except ValueError as error:
        raise ValueError(f"{part.values}: {error}") from None
    visibility = pose[:, 2]
    visibility[(visibility > 0) & (visibility != 2)] = 1
    return pose


def _clipped(box: Box, width: int, height: int) -> Box:
    """Return what of a box lies in an image of this size."""
    x, y, box_width, box_height = box
    left, right = (min(max(0.0, end), width) for end in (x, x + box_width))
    top, bottom = (min(max(0.0, end), height) for end in (y, y + box_height))
    return left, top, right - left, bottom - top
