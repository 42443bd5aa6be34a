"""How far two scores put the same things into the same order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Return Kendall's tau-b, from -1 to 1: 1 for the same order; NaN where either holds only equal values.

    Source: Kendall, "The treatment of ties in ranking problems", Biometrika 1945.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    pairs = np.triu_indices(len(x), 1)
    signs_x, signs_y = (np.sign(values[pairs[0]] - values[pairs[1]]) for values in (x, y))
    untied = np.count_nonzero(signs_x) * np.count_nonzero(signs_y)
    return float(signs_x @ signs_y / np.sqrt(untied)) if untied else float("nan")


def tau_interval(
    first: ArrayLike, second: ArrayLike, *, resamplings: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the middle 95 % of Kendall's tau over resamplings of the pairs.

    Args:
        first: (n,) numbers.
        second: (n,) numbers, one for each of the first.
        resamplings: how many times n pairs are drawn from the n.
        seed: the draws depend on it alone.
    """
    rng = np.random.default_rng(seed)
    x, y = np.asarray(first), np.asarray(second)
    taus = []
    for _ in range(resamplings):
        drawn = rng.integers(0, len(x), len(x))
        taus.append(kendall_tau(x[drawn], y[drawn]))
    low, high = np.nanquantile(taus, (0.025, 0.975))
    return float(low), float(high)
