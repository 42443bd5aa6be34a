"""The dataset `posetrack18`: people followed through videos, in PoseTrack 2018's files."""
