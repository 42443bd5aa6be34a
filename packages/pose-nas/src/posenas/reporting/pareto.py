"""Which genotypes are worth their cost: the Pareto front of one metric against one cost."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]], *, higher_is_better: bool) -> list[int]:
    """The points that no other one dominates: at least as good in both figures, and better in one.

    Args:
        points: (metric, cost) pairs, finite; a lower cost is better.
        higher_is_better: of the metric.

    Returns:
        Positions of the front's points from cheap to dear; of equal points all, in their order.
    """
    sign = 1.0 if higher_is_better else -1.0
    order = sorted(range(len(points)), key=lambda index: (points[index][1], -sign * points[index][0]))
    front: list[int] = []
    best = float("-inf")
    for index in order:
        metric = sign * points[index][0]
        if metric > best or points[index] == points[front[-1]]:
            front.append(index)
            best = metric
    return front
