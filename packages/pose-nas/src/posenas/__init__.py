"""posenas: neural architecture search for human pose estimation."""

__version__ = "0.1.0"
