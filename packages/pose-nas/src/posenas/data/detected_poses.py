"""Poses in a detector's boxes: their scores, and which of nearly equal ones stays.

A detector may box one person twice, and sure boxes may hold nobody. So a pose's score is the box's times the
mean of its sure keypoints'. If poses lie on each other, only the best one stays (suppression by object
keypoint similarity, OKS).

Source: Papandreou et al., CVPR 2017 (OKS suppression); Simple Baselines (Xiao et al., ECCV 2018) and HRNet
(Sun et al., CVPR 2019), whose code rescores as here and whose figures on detected boxes are made so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from posenas.contract.scores import Predictions
from posenas.data.similarity import similarity_to_poses

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DetectionRules:
    """The rules by which poses in a detector's boxes are judged.

    Attributes:
        keypoint_threshold: keypoints that score more make up the pose's score.
        oks_nms: OKS above which the worse of two poses in an image is left out.
        sigmas: K dimensionless OKS constants.
    """

    keypoint_threshold: float
    oks_nms: float
    sigmas: tuple[float, ...]


def judged(
    poses: Predictions,
    box_scores: NDArray[np.float64],
    areas: NDArray[np.float64],
    rules: DetectionRules,
) -> Predictions:
    """Return the poses that stay, in their order, with their scores in a detector's boxes.

    Args:
        poses: P poses, one in each box.
        box_scores: (P,) of the detector.
        areas: (P,) square pixels of the images that the padded boxes fill.
        rules: how the poses are judged.
    """
    scores = rescored(poses.keypoint_scores, box_scores, threshold=rules.keypoint_threshold)
    poses = replace(poses, scores=scores)
    return poses.chosen(staying(poses, areas, rules))


def rescored(
    keypoint_scores: NDArray[np.float64], box_scores: NDArray[np.float64], *, threshold: float
) -> NDArray[np.float64]:
    """Return the (P,) scores of poses: the box's times the mean of the keypoints' above the threshold.

    A pose without such a keypoint scores 0.

    Args:
        keypoint_scores: (P, K).
        box_scores: (P,) of the detector.
        threshold: the score above which a keypoint counts.
    """
    sure = keypoint_scores > threshold
    sums = np.where(sure, keypoint_scores, 0.0).sum(axis=1)
    scores: NDArray[np.float64] = box_scores * (sums / np.maximum(sure.sum(axis=1), 1))
    return scores


def staying(predictions: Predictions, areas: NDArray[np.float64], rules: DetectionRules) -> NDArray[np.int64]:
    """Return the ascending indices of the poses that stay.

    In each image the best pose removes those like it, then the best of the others does, and so on. All
    keypoints count, whatever they score. Of equal scores the later pose is the better one, as in HRNet.

    Args:
        predictions: P poses with the scores that decide.
        areas: (P,) square pixels of the images that the padded boxes fill; a pair's OKS is by their mean.
        rules: tell the OKS above which two poses are alike, and its constants.
    """
    sigmas = np.array(rules.sigmas)
    _, images = np.unique(predictions.image_ids, return_inverse=True)
    order = np.lexsort((predictions.scores, images))[::-1]
    stay: list[int] = []
    for rows in np.split(order, np.flatnonzero(np.diff(images[order])) + 1):
        while len(rows):
            best, rows = rows[0], rows[1:]
            stay.append(best)
            similarity = similarity_to_poses(
                predictions.keypoints[best],
                predictions.keypoints[rows],
                areas=(areas[best] + areas[rows]) / 2,
                sigmas=sigmas,
            )
            rows = rows[~(similarity > rules.oks_nms)]
    return np.sort(np.array(stay, np.int64))
