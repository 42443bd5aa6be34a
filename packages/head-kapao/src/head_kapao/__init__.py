"""Keypoints and poses as objects (KAPAO), and the network that finds them as a search space."""

__version__ = "0.2.0"
