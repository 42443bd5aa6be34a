"""Whether the limits of a composition can be kept, and whether it needs some."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from posenas.composing.composition import Composition
from posenas.composing.goals.costs import BoundCost
from posenas.composing.goals.limits import check_reachable
from posenas.composing.options import option_values
from posenas.contract.components import WeightSharing
from posenas.contract.costs import Conditioned
from posenas.contract.genotype import Genotype
from posenas.contract.goals import Limit


def check_known_limits(composition: Composition) -> None:
    """Check that some network is within the limits on costs that are counted or looked up in a file.

    Raises:
        PosenasError: where none is; it names the cheapest found.
    """
    _check(composition, [limit for limit in composition.limits if not _is_measured(composition, limit)])


def check_measured_limits(composition: Composition) -> None:
    """Check that some network is within the limits on costs that are measured, before a new run.

    A run that has begun was checked, and another measurement might say otherwise.

    Raises:
        PosenasError: where none is; it names the cheapest found.
    """
    if any(_is_measured(composition, limit) for limit in composition.limits):
        _check(composition, composition.limits)


def without_limit(composition: Composition) -> str | None:
    """Return what a search finds that no limit and no objective keeps from the largest network.

    It is None where the space is not nested, or the strategy does not rank candidates.
    """
    space = composition.space
    bounded = composition.limits or any(objective.is_cost for objective in composition.objectives)
    ranks = "candidates" in option_values(composition.strategy)
    if bounded or not ranks or not isinstance(space, WeightSharing):
        return None
    ends = (space.smallest(), space.largest())
    smallest, largest = (composition.costs.counted(end)["gmacs"] for end in ends)
    return (
        f"without a limit or a cost to minimise, the largest networks mostly win: gmacs = {largest:.3g}, and "
        f'the smallest has {smallest:.3g}; --limit "gmacs<={(smallest + largest) / 2:.2g}" makes it choose'
    )


def _is_measured(composition: Composition, limit: Limit) -> bool:
    """Tell whether the limit's cost is dear and reads its figures from no file."""
    meter = composition.costs.of(limit.cost).meter
    return limit.dear and not (isinstance(meter, Conditioned) and meter.files())


def _check(composition: Composition, limits: Sequence[Limit]) -> None:
    def cost(genotype: Genotype, name: str) -> float:
        return composition.costs.judged(genotype, name, BoundCost.measure)

    check_reachable(composition.space, limits, cost, rng=Random(composition.recipe.seed))
