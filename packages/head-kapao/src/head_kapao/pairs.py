"""Pairs of neighbouring rows, without a loop over rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def following_pairs(counts: Indices) -> tuple[Indices, Indices]:
    """Pair each row with the `counts[row]` rows right after it.

    Returns:
        The first and the second rows of the pairs.
    """
    ends = np.cumsum(counts)
    rows = np.arange(len(counts))
    shifts = np.repeat(rows + 1 - (ends - counts), counts)
    return np.repeat(rows, counts), np.arange(len(shifts)) + shifts
