"""Poses of a video smoothed for each person, frame after frame."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from posenas.prediction.one_euro import OneEuroFilter, Smoothed

if TYPE_CHECKING:
    from posenas.contract.scores import Predictions
    from posenas.prediction.frames import Frame

_FILTER = OneEuroFilter(min_cutoff=1.0, beta=0.05)
"""A still keypoint jitters less; from 20 pixels a second on, twice the cut-off lets limbs hardly lag."""


@dataclass
class Smoothing:
    """A One-Euro filter over the poses of people who are followed.

    Attributes:
        rate: frames of the video in a second.
    """

    rate: float
    _before: Smoothed = field(default_factory=Smoothed)

    def __call__(self, frame: Frame, poses: Predictions) -> Predictions:
        """Return the poses of the next frame, smoothed by those of the same people before.

        Args:
            frame: a later one than the last.
            poses: those in it, with tracks.
        """
        assert poses.tracks is not None
        numbers = poses.tracks.tolist()
        people = dict(zip(numbers, poses.keypoints, strict=True))
        self._before = _FILTER.follow(self._before, people, seconds=frame.id / self.rate)
        if not numbers:
            return poses
        return replace(poses, keypoints=np.stack([self._before.poses[number] for number in numbers]))
