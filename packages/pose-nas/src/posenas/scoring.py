"""What evaluators are made of: checked predictions, distances, and average precision by COCO's rules."""

from posenas.data.average_precision import COCO_METRICS, coco_metrics, similarity_by_keypoint
from posenas.data.matching import Comparison, RankedPoses, compare, pose_areas, rank_poses
from posenas.data.nearest import measured_people
from posenas.data.similarity import TruePeople, box_areas, check_predictions, people_of

__all__ = [
    "COCO_METRICS",
    "Comparison",
    "RankedPoses",
    "TruePeople",
    "box_areas",
    "check_predictions",
    "coco_metrics",
    "compare",
    "measured_people",
    "people_of",
    "pose_areas",
    "rank_poses",
    "similarity_by_keypoint",
]
