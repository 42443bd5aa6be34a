"""Order among points of several objectives: fronts, and how alone a point is on its own.

Source: Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 2002.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def front_numbers(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) 0 for the points that none dominates, 1 for those that only these do, and so on.

    Args:
        points: (n, objectives), the greater the better.
    """
    at_least = np.all(points[:, None] >= points[None], axis=2)
    dominates = at_least & np.any(points[:, None] > points[None], axis=2)
    numbers = np.full(len(points), -1, dtype=np.int64)
    number = 0
    while (numbers < 0).any():
        left = numbers < 0
        dominated = (dominates & left[:, None]).any(axis=0)
        numbers[left & ~dominated] = number
        number += 1
    return numbers


def crowding_distances(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) how far each point's neighbours on its front lie apart, summed over the objectives, each in the
    front's range; infinite at its ends.

    Args:
        points: (n, objectives) of one front.
    """
    distances = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if spread > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distances


def best_first(points: NDArray[np.float64]) -> list[int]:
    """All positions, by front, and within a front the loneliest first; of equals in their order.

    With a single objective this is from great to small.
    """
    if points.shape[1] == 1:
        return sorted(range(len(points)), key=lambda index: -points[index, 0])
    fronts = front_numbers(points)
    crowding = np.zeros(len(points))
    for number in np.unique(fronts):
        crowding[fronts == number] = crowding_distances(points[fronts == number])
    return sorted(range(len(points)), key=lambda index: (fronts[index], -crowding[index]))
