"""What the evaluators that count correct keypoints share: the nearest pose, and body parts by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Person


def nearest_distances(poses: NDArray[np.float64], person: Person) -> NDArray[np.float64]:
    """(K,) pixels from the pose, of P in (P, K, 2), that has the least mean distance over the person's
    labelled keypoints (of equals the first); infinite without one, where unlabelled, and where NaN."""
    labelled = person.keypoints[:, 2] > 0
    nearest = np.full(len(labelled), np.inf)
    if len(poses) and labelled.any():
        distances = np.linalg.norm(poses[:, labelled] - person.keypoints[labelled, :2], axis=-1)
        distances[np.isnan(distances)] = np.inf
        nearest[labelled] = distances[distances.mean(axis=1).argmin()]
    return nearest


def find_keypoint(keypoints: KeypointSet, joint: str, *, side: str = "") -> int | None:
    """The index of `left_hip`, however it is spelt: `LeftHip`, `left hip`, `l_hip`, `lhip`, `hip_l`, ..."""
    spellings = {side + joint, side[:1] + joint, joint + side, joint + side[:1]}
    for index, name in enumerate(keypoints.names):
        if re.sub("[^a-z]", "", name.lower()) in spellings:
            return index
    return None
