"""Limits on costs, such as `gmacs<=0.3`, and genotypes that meet them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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
    "thesis_gflops": "the thesis's GFLOPs",
    "latency_ms": "ms",
}

DEAR_COSTS = ("latency_ms",)
"""Measured or summed up for each genotype: asked for only where the counted costs are within their limits."""

CostOf = Callable[[Genotype, str], float]
"""A genotype's cost by its name; nothing is computed that is not asked for."""


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


def excess(genotype: Genotype, limits: Sequence[Limit], cost: CostOf) -> float:
    """How far over the limits: the greatest cost / limit, at most 1 where all are met."""
    return max(
        (cost(genotype, limit.cost) / limit.most if limit.most > 0 else float("inf") for limit in limits),
        default=0.0,
    )


def within(genotype: Genotype, limits: Sequence[Limit], cost: CostOf) -> bool:
    """Whether all limits are met. Dear costs are judged last, and nothing after the first limit broken."""
    cheap_first = sorted(limits, key=lambda limit: limit.cost in DEAR_COSTS)
    return all(excess(genotype, [limit], cost) <= 1.0 for limit in cheap_first)


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
    begin = [genotype for genotype in first if within(genotype, limits, cost)]
    drawn = {genotype_id(genotype): genotype for genotype in begin[:number]}
    for _ in range(4 * number + 16):
        if len(drawn) == number:
            break
        genotype = _cheapened(space.sample(rng), cheapest, limits=limits, cost=cost, rng=rng)
        drawn.setdefault(genotype_id(genotype), genotype)
    return list(drawn.values())


def _cheapest(space: SearchSpace, *, limits: Sequence[Limit], cost: CostOf, rng: Random) -> Genotype:
    """A genotype within the limits to fall back on: the smallest, or the cheapest of 32 draws."""
    if isinstance(space, WeightSharing):
        smallest = space.smallest()
        # The fewest multiply-adds need not take the least time.
        if within(smallest, limits, cost) or not any(limit.cost in DEAR_COSTS for limit in limits):
            return _checked(smallest, limits, cost)
        return _checked(_least([smallest, *_draws(space, rng)], limits, cost), limits, cost)
    return _checked(_least(_draws(space, rng), limits, cost), limits, cost)


def _draws(space: SearchSpace, rng: Random) -> list[Genotype]:
    genotypes = [space.sample(rng) for _ in range(32)]
    return list({genotype_id(genotype): genotype for genotype in genotypes}.values())


def _least(genotypes: Sequence[Genotype], limits: Sequence[Limit], cost: CostOf) -> Genotype:
    """The one that exceeds the limits least; dear costs are asked for where the others are met."""
    cheap = [limit for limit in limits if limit.cost not in DEAR_COSTS]
    met = [genotype for genotype in genotypes if excess(genotype, cheap, cost) <= 1.0]
    if not met:
        return min(genotypes, key=lambda genotype: excess(genotype, cheap, cost))
    return min(met, key=lambda genotype: excess(genotype, limits, cost))


def _checked(cheapest: Genotype, limits: Sequence[Limit], cost: CostOf) -> Genotype:
    """The same; PosenasError where it breaks a limit."""
    if not within(cheapest, limits, cost):
        broken = ", ".join(
            f"{limit.cost} = {cost(cheapest, limit.cost):.4g} (limit {limit.most:g})" for limit in limits
        )
        raise PosenasError(
            f"no genotype found within the limits; the cheapest is {genotype_id(cheapest)} with {broken}: "
            "raise the limit"
        )
    return cheapest


def _cheapened(
    genotype: Genotype, cheapest: Genotype, *, limits: Sequence[Limit], cost: CostOf, rng: Random
) -> Genotype:
    """With the cheapest one's values in so many dimensions that the limits are met."""
    changed = dict(genotype)
    dimensions = sorted(name for name in changed if changed[name] != cheapest[name])
    rng.shuffle(dimensions)
    cheap = [limit for limit in limits if limit.cost not in DEAR_COSTS]
    while dimensions and not within(changed, cheap, cost):
        name = dimensions.pop()
        changed[name] = cheapest[name]
    return _bisected(changed, cheapest, dimensions, limits=limits, cost=cost)


def _bisected(
    genotype: Genotype,
    cheapest: Genotype,
    dimensions: Sequence[str],
    *,
    limits: Sequence[Limit],
    cost: CostOf,
) -> Genotype:
    """The cheapest one's values in a leading part of the dimensions, found with few questions: a part with
    which the limits are met, and without whose last dimension they are not."""

    def changed(number: int) -> Genotype:
        return {**genotype, **{name: cheapest[name] for name in dimensions[:number]}}

    if within(genotype, limits, cost):
        return genotype
    broken, met = 0, len(dimensions)
    while met - broken > 1:
        middle = (broken + met) // 2
        if within(changed(middle), limits, cost):
            met = middle
        else:
            broken = middle
    return changed(met)
