"""Average precision and recall of whole bodies and of their parts, by the rules of COCO-WholeBody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from posenas import Evaluation, Metric, PosenasError
from posenas.scoring import (
    COCO_METRICS,
    Comparison,
    TruePeople,
    box_areas,
    check_predictions,
    coco_metrics,
    compare,
    people_of,
    pose_areas,
    rank_poses,
    similarity_by_keypoint,
)

from data_cocowholebody.evaluators.parts import PARTS, require_part

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from posenas import GroundTruth, KeypointSet, Predictions

SHOWN = ("body", *PARTS, "hand")
"""The parts with metrics of their own, in their order; `hand` is the mean of the left and the right one."""


@dataclass(frozen=True)
class WholebodyEvaluator:
    """Average precision and recall of body, feet, face, left hand, right hand and the whole.

    Each of the six is an evaluation of its own over the keypoints of that part, as in `oks`. AP is that of
    the whole, `face.AP` that of the face. `hand.AP` is the mean of `left_hand.AP` and `right_hand.AP`, or the
    one of them that is a number; papers print one column of hands without saying how they join the two.

    For every part the scale of OKS, and the size for M and L, is the area of the person and not of the part.
    A person counts for a part where a keypoint of it is labelled, and is ignored otherwise. A pose is left
    out of a part where all its keypoint scores there are 0. It is ranked by its score of the part where the
    head gives one for the region of that name, else by its score; the 20 most confident ones of an image
    count. Unmatched poses are mistakes of a range of areas by the box around their body's keypoints.

    By keypoint: as `oks`, from the evaluation of the whole.

    Source: Jin et al., "Whole-body human pose estimation in the wild", ECCV 2020, and its evaluation scripts,
    which xtcocotools.cocoeval follows: `iouType="keypoints"`, `"keypoints_foot"` ... `"keypoints_wholebody"`.
    """

    use_area: Annotated[
        bool, "a person's area is the annotated one; otherwise 0.53 of its box, for files without segments"
    ] = True

    def metrics(self) -> Sequence[Metric]:
        """Return COCO's ten metrics of the whole, AP first, then the same of each part."""
        of_parts = [Metric(f"{part}.{name}", part=part) for part in SHOWN for name in COCO_METRICS]
        return [*map(Metric, COCO_METRICS), *of_parts]

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Measure the predictions.

        Raises:
            PosenasError: where the keypoint set lacks one of the parts, or the predictions do not fit.
        """
        parts = _parts(truth.keypoints)
        check_predictions(predictions, truth)
        people = people_of(truth)
        if not self.use_area:
            people = replace(people, areas=box_areas(people))
        sigmas = np.array(truth.keypoints.sigmas)
        areas = pose_areas(predictions.keypoints[:, parts["body"]])
        found = {}
        for part, indices in {"": np.arange(len(sigmas)), **parts}.items():
            compared = _compared(
                predictions, people, part=part, indices=indices, areas=areas, sigmas=sigmas[indices]
            )
            found[part] = coco_metrics(compared)
            if not part:
                by_keypoint = similarity_by_keypoint(compared, truth.keypoints.names)
        found["hand"] = _mean(found["left_hand"], found["right_hand"])
        of_parts = {f"{part}.{name}": value for part in SHOWN for name, value in found[part].items()}
        return Evaluation({**found[""], **of_parts}, by_keypoint)


def _parts(keypoints: KeypointSet) -> Mapping[str, NDArray[np.int64]]:
    """Return the indices of the keypoints of each part, those of the body first: the ones that are left.

    Raises:
        PosenasError: where the set lacks a part.
    """
    parts = {part: require_part(keypoints, part, evaluator="wholebody") for part in PARTS}
    body = np.setdiff1d(np.arange(len(keypoints)), np.concatenate(list(parts.values())))
    if not len(body):
        raise PosenasError(
            f"wholebody: keypoint set {keypoints.name!r} has feet, a face and hands, and no keypoint of the "
            f"body; choose another evaluator, such as oks"
        )
    return {"body": body, **parts}


def _compared(
    predictions: Predictions,
    people: TruePeople,
    *,
    part: str,
    indices: NDArray[np.int64],
    areas: NDArray[np.float64],
    sigmas: NDArray[np.float64],
) -> Comparison:
    """Return the poses and the people of one part, compared.

    Args:
        predictions: of whole bodies.
        people: everybody, with all K keypoints.
        part: its name; empty for the whole.
        indices: of the part's keypoints.
        areas: (P,) square pixels of the predicted bodies.
        sigmas: of the part's keypoints.
    """
    predicted = (predictions.keypoint_scores[:, indices] != 0).any(axis=1)
    scores = predictions.part_scores.get(part, predictions.scores)
    poses = rank_poses(
        predictions.image_ids[predicted],
        keypoints=predictions.keypoints[predicted][:, indices],
        scores=scores[predicted],
        areas=areas[predicted],
    )
    of_part = replace(people, keypoints=people.keypoints[:, indices], labelled=people.labelled[:, indices])
    return compare(poses, of_part, sigmas=sigmas)


def _mean(left: Mapping[str, float], right: Mapping[str, float]) -> Mapping[str, float]:
    """Return the mean of each metric of both hands; NaN where it is NaN of both."""
    pairs = {name: np.array([left[name], right[name]]) for name in COCO_METRICS}
    return {
        name: float(pair[~np.isnan(pair)].mean()) if not np.isnan(pair).all() else float("nan")
        for name, pair in pairs.items()
    }
