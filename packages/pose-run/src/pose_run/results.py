"""Entries of a COCO keypoint results file; whole bodies are in COCO-WholeBody's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pose_run.manifest import KeypointSet
    from pose_run.poses import Poses
    from pose_run.sources import Frame

_FIELDS = MappingProxyType(
    {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
)
"""How many of a whole body's 133 keypoints each field holds, in their order."""
_SCORES = MappingProxyType(
    {"face": "face_score", "left_hand": "lefthand_score", "right_hand": "righthand_score"}
)
"""The field of each region's score."""


def entries(frame: Frame, poses: Poses, keypoints: KeypointSet) -> list[dict[str, Any]]:
    """Return an entry for each pose; places and keypoint scores are rounded to a thousandth.

    Args:
        frame: where the poses are.
        poses: in pixels of the frame.
        keypoints: what the poses consist of; its first category is theirs.
    """
    rows = np.concatenate([poses.keypoints, poses.keypoint_scores[:, :, None]], axis=2).round(3)
    about = {"file_name": frame.file_name} if frame.file_name else {}
    whole_body = {*_SCORES} == {*keypoints.regions} and len(keypoints) == sum(_FIELDS.values())
    return [
        {
            "image_id": frame.id,
            "category_id": keypoints.categories[0],
            "keypoints": row,
            "score": score,
            **(_in_parts(row, score, _of(poses.part_scores, number)) if whole_body else {}),
            **about,
        }
        for number, (row, score) in enumerate(
            zip(rows.reshape(len(rows), 3 * len(keypoints)).tolist(), poses.scores.tolist(), strict=True)
        )
    ]


def _of(part_scores: Mapping[str, Any], number: int) -> dict[str, float]:
    return {name: float(scores[number]) for name, scores in part_scores.items()}


def _in_parts(row: Sequence[float], score: float, part_scores: Mapping[str, float]) -> dict[str, Any]:
    """Return the fields of a whole body: the keypoints of each part, and its score."""
    ends = 3 * np.cumsum(list(_FIELDS.values()))
    return {
        **{
            field: row[end - 3 * count : end]
            for (field, count), end in zip(_FIELDS.items(), ends.tolist(), strict=True)
        },
        "foot_score": score,
        "wholebody_score": score,
        **{_SCORES[name]: value for name, value in part_scores.items()},
    }
