"""Average precision and recall over object keypoint similarity, by the rules of COCO or of CrowdPose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from posenas.contract.scores import Evaluation, Metric
from posenas.data.average_precision import (
    AREAS,
    COCO_METRICS,
    NAMED_THRESHOLDS,
    coco_metrics,
    curves,
    similarity_by_keypoint,
)
from posenas.data.matching import Comparison, compare, match, rank_poses
from posenas.data.similarity import box_areas, check_predictions, people_of
from posenas.standard.evaluators.crowding import CROWDING, crowd_index

if TYPE_CHECKING:
    from posenas.contract.samples import Sample
    from posenas.contract.scores import GroundTruth, Predictions


@dataclass(frozen=True)
class OksEvaluator:
    """Average precision and recall of poses, for any keypoint set, as COCO or as CrowdPose measures them.

    AP and AR are means over the OKS thresholds 0.50, 0.55, ... 0.95; 50 and 75 name one threshold. The 20
    most confident poses of an image count. A metric for which there is no true person is NaN (pycocotools
    says -1), and a predicted coordinate that is NaN is infinitely far from everything.

    `coco`: ten metrics; M and L are people of 32^2 to 96^2 and of 96^2 and more square pixels.

    `crowdpose`: nine metrics. A person's area, the scale of OKS, is 0.53 of the box's, and there are no
    ranges of area. AP_easy, AP_medium and AP_hard are AP over the images with a crowd index below 0.2, from
    0.2 to below 0.8, and from 0.8; it is the file's `crowdIndex`, or computed where the file has none. For
    any dataset, but comparable with published figures on CrowdPose alone.

    By keypoint: the mean over the people who have it labelled, crowds apart, of its term of OKS in the
    person's most similar pose; 0 where an image has no pose.

    Source: pycocotools.cocoeval 2.0, `iouType="keypoints"`; for CrowdPose xtcocotools.cocoeval,
    `iouType="keypoints_crowd"` with `use_area=False`, and crowdposetools, which it follows.
    """

    protocol: Annotated[
        Literal["coco", "crowdpose"],
        "coco: by area; crowdpose: by crowd index, and the scale of OKS from the box",
    ] = "coco"

    def metrics(self) -> Sequence[Metric]:
        """Return the protocol's metrics, AP first."""
        if self.protocol == "coco":
            return [Metric(name) for name in COCO_METRICS]
        names = [kind + suffix for kind in ("AP", "AR") for suffix in NAMED_THRESHOLDS]
        return [Metric(name) for name in (*names, *(f"AP_{crowding}" for crowding in CROWDING))]

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Measure the predictions.

        Raises:
            PosenasError: where the predictions are of other images or another keypoint set.
        """
        check_predictions(predictions, truth)
        people = people_of(truth)
        if self.protocol == "crowdpose":
            people = replace(people, areas=box_areas(people))
        poses = rank_poses(predictions.image_ids, keypoints=predictions.keypoints, scores=predictions.scores)
        comparison = compare(poses, people, sigmas=np.array(truth.keypoints.sigmas))
        by_crowding = self.protocol == "crowdpose"
        return Evaluation(
            metrics=_by_crowding(comparison, truth.samples) if by_crowding else coco_metrics(comparison),
            by_keypoint=similarity_by_keypoint(comparison, truth.keypoints.names),
        )


def _by_crowding(comparison: Comparison, samples: Sequence[Sample]) -> Mapping[str, float]:
    """Return CrowdPose's metrics."""
    matches = match(comparison, AREAS["all"])
    measured = curves(matches)
    metrics = {
        kind + suffix: float(measured[index][chosen].mean())
        for index, kind in enumerate(("AP", "AR"))
        for suffix, chosen in NAMED_THRESHOLDS.items()
    }
    crowding = {sample.id: crowd_index(sample) for sample in samples}
    for name, (least, most) in CROWDING.items():
        images = [image for image, index in crowding.items() if least <= index < most]
        some = matches.within(
            poses=np.isin(comparison.poses.image_ids, images),
            people=np.isin(comparison.people.image_ids, images),
        )
        metrics[f"AP_{name}"] = float(curves(some)[0].mean())
    return metrics
