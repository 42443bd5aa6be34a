"""The parts that evaluators of correct keypoints share: the nearest pose, and keypoints by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Person
    from posenas.contract.scores import GroundTruth, Predictions


def measured_people(
    predictions: Predictions, truth: GroundTruth
) -> Iterator[tuple[Person, NDArray[np.float64]]]:
    """Yield everybody but crowds, with the distances in pixels from the nearest pose of the image, (K,).

    See `nearest_distances`. One pose may be the nearest one of several people.
    """
    order = np.argsort(predictions.image_ids, kind="stable")
    image_ids, keypoints = predictions.image_ids[order], predictions.keypoints[order]
    for sample in truth.samples:
        first, last = (int(np.searchsorted(image_ids, sample.id, side)) for side in ("left", "right"))
        for person in sample.people:
            if not person.crowd:
                yield person, nearest_distances(keypoints[first:last], person)


def nearest_distances(poses: NDArray[np.float64], person: Person) -> NDArray[np.float64]:
    """Return the distances in pixels of the person's keypoints from the nearest pose's, (K,).

    The nearest pose has the least mean distance over the person's labelled keypoints (of equals it is the
    first). A distance is infinite where there is no pose, where the keypoint is not labelled, and where it is
    NaN.

    Args:
        poses: (P, K, 2) pixels.
        person: a person of the same image.
    """
    labelled = person.keypoints[:, 2] > 0
    nearest = np.full(len(labelled), np.inf)
    if len(poses) and labelled.any():
        distances = np.linalg.norm(poses[:, labelled] - person.keypoints[labelled, :2], axis=-1)
        distances[np.isnan(distances)] = np.inf
        nearest[labelled] = distances[distances.mean(axis=1).argmin()]
    return nearest


def find_keypoint(keypoints: KeypointSet, joint: str, *, side: str = "") -> int | None:
    """Return the index of a keypoint such as `left_hip`, however it is spelt; None where there is none.

    Spellings are `LeftHip`, `left hip`, `l_hip`, `lhip`, `hip_l` and so on.

    Args:
        keypoints: the set to look in.
        joint: the joint's name in small letters and one word, such as `hip` or `headtop`.
        side: `left`, `right`, or empty for a joint on the middle line.
    """
    spellings = {side + joint, side[:1] + joint, joint + side, joint + side[:1]}
    for index, name in enumerate(keypoints.names):
        if re.sub("[^a-z]", "", name.lower()) in spellings:
            return index
    return None
