"""Poses of one image, and the rules that judge those in a detector's boxes.

A detector may box one person twice, and sure boxes may hold nobody. So a pose's score is the box's times the
mean of its sure keypoints', and of poses that lie on each other only the best one stays.

Source: Papandreou et al., CVPR 2017 (suppression by object keypoint similarity, OKS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pose_run.manifest import DetectionRules


@dataclass(frozen=True)
class Poses:
    """The P poses of one image.

    Attributes:
        keypoints: (P, K, 2) x, y in pixels of the image; the centre of its top left pixel is (0, 0).
        keypoint_scores: (P, K), the higher, the surer.
        scores: (P,) of the poses.
        boxes: (P, 4) x, y, width, height in pixels of the image: where each person was looked for or found.
        part_scores: (P,) of faces and hands, by the region's name; empty if the keypoints have no regions.
    """

    keypoints: NDArray[np.float64]
    keypoint_scores: NDArray[np.float64]
    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]
    part_scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)

    def chosen(self, rows: NDArray[np.int64]) -> Poses:
        """Return the poses at these positions."""
        return Poses(
            self.keypoints[rows],
            self.keypoint_scores[rows],
            self.scores[rows],
            self.boxes[rows],
            {name: scores[rows] for name, scores in self.part_scores.items()},
        )


def judged(
    poses: Poses,
    box_scores: NDArray[np.float64],
    *,
    areas: NDArray[np.float64],
    rules: DetectionRules,
    sigmas: NDArray[np.float64],
) -> Poses:
    """Return the poses in a detector's boxes that stay, in their order, with their scores.

    Args:
        poses: P poses, one in each box.
        box_scores: (P,) of the detector.
        areas: (P,) square pixels of the image that the padded boxes fill.
        rules: how poses are scored and left out.
        sigmas: (K,) constants of OKS.
    """
    sure = poses.keypoint_scores > rules.keypoint_threshold
    sums = np.where(sure, poses.keypoint_scores, 0.0).sum(axis=1)
    poses = replace(poses, scores=box_scores * (sums / np.maximum(sure.sum(axis=1), 1)))
    return poses.chosen(staying(poses, areas, most_alike=rules.oks_nms, sigmas=sigmas))


def staying(
    poses: Poses, areas: NDArray[np.float64], *, most_alike: float, sigmas: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the ascending positions of the poses that stay.

    The best pose removes those like it, then the best of the others does, and so on. Of equal scores the
    later pose is the better one.

    Args:
        poses: P poses with the scores that decide.
        areas: (P,) square pixels; a pair's OKS is by their mean.
        most_alike: OKS above which the worse pose is left out.
        sigmas: (K,) constants of OKS.
    """
    rows = np.argsort(poses.scores, kind="stable")[::-1]
    stay: list[int] = []
    while len(rows):
        best, rows = rows[0], rows[1:]
        stay.append(int(best))
        scale = (areas[best] + areas[rows]) / 2
        with np.errstate(over="ignore", invalid="ignore"):
            squared = ((poses.keypoints[rows] - poses.keypoints[best]) ** 2).sum(axis=2)
            terms = np.exp(-(squared / (sigmas * 2) ** 2 / (scale[:, None] + np.spacing(1)) / 2))
        rows = rows[~(terms.mean(axis=1) > most_alike)]
    return np.sort(np.array(stay, np.int64))
