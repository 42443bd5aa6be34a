"""SLEAP's label files and DeepLabCut's CSV files, with pictures or frames of videos."""

__version__ = "0.2.0"
