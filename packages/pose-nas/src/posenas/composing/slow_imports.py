"""A word while an import takes long, so that nobody wonders which package hangs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

PATIENCE = 5.0
"""Seconds that an import may take in silence."""


@contextmanager
def named_while_slow(what: str, *, patience: float = PATIENCE) -> Iterator[None]:
    """Print one line to standard error while the body still runs after so long.

    Args:
        what: what is being imported, in words.
        patience: seconds.
    """
    line = f"posenas: still importing {what}, after {patience:g} s"
    timer = Timer(patience, lambda: print(line, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
