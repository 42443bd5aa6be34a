"""Face and hands at a higher resolution than the body (ZoomNet), and a search of their networks (ZoomNAS)."""

__version__ = "0.2.0"
