"""Average precision and recall of poses over the thresholds of their similarity (OKS), by COCO's rules.

Source: pycocotools.cocoeval 2.0, `iouType="keypoints"`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from posenas.data.matching import Comparison, Matches, match
from posenas.data.similarity import keypoint_similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

AREAS = MappingProxyType({"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)})
NAMED_THRESHOLDS = MappingProxyType({"": slice(None), "50": slice(0, 1), "75": slice(5, 6)})
COCO_METRICS = tuple(kind + suffix for kind in ("AP", "AR") for suffix in ("", "50", "75", "M", "L"))
"""COCO's ten metrics; M and L are people of 32^2 to 96^2 and of 96^2 and more square pixels."""


def coco_metrics(comparison: Comparison) -> Mapping[str, float]:
    """Return the figures of COCO_METRICS; NaN where there is no person to find."""
    everything = {name: curves(match(comparison, limits)) for name, limits in AREAS.items()}
    choices = [(suffix, "all", chosen) for suffix, chosen in NAMED_THRESHOLDS.items()]
    choices += [("M", "medium", slice(None)), ("L", "large", slice(None))]
    return {
        kind + suffix: float(everything[area][index][chosen].mean())
        for index, kind in enumerate(("AP", "AR"))
        for suffix, area, chosen in choices
    }


def curves(matches: Matches) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the precision at 101 recalls (thresholds, 101), and the highest recall (thresholds,).

    Poses of ignored people, and unmatched ones outside the range of areas, are neither right nor wrong. Both
    are NaN where there is no person to find.
    """
    levels = np.linspace(0, 1, 101)
    people = np.count_nonzero(~matches.ignored)
    if not people:
        count = matches.found.shape[1]
        return np.full((count, len(levels)), np.nan), np.full(count, np.nan)
    order = np.argsort(-matches.scores, kind="stable")
    lanes = matches.found[order].T
    right = (lanes >= 0) & ~matches.ignored[lanes]
    counted = right | ((lanes < 0) & ~matches.outside[order])
    precision, recall = np.zeros((len(lanes), len(levels))), np.zeros(len(lanes))
    for index, (is_right, is_counted) in enumerate(zip(right, counted, strict=True)):
        hits = np.arange(1, np.count_nonzero(is_right) + 1)
        # Precision rises at hits only, so they carry the whole envelope.
        at_hits = hits / (np.cumsum(is_counted)[is_right] + np.spacing(1))
        envelope = np.maximum.accumulate(at_hits[::-1])[::-1]
        precision[index] = np.append(envelope, 0.0)[np.searchsorted(hits / people, levels)]
        recall[index] = len(hits) / people
    return precision, recall


def similarity_by_keypoint(comparison: Comparison, names: Sequence[str]) -> Mapping[str, float]:
    """Return each keypoint's mean term of OKS, over the people who have it labelled, crowds apart.

    The term is that of the person's most similar pose, and 0 where the image has no pose.

    Args:
        comparison: the poses and the people.
        names: of the K keypoints; a keypoint that nobody has labelled is not in the answer.
    """
    people, best = comparison.people, comparison.best
    terms = np.zeros(people.labelled.shape)
    terms[best.true] = keypoint_similarity(
        comparison.poses.keypoints, people, pairs=best, sigmas=comparison.sigmas
    )
    counted = people.labelled & ~people.crowd[:, None]
    return {
        name: float(terms[counted[:, index], index].mean())
        for index, name in enumerate(names)
        if counted[:, index].any()
    }
