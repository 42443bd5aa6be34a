"""Draws near a budget, on spaces whose costs are known."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from random import Random
from typing import Any

import pytest
from posenas.composing.conditional import likelihood, made_possible
from posenas.composing.goals.installed_costs import installed_costs
from posenas.composing.goals.limit_texts import parse_limit
from posenas.composing.goals.limits import draw_genotypes, guide_to_budget, near_budget, within
from posenas.composing.variation import breed
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Dimension, Genotype, Real, genotype_id, sample_uniform


@dataclass(frozen=True)
class Stages:
    """Four stages of depth x width x width, a group number that divides the width, and a real number."""

    def dimensions(self) -> Mapping[str, Dimension]:
        choices: dict[str, Dimension] = {"bias": Real((1,))}
        for stage in range(4):
            choices[f"depth{stage}"] = Choice((1, 2, 3))
            choices[f"width{stage}"] = Choice((8, 12, 16, 20, 24))
            choices[f"groups{stage}"] = Choice((8, 4, 3, 1))
        return choices

    def possible(self, genotype: Genotype) -> Mapping[str, tuple[int, ...]]:
        return {
            f"groups{stage}": tuple(
                groups for groups in (8, 4, 3, 1) if genotype[f"width{stage}"] % groups == 0
            )
            for stage in range(4)
        }

    def sample(self, rng: Random) -> Genotype:
        return made_possible(self, sample_uniform(self.dimensions(), rng), rng)

    def build(self, genotype: Genotype) -> Any:
        raise AssertionError(f"nothing is built of {genotype}")


SPACE = Stages()
COSTS = installed_costs()


def cost(genotype: Genotype, name: str) -> float:
    stages = range(4)
    widths = [genotype[f"width{stage}"] for stage in stages]
    if name == "parameters":
        return float(sum(widths) + genotype["bias"][0])
    return float(
        sum(genotype[f"depth{stage}"] * widths[stage] ** 2 / genotype[f"groups{stage}"] for stage in stages)
    )


def drawn(number: int, *texts: str, seed: int = 0) -> list[Genotype]:
    limits = [parse_limit(text, COSTS) for text in texts]
    rng = Random(seed)
    guide = guide_to_budget(SPACE, limits, cost, rng=rng)
    return draw_genotypes(SPACE, number, limits=limits, cost=cost, rng=rng, guide=guide)


def entropy(genotypes: list[Genotype], name: str) -> float:
    counts = Counter(genotype[name] for genotype in genotypes).values()
    return -sum(count / len(genotypes) * log2(count / len(genotypes)) for count in counts)


@pytest.mark.parametrize("most", [250, 1200, 3000])
def test_most_draws_use_most_of_the_limit(most: int) -> None:
    genotypes = drawn(40, f"macs<={most}")
    used = [cost(genotype, "macs") / most for genotype in genotypes]
    assert len({genotype_id(genotype) for genotype in genotypes}) == 40
    assert max(used) <= 1
    assert statistics.quantiles(used, n=10)[0] >= 0.85
    assert all(likelihood(SPACE, genotype) > 0 for genotype in genotypes)


def test_they_are_as_spread_as_draws_that_happen_to_be_there() -> None:
    limits = [parse_limit("macs<=1800", COSTS)]
    rng = Random(3)
    samples = (SPACE.sample(rng) for _ in range(8_000))
    patient = [genotype for genotype in samples if near_budget(genotype, limits, cost)][:200]
    assert len(patient) == 200
    near = drawn(200, "macs<=1800")
    for name in SPACE.dimensions():
        if name != "bias":
            assert entropy(near, name) > entropy(patient, name) - 0.2, name


def test_several_limits_and_lower_bounds_hold_together() -> None:
    texts = ("macs<=1500", "parameters<=64", "parameters>=56")
    genotypes = drawn(30, *texts)
    assert len(genotypes) == 30
    assert all(within(genotype, [parse_limit(text, COSTS) for text in texts], cost) for genotype in genotypes)
    used = [max(cost(genotype, "macs") / 1500, cost(genotype, "parameters") / 64) for genotype in genotypes]
    assert statistics.median(used) >= 0.85


def test_a_lower_bound_alone_is_met() -> None:
    genotypes = drawn(40, "macs>=3000")
    assert len(genotypes) == 40
    assert min(cost(genotype, "macs") for genotype in genotypes) >= 3000


def test_a_limit_above_the_space_draws_as_without_a_guide() -> None:
    limits = [parse_limit("macs<=1e6", COSTS)]
    assert guide_to_budget(SPACE, limits, cost, rng=Random(0)) is None
    assert guide_to_budget(SPACE, [], cost, rng=Random(0)) is None
    assert guide_to_budget(SPACE, [parse_limit("latency_ms<=1", COSTS)], cost, rng=Random(0)) is None


def test_bounds_that_contradict_each_other_are_one_line() -> None:
    with pytest.raises(PosenasError, match=r"no genotype found.*nearest is \w{10} with macs = .*macs>=900"):
        drawn(5, "macs<=800", "macs>=900")


def test_costs_are_asked_for_seldom() -> None:
    asked = Counter[str]()

    def counted(genotype: Genotype, name: str) -> float:
        asked[genotype_id(genotype)] += 1
        return cost(genotype, name)

    limits = [parse_limit("macs<=1200", COSTS)]
    rng = Random(0)
    guide = guide_to_budget(SPACE, limits, counted, rng=rng)
    draw_genotypes(SPACE, 40, limits=limits, cost=counted, rng=rng, guide=guide)
    assert len(asked) < 600  # about half of them to fit the guide


class Limited:
    """What `breed` asks of a problem."""

    space = SPACE

    def __init__(self, *texts: str) -> None:
        self._limits = [parse_limit(text, COSTS) for text in texts]

    def within_limits(self, genotype: Genotype) -> bool:
        return within(genotype, self._limits, cost)

    def near_budget(self, genotype: Genotype) -> bool:
        return near_budget(genotype, self._limits, cost)


@pytest.mark.parametrize("crossover", [0.0, 1.0])
def test_children_stay_near_the_budget(crossover: float) -> None:
    rng = Random(1)
    population = drawn(20, "macs<=1200")
    known = {genotype_id(genotype) for genotype in population}
    for _ in range(60):
        parents = rng.sample(population, 2)
        child = breed(
            Limited("macs<=1200"),  # type: ignore[arg-type]
            lambda parents=parents: parents,
            crossover=crossover,
            known=known,
            rng=rng,
        )
        assert child is not None
        known.add(genotype_id(child))
        population = [*population[1:], child]
    used = sorted(cost(genotype, "macs") / 1200 for genotype in population)
    assert used[-1] <= 1
    assert used[1] >= 0.85  # one in twenty may be a last resort
    assert all(likelihood(SPACE, genotype) > 0 for genotype in population)
