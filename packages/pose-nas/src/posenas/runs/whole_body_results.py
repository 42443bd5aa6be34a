"""COCO-WholeBody's form of results: the keypoints of each part of a whole body are in a field of their own.

Source: the results format of COCO-WholeBody (Jin et al., ECCV 2020). Where the score of a part is missing,
its evaluation takes the `score` of the pose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from posenas.contract.keypoint_sets import COCO_WHOLEBODY_133

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet

_KEYPOINTS = MappingProxyType(
    {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
)
"""How many of the 133 keypoints each field holds, in their order."""

_SCORES = MappingProxyType(
    {"face": "face_score", "left_hand": "lefthand_score", "right_hand": "righthand_score"}
)
"""The field of each region's score."""

_SCORES_OF_THE_POSE = ("foot_score", "wholebody_score")


def is_whole_body(keypoints: KeypointSet) -> bool:
    """Return whether these are COCO-WholeBody's 133 keypoints."""
    return keypoints.names == COCO_WHOLEBODY_133.names


def in_parts(
    results: Sequence[Mapping[str, Any]], part_scores: Mapping[str, NDArray[np.float64]]
) -> list[dict[str, Any]]:
    """Return entries of a results file with the keypoints and the scores of each part in their own fields.

    Args:
        results: entries whose `keypoints` hold all 133, as x, y and score.
        part_scores: a score of each pose for each region, by the region's name; any may be missing.
    """
    scores = {_SCORES[name]: values.tolist() for name, values in part_scores.items()}
    return [
        {
            **result,
            **_divided(result["keypoints"]),
            **dict.fromkeys(_SCORES_OF_THE_POSE, result["score"]),
            **{field: values[row] for field, values in scores.items()},
        }
        for row, result in enumerate(results)
    ]


def pose_of(result: Mapping[str, Any]) -> list[float]:
    """Return the numbers of all keypoints of an entry, in either form."""
    if "face_kpts" not in result:
        return list(result["keypoints"])
    return [number for field in _KEYPOINTS for number in result[field]]


def part_scores_of(results: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Return the scores of the regions that any entry scores; other entries have their pose's."""
    return {
        name: np.array([result.get(field, result["score"]) for result in results], np.float64)
        for name, field in _SCORES.items()
        if any(field in result for result in results)
    }


def _divided(pose: Sequence[float]) -> dict[str, Sequence[float]]:
    ends = 3 * np.cumsum(list(_KEYPOINTS.values()))
    return {
        field: pose[end - 3 * count : end]
        for (field, count), end in zip(_KEYPOINTS.items(), ends.tolist(), strict=True)
    }
