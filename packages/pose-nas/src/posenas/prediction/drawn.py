"""Frames with everybody's pose drawn on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posenas.data.drawing import add_pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.scores import Predictions

HIDDEN = 0.05
"""The score below which keypoints are drawn as rings; the others are discs."""
_POSE_TO_LINE = 100


def draw_poses(
    pixels: NDArray[np.uint8], predictions: Predictions, keypoints: KeypointSet, *, threshold: float
) -> NDArray[np.uint8]:
    """Return a copy of the frame with its poses that score at least the threshold.

    Better poses are on top. Lines are as wide as suits the size of what the frame shows of each pose. A
    keypoint that is no number is not drawn.

    Args:
        pixels: (H, W, 3) RGB.
        predictions: P poses in pixels of the frame.
        keypoints: the set that the poses are in.
        threshold: poses with a lower score are not drawn.

    Returns:
        (H, W, 3) RGB.
    """
    canvas = pixels.copy()
    last = np.array(pixels.shape[1::-1]) - 1
    shown = np.flatnonzero(predictions.scores >= threshold)
    for pose in shown[np.argsort(predictions.scores[shown], kind="stable")]:
        points = predictions.keypoints[pose]
        finite = np.isfinite(points).all(axis=1)
        if not finite.any():
            continue
        extent = np.ptp(points[finite].clip(0, last), axis=0).max()
        add_pose(
            canvas,
            points,
            keypoint_set=keypoints,
            visible=np.where(predictions.keypoint_scores[pose] < HIDDEN, 1, 2) * finite,
            line=max(1, round(extent / _POSE_TO_LINE)),
        )
    return canvas
