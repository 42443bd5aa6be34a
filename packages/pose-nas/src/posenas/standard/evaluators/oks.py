"""Average precision and recall over object keypoint similarity, by the rules of COCO or of CrowdPose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from posenas.contract.scores import Evaluation, Metric
from posenas.data.similarity import (
    Pairs,
    TruePeople,
    check_predictions,
    keypoint_similarity,
    pairs_by_image,
    people_of,
    pose_similarity,
)
from posenas.standard.evaluators.crowding import CROWDING, crowd_index

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.samples import Sample
    from posenas.contract.scores import GroundTruth, Predictions

DETECTIONS_AN_IMAGE = 20
AREAS = MappingProxyType({"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)})
AREA_OF_BOX = 0.53  # a person's area in CrowdPose, whose files have none
OKS_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
NAMED_THRESHOLDS = MappingProxyType({"": slice(None), "50": slice(0, 1), "75": slice(5, 6)})


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
        suffixes = ("", "50", "75", "M", "L") if self.protocol == "coco" else ("", "50", "75")
        names = [kind + suffix for kind in ("AP", "AR") for suffix in suffixes]
        if self.protocol == "crowdpose":
            names += [f"AP_{crowding}" for crowding in CROWDING]
        return [Metric(name) for name in names]

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Measure the predictions.

        Raises:
            PosenasError: where the predictions are of other images or another keypoint set.
        """
        check_predictions(predictions, truth)
        people = people_of(truth)
        if self.protocol == "crowdpose":
            people = replace(people, areas=people.boxes[:, 3] * people.boxes[:, 2] * AREA_OF_BOX)
        detections = _most_confident(predictions)
        pairs = pairs_by_image(detections.image_ids, people.image_ids)
        sigmas = np.array(truth.keypoints.sigmas)
        similarity = pose_similarity(detections.keypoints, people, pairs=pairs, sigmas=sigmas)
        best = _most_similar(pairs, similarity, people=len(people.areas))
        terms = np.zeros(people.labelled.shape)
        terms[best.true] = keypoint_similarity(detections.keypoints, people, pairs=best, sigmas=sigmas)
        counted = people.labelled & ~people.crowd[:, None]
        near = similarity >= OKS_THRESHOLDS[0]
        near_pairs = Pairs(pairs.predicted[near], pairs.true[near])
        scene = _Scene(detections, people, near_pairs, similarity[near])
        return Evaluation(
            metrics=_by_area(scene) if self.protocol == "coco" else _by_crowding(scene, truth.samples),
            by_keypoint={
                name: float(terms[counted[:, index], index].mean())
                for index, name in enumerate(truth.keypoints.names)
                if counted[:, index].any()
            },
        )


@dataclass(frozen=True)
class _Detections:
    """The D predicted poses that count, by image and falling score.

    Attributes:
        image_ids, keypoints, scores: as in Predictions, but no keypoint is NaN.
        ranks: (D,) place within the image, from 0.
        areas: (D,) square pixels of the box around the keypoints.
    """

    image_ids: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]
    ranks: NDArray[np.int64]
    areas: NDArray[np.float64]


def _most_confident(predictions: Predictions) -> _Detections:
    order = np.lexsort((-predictions.scores, predictions.image_ids))
    image_ids = predictions.image_ids[order]
    ranks = np.arange(len(order)) - np.searchsorted(image_ids, image_ids)
    order, ranks = order[ranks < DETECTIONS_AN_IMAGE], ranks[ranks < DETECTIONS_AN_IMAGE]
    keypoints = predictions.keypoints[order]
    keypoints[np.isnan(keypoints)] = np.inf
    with np.errstate(invalid="ignore"):  # an infinite pose has no area
        areas = np.ptp(keypoints[..., 0], axis=1) * np.ptp(keypoints[..., 1], axis=1)
    return _Detections(predictions.image_ids[order], keypoints, predictions.scores[order], ranks, areas)


def _most_similar(pairs: Pairs, similarity: NDArray[np.float64], *, people: int) -> Pairs:
    """Return the most similar pose for each person with any pose in the image.

    Of equally similar ones it is the most confident.
    """
    highest = np.full(people, -np.inf)
    np.maximum.at(highest, pairs.true, similarity)
    best = np.flatnonzero(similarity == highest[pairs.true])
    true, first = np.unique(pairs.true[best], return_index=True)
    return Pairs(pairs.predicted[best[first]], true)


@dataclass(frozen=True)
class _Scene:
    """The detections, the people, and the pairs in one image that are similar enough to be matched."""

    detections: _Detections
    people: TruePeople
    pairs: Pairs
    similarity: NDArray[np.float64]


def _by_area(scene: _Scene) -> Mapping[str, float]:
    """Return COCO's metrics."""
    everything = {name: _matched(scene, limits).curves() for name, limits in AREAS.items()}
    choices = [(suffix, "all", chosen) for suffix, chosen in NAMED_THRESHOLDS.items()]
    choices += [("M", "medium", slice(None)), ("L", "large", slice(None))]
    return {
        kind + suffix: float(everything[area][index][chosen].mean())
        for index, kind in enumerate(("AP", "AR"))
        for suffix, area, chosen in choices
    }


def _by_crowding(scene: _Scene, samples: Sequence[Sample]) -> Mapping[str, float]:
    """Return CrowdPose's metrics."""
    matched = _matched(scene, AREAS["all"])
    curves = matched.curves()
    metrics = {
        kind + suffix: float(curves[index][chosen].mean())
        for index, kind in enumerate(("AP", "AR"))
        for suffix, chosen in NAMED_THRESHOLDS.items()
    }
    crowding = {sample.id: crowd_index(sample) for sample in samples}
    for name, (least, most) in CROWDING.items():
        images = [image for image, index in crowding.items() if least <= index < most]
        precision, _ = matched.within(
            detections=np.isin(scene.detections.image_ids, images),
            people=np.isin(scene.people.image_ids, images),
        ).curves()
        metrics[f"AP_{name}"] = float(precision.mean())
    return metrics


def _outside(areas: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.bool_]:
    return (areas < limits[0]) | (areas > limits[1])


def _matched(scene: _Scene, limits: tuple[float, float]) -> _Matched:
    """Match detections with the people of an area range."""
    detections, people = scene.detections, scene.people
    ignored = people.crowd | ~people.labelled.any(axis=1) | _outside(people.areas, limits)
    found = _match(
        scene.pairs,
        scene.similarity,
        ranks=detections.ranks,
        people=people,
        ignored=ignored,
        thresholds=np.array(OKS_THRESHOLDS),
    )
    return _Matched(found, ignored, _outside(detections.areas, limits), detections.scores)


def _match(
    pairs: Pairs,
    similarity: NDArray[np.float64],
    *,
    ranks: NDArray[np.int64],
    people: TruePeople,
    ignored: NDArray[np.bool_],
    thresholds: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the person that each detection is matched with at each threshold, or -1.

    Detections choose in order of confidence, all images and thresholds at once. Each takes the most similar
    person who is free, the last of equally similar ones. An ignored person is taken only if there is no
    other. A crowd stays free.

    Args:
        pairs: pairs of a detection and a person in one image.
        similarity: the pairs' OKS.
        ranks: (D,) place of each detection within its image, from 0.
        people: T people.
        ignored: (T,) people who count neither as found nor as missed.
        thresholds: the least OKS of a match.

    Returns:
        (D, thresholds).
    """
    best = np.tile(thresholds, (len(ranks), 1))
    found = np.full(best.shape, -1)
    taken = np.zeros((len(ignored), best.shape[1]), dtype=np.bool_)
    places = np.arange(len(ignored)) - np.searchsorted(people.image_ids, people.image_ids)
    turns = places + ignored * len(ignored)  # the ignored people of an image come last
    for of_rank in _groups(ranks[pairs.predicted]):
        for group in _groups(turns[pairs.true[of_rank]]):
            pair = of_rank[group]  # at most one of each image
            predicted, true, nearness = pairs.predicted[pair], pairs.true[pair], similarity[pair, None]
            better = (nearness >= best[predicted]) & ~taken[true]
            if ignored[true[0]]:
                better &= (found[predicted] < 0) | ignored[found[predicted]]
            best[predicted] = np.where(better, nearness, best[predicted])
            found[predicted] = np.where(better, true[:, None], found[predicted])
        chosen = found[np.unique(pairs.predicted[of_rank])]
        row, column = np.nonzero(chosen >= 0)
        taken[chosen[row, column], column] = ~people.crowd[chosen[row, column]]
    return found


def _groups(keys: NDArray[np.int64]) -> Sequence[NDArray[np.int64]]:
    """Return the indices of equal keys, by ascending key."""
    order = np.argsort(keys, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(keys) else []


@dataclass(frozen=True)
class _Matched:
    """The D detections, and the people that they were matched with.

    Attributes:
        found: (D, thresholds) the person, or -1.
        ignored: (T,) people who count neither as found nor as missed.
        outside: (D,) detections outside the area range.
        scores: (D,).
    """

    found: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    scores: NDArray[np.float64]

    def within(self, *, detections: NDArray[np.bool_], people: NDArray[np.bool_]) -> _Matched:
        """Return the matches of some images alone: of these detections (D,) and people (T,).

        No match leads out of an image.
        """
        return _Matched(
            self.found[detections], self.ignored | ~people, self.outside[detections], self.scores[detections]
        )

    def curves(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the precision at 101 recalls (thresholds, 101), and the highest recall (thresholds,).

        Detections of ignored people, and unmatched ones outside the area range, are neither right nor wrong.
        """
        levels = np.linspace(0, 1, 101)
        people = np.count_nonzero(~self.ignored)
        if not people:
            count = self.found.shape[1]
            return np.full((count, len(levels)), np.nan), np.full(count, np.nan)
        order = np.argsort(-self.scores, kind="stable")
        lanes = self.found[order].T
        right = (lanes >= 0) & ~self.ignored[lanes]
        counted = right | ((lanes < 0) & ~self.outside[order])
        precision, recall = np.zeros((len(lanes), len(levels))), np.zeros(len(lanes))
        for index, (is_right, is_counted) in enumerate(zip(right, counted, strict=True)):
            hits = np.arange(1, np.count_nonzero(is_right) + 1)
            # Precision rises at hits only, so they carry the whole envelope.
            at_hits = hits / (np.cumsum(is_counted)[is_right] + np.spacing(1))
            envelope = np.maximum.accumulate(at_hits[::-1])[::-1]
            precision[index] = np.append(envelope, 0.0)[np.searchsorted(hits / people, levels)]
            recall[index] = len(hits) / people
        return precision, recall
