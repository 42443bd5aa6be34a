"""Elastic super-networks for pose estimation (ViPNAS), searched with the sandwich rule."""

__version__ = "0.2.0"
