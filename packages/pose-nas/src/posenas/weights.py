"""What importers of published weights are made of: rules for names, and what common layers need."""

from posenas.networks.renaming import POSE_HEAD, RESNET, Rules, has, keypoints_of, renamed, with_epsilon

__all__ = ["POSE_HEAD", "RESNET", "Rules", "has", "keypoints_of", "renamed", "with_epsilon"]
