"""Sizes of people's heads, the unit of distances in PCKh and in PoseTrack's average precision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posenas.contract.errors import PosenasError
from posenas.data.nearest import find_keypoint

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Person
    from posenas.contract.scores import GroundTruth

HEAD_OF_BOX = 0.6  # of the head box's diagonal, by MPII's own evaluation
NECKS = ("upperneck", "neck", "headbottom")
TOPS = ("headtop", "head")


@dataclass(frozen=True)
class HeadSizes:
    """The rule by which heads are measured.

    Attributes:
        ends: the indices of the neck and the head top; None where the heads' boxes must do.
        of_neck_to_top: the size of a head without a box, as a share of the distance between them.
    """

    ends: tuple[int, int] | None
    of_neck_to_top: float

    def of(self, person: Person) -> float:
        """Return the person's head size in pixels; 0 where nothing tells it."""
        if "head" in person.regions:
            return HEAD_OF_BOX * math.hypot(*person.regions["head"][2:])
        if self.ends is None or not (person.keypoints[list(self.ends), 2] > 0).all():
            return 0.0
        neck, top = person.keypoints[list(self.ends), :2]
        return self.of_neck_to_top * math.dist(neck, top)


def head_sizes(truth: GroundTruth, *, of_neck_to_top: float, evaluator: str) -> HeadSizes:
    """Return how the heads of the truth's people are measured.

    Args:
        truth: the people.
        of_neck_to_top: see `HeadSizes`.
        evaluator: its name, for the message.

    Raises:
        PosenasError: where there are neither a neck and a head top nor any head box.
    """
    neck, top = first_of(truth.keypoints, NECKS), first_of(truth.keypoints, TOPS)
    if neck is not None and top is not None:
        return HeadSizes((neck, top), of_neck_to_top)
    if any("head" in person.regions for sample in truth.samples for person in sample.people):
        return HeadSizes(None, of_neck_to_top)
    raise PosenasError(
        f"{evaluator}: nobody has a head box, and keypoint set {truth.keypoints.name!r} has no neck or no "
        "head top, so there is no head size to measure distances in; add `bbox_head` to the annotations, or "
        "choose another evaluator, such as oks"
    )


def first_of(keypoints: KeypointSet, joints: Sequence[str]) -> int | None:
    """Return the index of the first of several names for one keypoint; None where there is none."""
    found = (find_keypoint(keypoints, joint) for joint in joints)
    return next((index for index in found if index is not None), None)
