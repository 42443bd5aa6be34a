"""Pose networks of several scales at once, searched by gradient and by a controller (AutoPose)."""

__version__ = "0.2.0"
