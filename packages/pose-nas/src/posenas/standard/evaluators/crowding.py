"""How crowded an image is, by CrowdPose's measure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from posenas.contract.samples import Sample

CROWDING = MappingProxyType({"easy": (0.0, 0.2), "medium": (0.2, 0.8), "hard": (0.8, float("inf"))})
"""Ranges of the crowd index, the lower end within, the upper one not.

These are the ones that the reference tools, crowdposetools and xtcocotools, evaluate by, and so the published
figures; the paper's text parts easy from medium at 0.1.
"""


def crowd_index(sample: Sample) -> float:
    """The image's own, else the mean over its people with labels of: labelled keypoints of others within the
    person's box (its border too), over the person's labelled keypoints; 0 where there is nobody.

    May exceed 1. CrowdPose's files tell it rounded to two digits.

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
