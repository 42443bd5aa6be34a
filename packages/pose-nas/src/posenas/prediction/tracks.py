"""People followed through a video: the box of each, from frame to frame, and a number that stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.scores import Predictions
    from posenas.prediction.boxes import PersonBox

Box = tuple[float, float, float, float]
"""(x, y, width, height) in pixels of the frame."""

_MARGIN = 0.15
"""What is added to a pose's extent on each side, as a share: a box shows more of a body than keypoints do."""
_FEWEST = 3
"""The keypoints that must be sure for a pose to be followed."""
_ALIKE = 0.3
"""The intersection over union from which a detector's box is taken to be somebody's."""

_REMEMBERED = 3
"""The key frames for which somebody whom a detector missed is found again by the old number."""


@dataclass(frozen=True)
class Track:
    """A person who is followed.

    Attributes:
        number: stays through the video.
        box: where the person is looked for.
        score: of the detector that found the box.
        sure: whether the last pose in the box was one that can be followed.
        missed: the key frames since a detector found the person.
    """

    number: int
    box: Box
    score: float
    sure: bool = True
    missed: int = 0


class Tracks:
    """The people who are followed at present."""

    def __init__(self, *, threshold: float) -> None:
        """Begin with nobody.

        Args:
            threshold: a keypoint with a higher score is sure.
        """
        self.present: Sequence[Track] = ()
        self._lost: Sequence[Track] = ()
        self._threshold = threshold
        self._next = 1

    def end(self) -> None:
        """Follow nobody any more; numbers are not used again."""
        self.present = self._lost = ()

    def find(self, boxes: Sequence[PersonBox]) -> None:
        """Go on with a detector's boxes. Each takes the number of whom it shows, or a new one.

        Somebody in no box is lost, and found again where a box of one of the next key frames is there.
        """
        known = self._known(boxes)
        kept = {track.number for track in known.values()}
        self._lost = [
            replace(track, missed=track.missed + 1)
            for track in (*self.present, *self._lost)
            if track.number not in kept and track.missed < _REMEMBERED
        ]
        self.present = [
            Track(known[index].number if index in known else self._new(), each.box, each.score)
            for index, each in enumerate(boxes)
        ]

    def _known(self, boxes: Sequence[PersonBox]) -> dict[int, Track]:
        """Return who is in each box, by its index: first of those present, then of those lost."""
        known: dict[int, Track] = {}
        for tracks in (self.present, self._lost):
            free = [index for index in range(len(boxes)) if index not in known]
            pairs = _matched([track.box for track in tracks], [boxes[index].box for index in free])
            known |= {free[of_box]: tracks[of_track] for of_track, of_box in pairs}
        return known

    def follow(self, poses: Predictions) -> None:
        """Move each person's box to the pose in it; a box whose pose is not sure stays where it is.

        Args:
            poses: one for each person present, in their order.
        """
        boxes = [
            pose_box(keypoints, scores > self._threshold)
            for keypoints, scores in zip(poses.keypoints, poses.keypoint_scores, strict=True)
        ]
        self.present = [
            replace(track, box=box or track.box, sure=box is not None)
            for track, box in zip(self.present, boxes, strict=True)
        ]

    def lose_unsure(self) -> None:
        """Follow only those whose last pose was sure."""
        self.present = [track for track in self.present if track.sure]

    def _new(self) -> int:
        self._next += 1
        return self._next - 1


def pose_box(keypoints: NDArray[np.float64], sure: NDArray[np.bool_]) -> Box | None:
    """Return a box around the sure keypoints of a pose; None where they are too few.

    Args:
        keypoints: (K, 2) pixels of the frame.
        sure: (K,) which are sure.
    """
    points = keypoints[sure & np.isfinite(keypoints).all(axis=1)]
    if len(points) < _FEWEST:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    margin = _MARGIN * max(high - low)
    x, y = (low - margin).tolist()
    width, height = (high - low + 2 * margin).tolist()
    return (x, y, width, height) if width > 0 and height > 0 else None


def _matched(tracks: Sequence[Box], boxes: Sequence[Box]) -> Iterable[tuple[int, int]]:
    """Yield pairs of a track and a box that overlap, each in one pair, the best pairs first."""
    if not tracks or not boxes:
        return
    overlaps = overlap(np.array(tracks), np.array(boxes))
    for flat in np.argsort(-overlaps, axis=None, kind="stable"):
        track, box = divmod(int(flat), len(boxes))
        if overlaps[track, box] >= _ALIKE:
            yield track, box
            overlaps[track], overlaps[:, box] = 0.0, 0.0


def overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (A, B) intersections over unions of (A, 4) and (B, 4) boxes, x, y, width and height."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum((first[:, :2] + first[:, 2:])[:, None], (second[:, :2] + second[:, 2:])[None])
    shared = (high - low).clip(0).prod(axis=2)
    areas = first[:, 2:].prod(axis=1)[:, None] + second[:, 2:].prod(axis=1)[None]
    result: NDArray[np.float64] = shared / np.maximum(areas - shared, 1e-9)
    return result
