"""Limits on costs, such as `gmacs<=0.3`, and genotypes that meet them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from posenas.errors import PosenasError, suggestion
from posenas.genotype import Genotype, genotype_id
from posenas.protocols import SearchSpace, WeightSharing

COST_UNITS = {
    "parameters": "",
    "parameters_with_statistics": "",
    "macs": "",
    "gmacs": "GMACs",
    "paper_gflops": "papers' GFLOPs",
}

CostOf = Callable[[Genotype], Mapping[str, float]]


@dataclass(frozen=True)
class Limit:
    """An upper bound of one cost."""

    cost: str
    most: float

    def __str__(self) -> str:
        return f"{self.cost}<={self.most:g}"


def parse_limit(text: str) -> Limit:
    match = re.fullmatch(r"\s*([a-z_]+)\s*<=\s*([0-9.eE+-]+)\s*", text)
    if match is None:
        raise PosenasError(f"limit {text!r}: write COST<=NUMBER, for example gmacs<=0.3")
    if match[1] not in COST_UNITS:
        raise PosenasError(f"limit {text!r}: unknown cost {match[1]!r}; {suggestion(match[1], COST_UNITS)}")
    try:
        return Limit(match[1], float(match[2]))
    except ValueError as error:
        raise PosenasError(f"limit {text!r}: {match[2]!r} is not a number") from error


def excess(costs: Mapping[str, float], limits: Sequence[Limit]) -> float:
    """How far over the limits: the greatest cost / limit, at most 1 where all are met."""
    return max(
        (costs[limit.cost] / limit.most if limit.most > 0 else float("inf") for limit in limits), default=0.0
    )


def draw_genotypes(
    space: SearchSpace,
    number: int,
    *,
    limits: Sequence[Limit],
    cost: CostOf,
    rng: Random,
    first: Sequence[Genotype] = (),
) -> list[Genotype]:
    """Up to `number` different genotypes within the limits: fewer only where the space seems to hold no more.

    Those of `first` that are within the limits begin. The others are drawn as the space samples; one over
    the limits is made cheaper by taking the cheapest known genotype's values, one random dimension after
    another. The number of tries is bounded.

    Raises:
        PosenasError: where none is within the limits; it names the cheapest found and its cost.
    """
    cheapest = _cheapest(space, limits=limits, cost=cost, rng=rng)
    begin = [genotype for genotype in first if excess(cost(genotype), limits) <= 1.0]
    drawn = {genotype_id(genotype): genotype for genotype in begin[:number]}
    for _ in range(4 * number + 16):
        if len(drawn) == number:
            break
        genotype = _cheapened(space.sample(rng), cheapest, limits=limits, cost=cost, rng=rng)
        drawn.setdefault(genotype_id(genotype), genotype)
    return list(drawn.values())


def _cheapest(space: SearchSpace, *, limits: Sequence[Limit], cost: CostOf, rng: Random) -> Genotype:
    """A genotype within the limits to fall back on: the smallest, or the cheapest of 32 draws."""
    genotypes = (
        [space.smallest()] if isinstance(space, WeightSharing) else [space.sample(rng) for _ in range(32)]
    )
    cheapest = min(genotypes, key=lambda genotype: excess(cost(genotype), limits))
    costs = cost(cheapest)
    if excess(costs, limits) > 1.0:
        broken = ", ".join(
            f"{limit.cost} = {costs[limit.cost]:.4g} (limit {limit.most:g})" for limit in limits
        )
        raise PosenasError(
            f"no genotype found within the limits; the cheapest is {genotype_id(cheapest)} with {broken}: "
            "raise the limit"
        )
    return cheapest


def _cheapened(
    genotype: Genotype, cheapest: Genotype, *, limits: Sequence[Limit], cost: CostOf, rng: Random
) -> Genotype:
    changed = dict(genotype)
    dimensions = sorted(name for name in changed if changed[name] != cheapest[name])
    rng.shuffle(dimensions)
    while limits and dimensions and excess(cost(changed), limits) > 1.0:
        name = dimensions.pop()
        changed[name] = cheapest[name]
    return changed
