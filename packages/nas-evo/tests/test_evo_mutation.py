"""Algorithm 1: thousands of mutations against the space's limits, stated here once more."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from nas_evo.space import EvoSpace
from nas_evo.zoo import EVOPOSE2D_S
from posenas import Genotype, PosenasError, check_genotype

SPACE = EvoSpace(width=1.0)
ANCESTOR = SPACE.ancestor()
PARENTS = {"ancestor": ANCESTOR, "evopose2d-s": EVOPOSE2D_S.genotype}
MOST_CHANNELS = (16, 24, 40, 80, 112, 192, 320)
MUTATIONS = 8_000


def gene(number: int) -> tuple[str, str]:
    """The gene's module and name: four to a module."""
    return f"module{number // 4 + 1}", ("blocks", "kernel", "channels", "stride")[number % 4]


def legal_children(parent: Genotype, module: str, name: str) -> set[int]:
    """The values that one mutation may give to a gene, other than its own."""
    value = parent[f"{module}.{name}"]
    values: set[int] = set()
    match name:
        case "blocks":
            values = {value - 1, value + 1} & {1, 2, 3, 4}
        case "kernel":
            values = {3, 5}
        case "channels":
            values = set(range(8, MOST_CHANNELS[int(module[-1]) - 1] + 1, 8))
        case "stride" if module in ("module5", "module6", "module7"):
            total = sum(parent[f"module{number}.stride"] - 1 for number in range(1, 8))
            values = {1} if total == 4 else {2}
    return values - {value}


def halvings(genotype: Genotype) -> int:
    return sum(genotype[f"module{number}.stride"] - 1 for number in range(1, 8))


def test_genes_are_in_the_thesiss_order() -> None:
    assert list(SPACE.dimensions()) == [".".join(gene(number)) for number in range(28)]
    assert list(ANCESTOR) == list(SPACE.dimensions())
    assert tuple(ANCESTOR[f"module{number}.channels"] for number in range(1, 8)) == MOST_CHANNELS


@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
def test_exactly_one_gene_differs_every_legal_value_occurs_and_nothing_else(parent: Genotype) -> None:
    rng = Random(11)
    before = dict(parent)
    seen: dict[str, set[int]] = {}
    for _ in range(MUTATIONS):
        child = SPACE.mutate(parent, rng)
        check_genotype(child, SPACE.dimensions())
        assert halvings(child) <= 4
        ((name, value),) = [pair for pair in child.items() if parent[pair[0]] != pair[1]]
        seen.setdefault(name, set()).add(value)
    expected = {".".join(gene(number)): legal_children(parent, *gene(number)) for number in range(28)}
    assert seen == {name: values for name, values in expected.items() if values}
    assert parent == before


def test_the_ancestors_one_stride_mutation_is_module_6s() -> None:
    rng = Random(1)
    children = [SPACE.mutate(ANCESTOR, rng) for _ in range(1_000)]
    changed = Counter(
        name
        for child in children
        for name in child
        if name.endswith("stride") and child[name] != ANCESTOR[name]
    )
    assert set(changed) == {"module6.stride"}


def test_genes_are_redrawn_equally_often() -> None:
    """Of a gene that always changes every redraw is kept, of a kernel every other one."""
    rng = Random(2)
    changed: Counter[str] = Counter()
    for _ in range(MUTATIONS):
        child = SPACE.mutate(ANCESTOR, rng)
        changed.update(name for name in child if child[name] != ANCESTOR[name])
    blocks, kernels = (
        sum(count for name, count in changed.items() if name.endswith(kind)) for kind in ("blocks", "kernel")
    )
    # Kept of 28 redraws: 7 of blocks, 7 / 2 of kernels, of channels all but one in each number, one stride.
    kept = 7 + 3.5 + sum(1 - 8 / most for most in MOST_CHANNELS) + 1
    assert blocks / MUTATIONS == pytest.approx(7 / kept, abs=0.025)
    assert kernels / MUTATIONS == pytest.approx(3.5 / kept, abs=0.025)


def test_a_walk_of_mutations_stays_legal_and_reaches_every_stride() -> None:
    rng, genotype, strides = Random(3), ANCESTOR, set()
    for _ in range(4_000):
        genotype = SPACE.mutate(genotype, rng)
        assert halvings(genotype) <= 4
        strides.add(tuple(genotype[f"module{number}.stride"] for number in (5, 6, 7)))
    check_genotype(genotype, SPACE.dimensions())
    assert strides == {(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)}


def test_too_many_halvings_can_only_become_fewer() -> None:
    rng = Random(4)
    parent = {**ANCESTOR, "module5.stride": 2, "module7.stride": 2}
    strides = [halvings(SPACE.mutate(parent, rng)) for _ in range(500)]
    assert set(strides) == {5, 6}


def test_the_same_generator_gives_the_same_child() -> None:
    first, second = ([SPACE.mutate(ANCESTOR, rng) for _ in range(5)] for rng in (Random(5), Random(5)))
    assert first == second
    assert first[0] != first[1]


def test_a_genotype_of_another_space_is_refused() -> None:
    with pytest.raises(PosenasError, match=r"module3\.channels = 48"):
        SPACE.mutate({**ANCESTOR, "module3.channels": 48}, Random(0))
