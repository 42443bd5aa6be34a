"""Checks of spaces that say how genotypes change, and which values go together."""

from __future__ import annotations

from random import Random

from posenas.contract.components import Conditional, Derivable, Evolvable, SearchSpace
from posenas.contract.genotype import Choice, canonical_json, check_genotype, genotype_id
from posenas.kit.check import Check, require
from posenas.kit.networks_of_spaces import samples

_MUTATIONS = 32


def mutations_stay_inside(space: SearchSpace) -> None:
    """Check that the ancestor and its mutations lie inside the dimensions, and that some differ."""
    assert isinstance(space, Evolvable)
    genotype, rng = space.ancestor(), Random(0)
    seen = {genotype_id(genotype)}
    for _ in range(_MUTATIONS):
        check_genotype(genotype, space.dimensions())
        before = canonical_json(dict(genotype))
        mutated = space.mutate(genotype, rng)
        require(canonical_json(dict(genotype)) == before, "mutate changes the genotype that it is given")
        genotype = mutated
        seen.add(genotype_id(genotype))
    require(len(seen) > 1, f"{_MUTATIONS} mutations in a row change nothing")


def mutations_depend_on_the_rng_alone(space: SearchSpace) -> None:
    """Check that the same rng mutates a genotype in the same way."""
    assert isinstance(space, Evolvable)
    lines = []
    for _ in range(2):
        rng, genotype = Random(0), space.ancestor()
        for _ in range(_MUTATIONS):
            genotype = space.mutate(genotype, rng)
        lines.append(genotype_id(genotype))
    require(lines[0] == lines[1], "mutate gives different genotypes with two generators of the same seed")


def possible_values_are_of_dimensions(space: SearchSpace) -> None:
    """Check that each dimension that depends on others has possible values, all of them its own."""
    assert isinstance(space, Conditional)
    dimensions = space.dimensions()
    for genotype in samples(space):
        for name, values in space.possible(genotype).items():
            dimension = dimensions.get(name)
            require(
                isinstance(dimension, Choice), f"possible names {name!r}, which is no choice of the space"
            )
            assert isinstance(dimension, Choice)
            require(len(values) > 0, f"possible leaves no value for {name!r}")
            wrong = [value for value in values if value not in dimension.values]
            require(not wrong, f"possible offers {name} = {wrong[:1]}, which is none of its values")


def derived_genotypes_settle(space: SearchSpace) -> None:
    """Check that a derived genotype is one of the space, and is derived from itself."""
    assert isinstance(space, Derivable)
    for genotype in samples(space):
        derived = space.derived(genotype)
        check_genotype(derived, space.dimensions())
        again = genotype_id(space.derived(derived))
        require(again == genotype_id(derived), "derived gives another genotype for one that it gave")


VARIATION_CHECKS = (
    Check(mutations_stay_inside, "let mutate return a new genotype of values of the dimensions", Evolvable),
    Check(mutations_depend_on_the_rng_alone, "draw everything from the rng that mutate is given", Evolvable),
    Check(
        possible_values_are_of_dimensions,
        "let possible return at least one of the dimension's own values",
        Conditional,
    ),
    Check(
        derived_genotypes_settle,
        "let derived return the genotype that it is given where it is final",
        Derivable,
    ),
)
