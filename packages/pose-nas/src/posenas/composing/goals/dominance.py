"""Dominance among points of several objectives: the front, the fronts behind it, and crowding on a front.

A point dominates another that is nowhere greater and somewhere less. Points are (n, objectives), the greater
the better.

Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 2002.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def on_front(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (n,) whether each point is dominated by none; of equal points all are, or none."""
    found = np.zeros(len(points), dtype=bool)
    kept = points[:0]  # those of the front so far, each point once
    # From the best by the first objective on, equal ones by the next: what dominates a point comes before it.
    for index in np.lexsort(-points.T[::-1]):
        point = points[index]
        better = np.all(kept >= point, axis=1)
        found[index] = not better.any() or bool((kept[better] == point).all(axis=1).any())
        if not better.any():
            kept = np.vstack([kept, point])
    return found


def front_numbers(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (n,) 0 for the points on the front, 1 for those that only these dominate, and so on."""
    numbers = np.full(len(points), -1, dtype=np.int64)
    number = 0
    while (numbers < 0).any():
        left = np.flatnonzero(numbers < 0)
        numbers[left[on_front(points[left])]] = number
        number += 1
    return numbers


def crowding_distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) how far the neighbours of each point of one front lie apart.

    Distances are summed over the objectives, each in the front's range. The front's ends are infinitely far.
    """
    distances = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if spread > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distances


def feasible_first(points: NDArray[np.float64], violations: NDArray[np.float64]) -> list[int]:
    """Return all positions: points that violate nothing by `best_first`, then the others by violation.

    Of equal violations the better point comes first. Deb et al. call this constrained domination.

    Args:
        points: (n, objectives), the greater the better.
        violations: (n,), 0 or more.
    """
    kept, violating = np.flatnonzero(violations == 0), np.flatnonzero(violations > 0)
    order = [int(kept[index]) for index in best_first(points[kept])]
    rest = [int(violating[index]) for index in best_first(points[violating])]
    return order + sorted(rest, key=lambda index: violations[index])


def best_first(points: NDArray[np.float64]) -> list[int]:
    """Return all positions by front, and within a front the loneliest first; equals keep their order.

    With a single objective this is from great to small.
    """
    if points.shape[1] == 1:
        return sorted(range(len(points)), key=lambda index: -points[index, 0])
    fronts = front_numbers(points)
    crowding = np.zeros(len(points))
    for number in np.unique(fronts):
        crowding[fronts == number] = crowding_distances(points[fronts == number])
    return sorted(range(len(points)), key=lambda index: (fronts[index], -crowding[index]))
