"""Frames with everybody's pose drawn on them: left is orange, right is blue, the middle green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pose_run.regions import add_region, drawn_regions
from pose_run.strokes import (
    LEFT,
    MIDDLE,
    OUTLINE,
    RIGHT,
    Colour,
    draw_line,
    draw_point,
    limb_colour,
    within_reach,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pose_run.manifest import KeypointSet
    from pose_run.poses import Poses

_HIDDEN = 0.05
"""The score below which keypoints are drawn as rings; the others are discs."""
_POSE_TO_LINE = 100
_DENSE = 40


def draw_poses(
    pixels: NDArray[np.uint8], poses: Poses, keypoints: KeypointSet, *, threshold: float
) -> NDArray[np.uint8]:
    """Return a copy of the frame with its poses that score at least the threshold; better ones are on top.

    Lines are as wide as suits the size of what the frame shows of each pose. A keypoint that is no number is
    not drawn.

    Args:
        pixels: (H, W, 3) RGB.
        poses: in pixels of the frame.
        keypoints: what the poses consist of.
        threshold: poses with a lower score are not drawn.

    Returns:
        (H, W, 3) RGB.
    """
    canvas = pixels.copy()
    last = np.array(pixels.shape[1::-1]) - 1
    shown = np.flatnonzero(poses.scores >= threshold)
    for pose in shown[np.argsort(poses.scores[shown], kind="stable")]:
        points = poses.keypoints[pose]
        finite = np.isfinite(points).all(axis=1)
        if finite.any():
            extent = np.ptp(points[finite].clip(0, last), axis=0).max()
            seen = np.where(poses.keypoint_scores[pose] < _HIDDEN, 1, 2) * finite
            _add_pose(canvas, points, seen, keypoints, line=max(1, round(extent / _POSE_TO_LINE)))
    return canvas


def _add_pose(
    canvas: NDArray[np.uint8],
    points: NDArray[np.float64],
    seen: NDArray[np.int64],
    keypoints: KeypointSet,
    *,
    line: int,
) -> None:
    """Draw a pose on the image itself; `seen` is 0 for nothing, 1 for a ring, 2 for a disc."""
    points = within_reach(points, canvas)
    sides = _sides(keypoints)
    regions = drawn_regions(keypoints, points, seen, sides=sides)
    apart = [region.dots.keys() for region in regions]
    limbs = [limb for limb in keypoints.limbs if not any(set(limb) <= dots for dots in apart)]
    shown = [(start, end) for start, end in limbs if seen[start] > 0 and seen[end] > 0]
    for start, end in shown:
        draw_line(canvas, (points[start], points[end]), colour=OUTLINE, width=line + 2)
    for start, end in shown:
        colour = limb_colour(sides[start], sides[end])
        draw_line(canvas, (points[start], points[end]), colour=colour, width=line)
    radius = line * (0.7 if len(points) > _DENSE else 1.7)
    for index, (point, side) in enumerate(zip(points, sides, strict=True)):
        if seen[index] > 0 and not any(index in dots for dots in apart):
            draw_point(canvas, point, radius=radius, colour=side, filled=bool(seen[index] > 1))
    for region in regions:
        add_region(canvas, points, seen, region=region)


def _sides(keypoints: KeypointSet) -> list[Colour]:
    """Return the colour of the side that each of the K keypoints is on."""
    sides = [MIDDLE] * len(keypoints)
    for left, right in keypoints.flip_pairs:
        sides[left], sides[right] = LEFT, RIGHT
    return sides
