"""Random genotypes that cost as much as a given one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from posenas.composing.conditional import made_possible
from posenas.composing.goals.limits import CostOf
from posenas.contract.components import SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, genotype_id

_DRAWS = 8


def draw_equal_cost(
    space: SearchSpace,
    genotype: Genotype,
    number: int,
    *,
    name: str,
    tolerance: float,
    cost: CostOf,
    rng: Random,
) -> list[Genotype]:
    """Return different genotypes that cost as much as a given one, none of them the given one.

    Each is the first of some draws of the space that costs as much. Where none does, the last draw gets the
    given genotype's values in random dimensions until it does. That makes it more like the given one, and a
    comparison with it harder to win.

    Args:
        space: draws the genotypes.
        genotype: the given one.
        number: how many are wanted; fewer are returned only where no more were found.
        name: the cost that is equal.
        tolerance: how far the costs may lie apart, as a share of the given one's.
        cost: returns a genotype's cost by its name.
        rng: all draws come from it.

    Raises:
        PosenasError: where none was found.
    """
    wanted = cost(genotype, name)

    def equal(other: Genotype) -> bool:
        return abs(cost(other, name) - wanted) <= tolerance * wanted

    found: dict[str, Genotype] = {}
    for _ in range(4 * number + 16):
        if len(found) == number:
            break
        drawn = _draw(space, equal, rng)
        child = drawn if equal(drawn) else _made_equal(space, drawn, genotype, equal, rng)
        if genotype_id(child) != genotype_id(genotype):
            found.setdefault(genotype_id(child), child)
    if not found:
        raise PosenasError(
            f"no other genotype with {name} within {100 * tolerance:g}% of {wanted:.4g} was found; "
            "allow more with --tolerance"
        )
    return list(found.values())


def _draw(space: SearchSpace, equal: Callable[[Genotype], bool], rng: Random) -> Genotype:
    for _ in range(_DRAWS - 1):
        drawn = space.sample(rng)
        if equal(drawn):
            return drawn
    return space.sample(rng)


def _made_equal(
    space: SearchSpace,
    drawn: Genotype,
    genotype: Genotype,
    equal: Callable[[Genotype], bool],
    rng: Random,
) -> Genotype:
    changed = drawn
    names = sorted(name for name in changed if changed[name] != genotype[name])
    rng.shuffle(names)
    while names and not equal(changed):
        name = names.pop()
        changed = made_possible(space, {**changed, name: genotype[name]}, rng)
    return changed
