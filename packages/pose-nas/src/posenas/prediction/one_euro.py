"""The One-Euro filter: poses of people followed through a video, with less jitter and little delay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Smoothed:
    """The people of a frame after filtering, from which the next frame is filtered.

    Attributes:
        poses: (K, 2) pixels, by the person's id.
        speeds: (K, 2) filtered pixels per second, by the person's id.
        seconds: the time of the frame.
    """

    poses: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    speeds: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    seconds: float = -math.inf


@dataclass(frozen=True)
class OneEuroFilter:
    """A low-pass filter whose cut-off rises with speed: still keypoints do not jitter, fast ones do not lag.

    Each coordinate is filtered alone. A person who is not in a frame is forgotten, so one who comes back,
    like one who is new, begins with the pose as it is predicted. The same holds for a keypoint that is NaN in
    a frame.

    Attributes:
        min_cutoff: the cut-off of a still keypoint in hertz, above 0; with lower values it jitters less.
        beta: the hertz by which the cut-off rises for each pixel a second, from 0; with higher values a fast
            keypoint lags less.
        d_cutoff: the cut-off of the speed in hertz, above 0.

    Raises:
        ValueError: if one of them is outside its range.

    Source: Casiez, Roussel and Vogel, "1 Euro Filter: a simple speed-based low-pass filter for noisy input in
    interactive systems", CHI 2012.
    """

    min_cutoff: float = 1.0
    beta: float = 0.0
    d_cutoff: float = 1.0

    def __post_init__(self) -> None:
        if not (self.min_cutoff > 0 and self.beta >= 0 and self.d_cutoff > 0):
            raise ValueError(
                f"min_cutoff {self.min_cutoff} and d_cutoff {self.d_cutoff} must be above 0, and beta "
                f"{self.beta} at least 0"
            )

    def follow(
        self, before: Smoothed, poses: Mapping[int, NDArray[np.float64]], *, seconds: float
    ) -> Smoothed:
        """Return the people of the next frame, filtered.

        Args:
            before: the last frame that was filtered; `Smoothed()` before the first one.
            poses: (K, 2) pixels of everybody in the frame, by the person's id.
            seconds: the frame's time: its number divided by the video's frames per second, also where frames
                between were left out.

        Raises:
            ValueError: if the frame is not later than the last one.
        """
        elapsed = seconds - before.seconds
        if not elapsed > 0:
            raise ValueError(f"a frame at {seconds} s cannot follow one at {before.seconds} s")
        smoothed, speeds = {}, {}
        for person, pose in poses.items():
            if person in before.poses:
                last = before.poses[person], before.speeds[person]
                smoothed[person], speeds[person] = self._next(pose, *last, elapsed=elapsed)
            else:
                smoothed[person], speeds[person] = pose.copy(), np.zeros(pose.shape)
        return Smoothed(smoothed, speeds, seconds)

    def _next(
        self,
        pose: NDArray[np.float64],
        last: NDArray[np.float64],
        last_speed: NDArray[np.float64],
        *,
        elapsed: float,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the filtered pose and speed, (K, 2) each, `elapsed` seconds after the last ones."""
        known = np.isfinite(pose) & np.isfinite(last)
        way = np.zeros(pose.shape)
        np.subtract(pose, last, out=way, where=known)
        speed = last_speed + _weight(self.d_cutoff, elapsed) * (way / elapsed - last_speed)
        weight = _weight(self.min_cutoff + self.beta * np.abs(speed), elapsed)
        return np.where(known, last + weight * way, pose), np.where(known, speed, 0.0)


def _weight(cutoff: float | NDArray[np.float64], elapsed: float) -> NDArray[np.float64]:
    """Return how much a new value counts in exponential smoothing, between 0 and 1.

    Args:
        cutoff: hertz.
        elapsed: seconds since the last value.
    """
    tau = 1 / (2 * np.pi * np.asarray(cutoff))  # the paper's time constant
    return np.asarray(1 / (1 + tau / elapsed))
