"""Discrete choices from continuous ones: the heaviest one takes all.

Source: DARTS (Liu et al., ICLR 2019), section 2.4; PoseNFS itself leaves its networks continuous.
"""

from __future__ import annotations

from collections.abc import Sequence

from nas_cnf.layout import Sources
from nas_cnf.operations import Operation
from nas_cnf.pruning import NOTHING, shares_of


def heaviest_operations(
    alpha: Sequence[Sequence[float]], operations: Sequence[Operation]
) -> list[list[float]]:
    """Return an alpha with only the heaviest operation on each edge.

    As in DARTS that is never `zero`, which all cells of the fabric would share.
    """
    eligible = [place for place, name in enumerate(operations) if name != "zero"]
    return [_alone(row, eligible) for row in alpha]


def heaviest_sources(beta: Sequence[Sequence[float]], cells: Sequence[Sources]) -> list[list[float]]:
    """Return a beta with only the heaviest map for each cell.

    If that map stands for several sources, all of them stay.
    """
    chosen = []
    for row, sources in zip(beta, cells, strict=True):
        shares = shares_of(row, sources)
        heaviest = sources[shares.index(max(shares))]
        chosen.append([0.0 if source == heaviest else NOTHING for source in sources])
    return chosen


def _alone(row: Sequence[float], eligible: Sequence[int]) -> list[float]:
    """Return 0 for the greatest eligible entry, the first of equals, and `NOTHING` for all others."""
    chosen = max(eligible, key=lambda place: row[place])
    return [0.0 if place == chosen else NOTHING for place in range(len(row))]
