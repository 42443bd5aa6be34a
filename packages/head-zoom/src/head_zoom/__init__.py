"""Face and hands at a higher resolution than the body (ZoomNet), and their networks to be searched (ZoomNAS)."""

__version__ = "0.2.0"
