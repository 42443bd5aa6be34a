"""Everybody's pose on a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posenas.drawing import draw_pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.keypoints import KeypointSet
    from posenas.scores import Predictions

HIDDEN = 0.05
"""Keypoints of a lower score are drawn as rings, others as discs."""
_POSE_TO_LINE = 100


def draw_poses(
    pixels: NDArray[np.uint8], predictions: Predictions, keypoints: KeypointSet, *, threshold: float
) -> NDArray[np.uint8]:
    """A copy of the frame with its poses that score at least the threshold; better ones on top, lines as
    wide as suits each pose's size."""
    canvas = pixels.copy()
    shown = np.flatnonzero(predictions.scores >= threshold)
    for pose in shown[np.argsort(predictions.scores[shown], kind="stable")]:
        points = predictions.keypoints[pose]
        canvas = draw_pose(
            canvas,
            points,
            keypoint_set=keypoints,
            visible=np.where(predictions.keypoint_scores[pose] < HIDDEN, 1, 2),
            line=max(1, round(np.ptp(points, axis=0).max() / _POSE_TO_LINE)),
        )
    return canvas
