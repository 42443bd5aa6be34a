"""Crowding: how crowded an image is, by CrowdPose's measure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from posenas.contract.samples import Sample

CROWDING = MappingProxyType({"easy": (0.0, 0.2), "medium": (0.2, 0.8), "hard": (0.8, float("inf"))})
"""The ranges of the crowd index by name, the lower end within, the upper one not.

They are those by which the reference tools, crowdposetools and xtcocotools, evaluate, and so those of the
published figures; the paper's text parts easy from medium at 0.1.
"""


def crowd_index(sample: Sample) -> float:
    """Return the image's crowd index: its own, or else one computed from its people.

    Each person with labels has a ratio: the labelled keypoints of others within the person's box (its border
    too), divided by the person's own labelled keypoints. The index is the mean of the ratios, and 0 where
    there is nobody. It may exceed 1. CrowdPose's files give it rounded to two digits.

    Source: Li et al., "CrowdPose: efficient crowded scenes pose estimation and a new benchmark", CVPR 2019.
    """
    if sample.crowd_index is not None:
        return sample.crowd_index
    people = [person for person in sample.people if (person.keypoints[:, 2] > 0).any()]
    if not people:
        return 0.0
    poses = [person.keypoints[person.keypoints[:, 2] > 0, :2] for person in people]
    owners = np.repeat(np.arange(len(poses)), [len(pose) for pose in poses])
    points = np.concatenate(poses)
    corners = np.array([person.box for person in people])
    low, high = corners[:, None, :2], corners[:, None, :2] + corners[:, None, 2:]
    within = ((points >= low) & (points <= high)).all(axis=2)  # (people, points)
    others = within & (owners != np.arange(len(poses))[:, None])
    return float(np.mean(others.sum(axis=1) / [len(pose) for pose in poses]))
