"""Videos: frames at 25 a second, cut into shots, some of them hard to read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posenas.standard.synthetic.photograph import UNSPOILT, Spoiling
from posenas.standard.synthetic.picture import frame_picture
from posenas.standard.synthetic.pose import Array
from posenas.standard.synthetic.world import CUTS, FRAME, World, generator

MOST_FRAMES = 1000
"""The most frames of a video."""
MOST_VIDEOS = 1_000_000
"""The most videos of a split; a shot's scene is numbered by it, so that no two shots share one."""

_SECONDS = 1.0 / 25.0
_SHORTEST, _LONGEST = 20, 60
_MOMENTS = np.linspace(-0.5, 0.5, 5)
"""The moments of a long exposure, which lasts for 1."""


@dataclass(frozen=True)
class Filming:
    """Everything that a video depends on besides its number; picklable.

    Attributes:
        world: what its scenes depend on.
        motion: how fast everything moves; 1 is everyday speed.
        hard_frames: share of the frames that are hard to read.
    """

    world: World
    motion: float
    hard_frames: float


@dataclass(frozen=True)
class Moment:
    """A moment of a shot.

    Attributes:
        shot: number of the shot in its video.
        scene: index of its scene.
        seconds: seconds since it began.
    """

    shot: int
    scene: int
    seconds: float


def moment(filming: Filming, video: int, frame: int) -> Moment:
    """Return which shot a frame shows, and when.

    Args:
        filming: what the video depends on.
        video: number of the video in its split.
        frame: number of the frame in the video.
    """
    rng = generator(filming.world, video, CUTS)
    lengths = rng.integers(_SHORTEST, _LONGEST + 1, MOST_FRAMES // _SHORTEST + 2)
    ends = np.cumsum(lengths) - rng.integers(lengths[0])
    shot = int(np.searchsorted(ends, frame, side="right"))
    first = int(ends[shot - 1]) if shot else 0
    return Moment(shot, shot * MOST_VIDEOS + video, (frame - first) * _SECONDS * filming.motion)


def draw_frame(filming: Filming, video: int, frame: int) -> NDArray[np.uint8]:
    """Draw a frame, (H, W, 3) RGB; the same bytes whenever and in whatever order frames are drawn.

    Args:
        filming: what the video depends on.
        video: number of the video in its split.
        frame: number of the frame in the video.
    """
    shown = moment(filming, video, frame)
    rng = generator(filming.world, video, FRAME, frame)
    exposure, spoiling = 0.0, UNSPOILT
    if rng.random() < filming.hard_frames:
        exposure, spoiling = _hardship(filming.world, rng)
    seconds = shown.seconds + _SECONDS * filming.motion * _moments(exposure)
    return frame_picture(filming.world, shown.scene, seconds, noise=rng, spoiling=spoiling)


def _moments(exposure: float) -> Array:
    """Return the moments of an exposure, in frames; one if it is short."""
    return exposure * _MOMENTS if exposure else np.zeros(1)


def _hardship(world: World, rng: np.random.Generator) -> tuple[float, Spoiling]:
    """Return how long a hard frame is exposed, in frames, and what else spoils it."""
    size = float(min(world.height, world.width))
    kind = rng.integers(4)
    if kind == 0:
        return rng.uniform(2.0, 4.0), UNSPOILT
    if kind == 1:
        angle, length = rng.uniform(0.0, 2.0 * np.pi), size * rng.uniform(0.06, 0.16)
        return 0.0, Spoiling(streak=(length * np.cos(angle), length * np.sin(angle)))
    if kind == 2:
        return 0.0, Spoiling(softness=size * rng.uniform(0.015, 0.035))
    return 0.0, Spoiling(haze=rng.uniform(0.7, 0.92), grain=rng.uniform(0.1, 0.3))
