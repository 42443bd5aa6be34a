"""The space of EvoPose2D, whose networks evolve from EfficientNet-B0."""

__version__ = "0.2.0"
