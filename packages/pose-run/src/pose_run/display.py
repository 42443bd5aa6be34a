"""Lines on standard error: warnings, and now and then how far it is."""

from __future__ import annotations

import sys
import time

from pose_run.errors import message

_SECONDS_BETWEEN_LINES = 15.0


def warned(words: str) -> None:
    """Write a warning."""
    print(message(f"warning: {words}"), file=sys.stderr)


class FrameLines:
    """A line with frames per second and the time left, written at most every 15 seconds."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        """Write how many frames are done, if it is time for a line."""
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES or not done or done == total:
            return
        self._last = now
        speed = done / (now - self._started)
        left = "" if total is None else f" of {total}"
        until = "" if total is None else f", {(total - done) / speed:.0f} s left"
        print(f"{done}{left} frames, {speed:.1f} frames/s{until}", file=sys.stderr)
