"""posenas-bench: strategies of pose-nas on a table of trainings that were done before."""

__version__ = "0.2.0"
