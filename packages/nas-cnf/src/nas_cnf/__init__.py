"""Cell-based neural fabrics, one for each part of the body (PoseNFS)."""

__version__ = "0.2.0"
