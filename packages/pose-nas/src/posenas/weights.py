"""What importers of published weights are made of: rules for names, what common layers need, and inputs."""

from posenas.contract.normalisation import IMAGENET, UNIT
from posenas.networks.renaming import POSE_HEAD, RESNET, Rules, has, keypoints_of, renamed, with_epsilon

__all__ = [
    "IMAGENET",
    "POSE_HEAD",
    "RESNET",
    "UNIT",
    "Rules",
    "has",
    "keypoints_of",
    "renamed",
    "with_epsilon",
]
