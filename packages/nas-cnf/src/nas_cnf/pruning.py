"""Pruning: choices that weigh little are left out.

What has a weight of exactly 0 is never built. The paper prunes no more than that (section IV-C), but a learnt
softmax hardly ever gives an exact 0. Here what is below a threshold goes too, which changes the outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

NOTHING = -1000.0
"""A value whose softmax beside a 0 is exactly 0, in float64 too."""


def shares_of(row: Sequence[float], alternatives: Sequence[int] | None = None) -> list[float]:
    """Return, for each entry, the share that its alternative has of the row's softmax.

    Args:
        row: the values before the softmax.
        alternatives: which alternative each entry is. Equal ones, such as a map that stands for two sources,
            have one share together. None if all differ.
    """
    greatest = max(row)
    exponentials = [math.exp(value - greatest) for value in row]
    total = sum(exponentials)
    if alternatives is None:
        return [each / total for each in exponentials]
    return [
        sum(each for each, other in zip(exponentials, alternatives, strict=True) if other == alternative)
        / total
        for alternative in alternatives
    ]


def without_light(
    rows: Sequence[Sequence[float]],
    threshold: float,
    *,
    rest: int | None = None,
    alternatives: Sequence[Sequence[int]] | None = None,
) -> list[list[float]]:
    """Return rows in which entries below a share of their softmax weigh nothing; the heaviest stays.

    Args:
        rows: the values before the softmax.
        threshold: the share, from 0 to 1, below which an entry is light.
        rest: the place of an entry without effect. It takes over the weight of those left out, so that the
            other weights stay as they are. If it is None, the others grow to a sum of 1.
        alternatives: of each row, as in `shares_of`.
    """
    each = [None] * len(rows) if alternatives is None else alternatives
    return [_without_light(row, threshold, rest, equal) for row, equal in zip(rows, each, strict=True)]


def _without_light(
    row: Sequence[float], threshold: float, rest: int | None, alternatives: Sequence[int] | None
) -> list[float]:
    shares = shares_of(row, alternatives)
    light = {
        place
        for place, share in enumerate(shares)
        if 0 < share < threshold and place != rest and share < max(shares)
    }
    if not light:
        return list(row)
    greatest = max(row)
    shifted = [NOTHING if place in light else value - greatest for place, value in enumerate(row)]
    if rest is not None:
        shifted[rest] = math.log(sum(math.exp(row[place] - greatest) for place in (*light, rest)))
    return shifted
