"""What evaluators are made of: checked predictions, distances, and average precision by COCO's rules.

`kendall_tau` and `tau_interval` tell how far two scores put the same networks into the same order.
"""

from posenas.data.average_precision import COCO_METRICS, coco_metrics, similarity_by_keypoint
from posenas.data.matching import Comparison, RankedPoses, compare, pose_areas, rank_poses
from posenas.data.nearest import measured_people
from posenas.data.similarity import TruePeople, box_areas, check_predictions, people_of
from posenas.reporting.comparison.rank_correlation import kendall_tau, tau_interval

__all__ = [
    "COCO_METRICS",
    "Comparison",
    "RankedPoses",
    "TruePeople",
    "box_areas",
    "check_predictions",
    "coco_metrics",
    "compare",
    "kendall_tau",
    "measured_people",
    "people_of",
    "pose_areas",
    "rank_poses",
    "similarity_by_keypoint",
    "tau_interval",
]
