"""How undecided the cells of a relaxed space are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from posenas import Genotype, SearchSpace

from nas_autopose.choices import real_values


def cell_entropy(space: SearchSpace, genotype: Genotype) -> float:
    """Return the mean entropy of the softmax of the genotype's rows.

    It is 1 where all alternatives weigh alike, and 0 where one weighs all or where there is no choice.
    """
    found = [_entropy(row) for value in real_values(space, genotype).values() for row in _rows(value)]
    return sum(found) / len(found) if found else 0.0


def _rows(value: Any) -> Iterator[list[float]]:
    """Yield the rows of more than one entry, however deep they lie."""
    if not isinstance(value, list | tuple) or not value:
        return
    if isinstance(value[0], list | tuple):
        for each in value:
            yield from _rows(each)
    elif len(value) > 1:
        yield list(value)


def _entropy(row: list[float]) -> float:
    greatest = max(row)
    weights = [math.exp(value - greatest) for value in row]
    total = sum(weights)
    shares = [weight / total for weight in weights]
    return -sum(share * math.log(share) for share in shares if share) / math.log(len(row))
