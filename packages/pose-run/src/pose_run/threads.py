"""The threads of the CPU that a network may run on."""

from __future__ import annotations

from pose_run.errors import PoseRunError

MOST_THREADS = 1024
"""The most threads: onnxruntime starts them all before it looks at anything."""


def check_threads(threads: int) -> None:
    """Check that onnxruntime can be asked for so many threads.

    Raises:
        PoseRunError: if there are fewer than 0 or more than 1024.
    """
    if not 0 <= threads <= MOST_THREADS:
        raise PoseRunError(
            f"threads {threads}: not from 0 to {MOST_THREADS}; give one for each core at most, or 0, for all"
        )
