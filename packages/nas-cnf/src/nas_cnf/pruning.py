"""Choices that weigh little left out.

What has a weight of exactly 0 is never built. The paper prunes no more than that (section IV-C), and a learnt
softmax hardly ever gives an exact 0; here what is below a threshold goes too, which changes the outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

NOTHING = -1000.0
"""Beside a 0 the softmax of this is exactly 0, in float64 too."""


def without_light(
    rows: Sequence[Sequence[float]], threshold: float, *, rest: int | None = None
) -> list[list[float]]:
    """The values of rows whose entries below a share of their softmax weigh nothing; the heaviest stays.

    Args:
        rest: an entry without effect, which takes over the weight of those left out, so that the weights of
            the others stay as they are; None where there is none, and the others grow to a sum of 1.
    """
    return [_without_light(row, threshold, rest) for row in rows]


def _without_light(row: Sequence[float], threshold: float, rest: int | None) -> list[float]:
    greatest = max(row)
    exponentials = [math.exp(value - greatest) for value in row]
    shares = [each / sum(exponentials) for each in exponentials]
    light = {
        place
        for place, share in enumerate(shares)
        if 0 < share < threshold and place != rest and row[place] < greatest
    }
    if not light:
        return list(row)
    shifted = [NOTHING if place in light else value - greatest for place, value in enumerate(row)]
    if rest is not None:
        gathered = sum(exponentials[place] for place in (*light, rest))
        shifted[rest] = math.log(gathered)
    return shifted
