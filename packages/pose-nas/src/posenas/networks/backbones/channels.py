"""Numbers of channels in networks that are scaled as a whole."""

from __future__ import annotations


def scaled(channels: int, width: float) -> int:
    """Return `width` times as many channels, to the nearest multiple of 8, and at least 8."""
    return max(8, int(channels * width / 8 + 0.5) * 8)
