"""Limits on costs, such as `gmacs<=0.3` and `gmacs>=0.2`, and genotypes that meet them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random

from posenas.composing.conditional import made_possible
from posenas.composing.goals.budget import SHARE, Budget, Guide, make_guide
from posenas.contract.components import SearchSpace, WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, genotype_id, sample_uniform
from posenas.contract.goals import Limit

_MOST_MISSES = 32
"""Walks without a new genotype near the budget, one after another, before draws go on as without a budget."""

_TRIES_OF_GUIDE = 8
_MOST_APPROACHES = 512

CostOf = Callable[[Genotype, str], float]
"""A genotype's cost by its name; nothing is computed that is not asked for."""


def excess(genotype: Genotype, limits: Sequence[Limit], cost: CostOf) -> float:
    """Return how far a genotype is outside the limits: the greatest ratio of a cost to its bound.

    It is at most 1 where all limits are met. For a lower bound it is the bound over the cost.

    Args:
        genotype: of a space.
        limits: to be judged by.
        cost: gives single costs.
    """
    costs = {name: cost(genotype, name) for name in dict.fromkeys(limit.cost for limit in limits)}
    return max((_excess(costs[limit.cost], limit) for limit in limits), default=0.0)


def _excess(cost: float, limit: Limit) -> float:
    over = cost / limit.most if limit.most > 0 else math.inf
    under = limit.least / cost if cost > 0 else (math.inf if limit.least > 0 else 0.0)
    return max(over, under)


def within(genotype: Genotype, limits: Sequence[Limit], cost: CostOf) -> bool:
    """Tell whether all limits are met. Dear costs are judged last, and nothing after the first limit broken.

    Args:
        genotype: of a space.
        limits: to be judged by.
        cost: gives single costs.
    """
    cheap_first = sorted(limits, key=lambda limit: limit.dear)
    return all(excess(genotype, [limit], cost) <= 1.0 for limit in cheap_first)


def draw_genotypes(
    space: SearchSpace,
    number: int,
    *,
    limits: Sequence[Limit],
    cost: CostOf,
    rng: Random,
    first: Sequence[Genotype] = (),
    guide: Guide | None = None,
    sample: Callable[[Random], Genotype] | None = None,
) -> list[Genotype]:
    """Return different genotypes within the limits: fewer than asked for only where no more seem to exist.

    Those of `first` that are within the limits begin. With a guide, the others are drawn near the budget as
    long as there are new ones. Else they are drawn as the space samples; one outside the limits takes the
    values of a genotype within, one random dimension after another. The number of tries is bounded.

    Args:
        space: draws the genotypes.
        number: how many to return.
        limits: to be met.
        cost: gives single costs.
        rng: decides the draws.
        first: genotypes to begin with.
        guide: leads to genotypes near the budget.
        sample: draws genotypes in place of the space's own method.

    Raises:
        PosenasError: where none is within the limits; it names the nearest found and its cost.
    """
    fallback = check_reachable(space, limits, cost, rng=rng)
    begin = [genotype for genotype in first if within(genotype, limits, cost)]
    drawn = {genotype_id(genotype): genotype for genotype in begin[:number]}
    if guide is not None:
        drawn = _near_budget(guide, drawn, number, limits=limits, cost=cost, rng=rng)
    for _ in range(4 * number + 16):
        if len(drawn) >= number:
            break
        genotype = made_possible(space, (sample or space.sample)(rng), rng)
        genotype = _cheapened(space, genotype, fallback, limits=limits, cost=cost, rng=rng)
        drawn.setdefault(genotype_id(genotype), genotype)
    return list(drawn.values())


def _near_budget(
    guide: Guide,
    drawn: Mapping[str, Genotype],
    number: int,
    *,
    limits: Sequence[Limit],
    cost: CostOf,
    rng: Random,
) -> dict[str, Genotype]:
    """Return the drawn ones with as many more as are found; some walks in a row without a new one end it."""
    found, misses = dict(drawn), 0
    dear = [limit for limit in limits if limit.dear]
    while len(found) < number and misses < _MOST_MISSES:
        genotype = guide.draw(rng)
        misses += 1
        if genotype is None or genotype_id(genotype) in found or not near_budget(genotype, limits, cost):
            continue
        if within(genotype, dear, cost):
            found[genotype_id(genotype)], misses = genotype, 0
    return found


def near_budget(genotype: Genotype, limits: Sequence[Limit], cost: CostOf) -> bool:
    """Tell whether a genotype is within the limits on cheap costs, and uses most of the tightest.

    Args:
        genotype: of a space.
        limits: those on dear costs do not count.
        cost: gives single costs.
    """
    budget = counted_budget(limits)
    return budget.miss({name: cost(genotype, name) for name in budget.names}) == 0


def counted_budget(limits: Sequence[Limit]) -> Budget:
    """Return the bounds of all costs that are not dear."""
    cheap = [limit for limit in limits if not limit.dear]
    names = dict.fromkeys(limit.cost for limit in cheap)
    most = {name: min(limit.most for limit in cheap if limit.cost == name) for name in names}
    least = {name: max(limit.least for limit in cheap if limit.cost == name) for name in names}
    return Budget(
        least={name: bound for name, bound in least.items() if bound > 0},
        most={name: bound for name, bound in most.items() if bound < math.inf},
    )


def guide_to_budget(
    space: SearchSpace, limits: Sequence[Limit], cost: CostOf, *, rng: Random
) -> Guide | None:
    """Return a guide to the genotypes near the limits on cheap costs.

    It is None where no cheap cost is limited, or where the space does not reach the limits: its largest
    network, or, of a space without one, all that the guide leads to, use too little of the tightest.

    Args:
        space: has the genotypes.
        limits: those on dear costs do not count.
        cost: gives single costs.
        rng: decides which genotypes are asked about.
    """
    budget = counted_budget(limits)

    def costs(genotype: Genotype) -> Mapping[str, float]:
        return {name: cost(genotype, name) for name in budget.names}

    if not budget.names:
        return None
    ends: list[Genotype] = []
    if isinstance(space, WeightSharing):
        ends = [space.largest(), space.smallest()]
        if budget.most and max(costs(ends[0])[name] / most for name, most in budget.most.items()) < SHARE:
            return None
    guide = make_guide(space, budget, costs, ends=ends, rng=rng)
    draws = (guide.draw(rng) for _ in range(_TRIES_OF_GUIDE))
    met = any(genotype is not None and budget.miss(costs(genotype)) == 0 for genotype in draws)
    return guide if met else None


def check_reachable(space: SearchSpace, limits: Sequence[Limit], cost: CostOf, *, rng: Random) -> Genotype:
    """Return a genotype within the limits to fall back on.

    It is the smallest, else the nearest of 32 draws, else of those that changes of one dimension lead to.

    Args:
        space: has the genotypes.
        limits: to be met.
        cost: gives single costs.
        rng: decides the draws.

    Raises:
        PosenasError: where none is found; it names the nearest.
    """
    dear = any(limit.dear for limit in limits)
    bounded_below = any(limit.least > 0 for limit in limits)
    ends: list[Genotype] = []
    if isinstance(space, WeightSharing):
        ends = [space.smallest(), space.largest()] if bounded_below else [space.smallest()]
        # The fewest multiply-adds need not take the least time.
        if within(ends[0], limits, cost) or not (dear or bounded_below):
            return _checked(ends[0], limits, cost)
    nearest = _least([*ends, *_draws(space, rng)], limits, cost)
    if bounded_below and not within(nearest, limits, cost):
        nearest = _approached(space, nearest, limits, cost, rng=rng)
    return _checked(nearest, limits, cost)


def _approached(
    space: SearchSpace, genotype: Genotype, limits: Sequence[Limit], cost: CostOf, *, rng: Random
) -> Genotype:
    """Return a genotype nearer to the limits on cheap costs: single dimensions are drawn anew, some times."""
    dimensions = space.dimensions()
    cheap = [limit for limit in limits if not limit.dear]
    over = excess(genotype, cheap, cost)
    for _ in range(_MOST_APPROACHES):
        if over <= 1.0:
            break
        name = rng.choice(list(dimensions))
        drawn = sample_uniform({name: dimensions[name]}, rng)
        changed = made_possible(space, {**genotype, **drawn}, rng)
        changed_over = excess(changed, cheap, cost)
        if changed_over <= over:
            genotype, over = changed, changed_over
    return genotype


def _draws(space: SearchSpace, rng: Random) -> list[Genotype]:
    genotypes = [space.sample(rng) for _ in range(32)]
    return list({genotype_id(genotype): genotype for genotype in genotypes}.values())


def _least(genotypes: Sequence[Genotype], limits: Sequence[Limit], cost: CostOf) -> Genotype:
    """Return the one that exceeds the limits least; dear costs are asked for where the others are met."""
    cheap = [limit for limit in limits if not limit.dear]
    met = [genotype for genotype in genotypes if excess(genotype, cheap, cost) <= 1.0]
    if not met:
        return min(genotypes, key=lambda genotype: excess(genotype, cheap, cost))
    return min(met, key=lambda genotype: excess(genotype, limits, cost))


def _checked(nearest: Genotype, limits: Sequence[Limit], cost: CostOf) -> Genotype:
    """Return the nearest genotype. Raise PosenasError where it breaks a limit."""
    if within(nearest, limits, cost):
        return nearest
    which, advice = "cheapest", "raise the limit"
    if any(limit.least > 0 for limit in limits):
        which, advice = "nearest", "move the limits apart, or to what the space has"
    broken = ", ".join(
        f"{limit.cost} = {cost(nearest, limit.cost):.4g} ({_bound(limit)})" for limit in limits
    )
    raise PosenasError(
        f"no genotype found within the limits; the {which} is {genotype_id(nearest)} with {broken}: {advice}"
    )


def _bound(limit: Limit) -> str:
    return f"limit {limit.most:g}" if limit.least == 0 else f"limit {limit}"


def _cheapened(
    space: SearchSpace,
    genotype: Genotype,
    fallback: Genotype,
    *,
    limits: Sequence[Limit],
    cost: CostOf,
    rng: Random,
) -> Genotype:
    """Return a genotype with a fallback's values in enough dimensions to be within the limits."""
    dimensions = sorted(name for name in genotype if genotype[name] != fallback[name])
    rng.shuffle(dimensions)
    cheap = [limit for limit in limits if not limit.dear]
    while dimensions and not within(genotype, cheap, cost):
        genotype = made_possible(space, {**genotype, (name := dimensions.pop()): fallback[name]}, rng)
    met = made_possible(space, _bisected(genotype, fallback, dimensions, limits=limits, cost=cost), rng)
    return met if within(met, limits, cost) else fallback


def _bisected(
    genotype: Genotype,
    cheapest: Genotype,
    dimensions: Sequence[str],
    *,
    limits: Sequence[Limit],
    cost: CostOf,
) -> Genotype:
    """Return a genotype with the cheapest one's values in a leading part of the dimensions.

    With the part the limits are met, and without its last dimension they are not. Few questions find it.
    """

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
