from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import torch
from posenas.composing.goals.installed_costs import installed_costs
from posenas.composing.goals.limit_texts import parse_limit
from posenas.composing.goals.limits import draw_genotypes, excess, within
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Genotype, genotype_id, sample_uniform
from posenas.contract.goals import Limit
from posenas.contract.levels import Level
from torch import nn


class Nothing(nn.Module):
    levels = (Level("image", 1, 3),)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"image": images}


@dataclass(frozen=True)
class Widths:
    """Six widths; the cost is their sum."""

    def dimensions(self) -> Mapping[str, Choice]:
        return {f"width{index}": Choice(tuple(range(1, 11))) for index in range(6)}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype: Genotype) -> Any:  # noqa: ARG002
        return Nothing()


@dataclass(frozen=True)
class NestedWidths(Widths):
    def largest(self) -> Genotype:
        return dict.fromkeys(self.dimensions(), 10)

    def smallest(self) -> Genotype:
        return dict.fromkeys(self.dimensions(), 1)


COSTS = installed_costs()


def cost(genotype: Genotype, name: str) -> float:
    assert name == "macs"
    return float(sum(genotype.values()))


class CountedCosts:
    """Multiply-adds are the sum of the widths; the latency is the sum of the first three, and dear."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, genotype: Genotype, name: str) -> float:
        self.asked.append((name, genotype_id(genotype)))
        widths = list(genotype.values())
        return float(sum(widths) if name == "macs" else sum(widths[:3]))

    def timed(self) -> set[str]:
        return {genotype for name, genotype in self.asked if name == "latency_ms"}


def test_a_limit_is_read() -> None:
    assert parse_limit(" gmacs <= 0.3 ", COSTS) == Limit("gmacs", 0.3)
    assert parse_limit("parameters<=2e6", COSTS) == Limit("parameters", 2e6)
    assert parse_limit("gmacs >= 0.2", COSTS) == Limit("gmacs", least=0.2)
    texts = ["gmacs<=0.3", "gmacs>=0.2"]
    assert [str(parse_limit(text, COSTS)) for text in texts] == texts


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gmacs<0.3", "write COST<=NUMBER"),
        ("gmac<=1", "did you mean 'gmacs'"),
        ("gmacs<=1e", "not a number"),
        ("gmacs>=0", "above 0"),
    ],
)
def test_a_wrong_limit_is_one_line(text: str, says: str) -> None:
    with pytest.raises(PosenasError, match=says):
        parse_limit(text, COSTS)


def test_excess_is_the_worst_ratio() -> None:
    costs = {"macs": 6.0, "parameters": 2.0}
    limits = [Limit("macs", 3), Limit("parameters", 4)]
    assert excess({}, limits, lambda _genotype, name: costs[name]) == 2.0
    assert excess({}, [], lambda _genotype, name: costs[name]) == 0.0


LATENCY_FIRST = [Limit("latency_ms", 10, dear=True), Limit("macs", 30)]


def test_latency_is_asked_for_last_and_only_where_the_rest_is_within() -> None:
    costs = CountedCosts()
    genotype = NestedWidths().smallest()
    assert within(genotype, LATENCY_FIRST, costs)
    assert [name for name, _ in costs.asked] == ["macs", "latency_ms"]
    assert not within(NestedWidths().largest(), LATENCY_FIRST, costs)
    assert costs.timed() == {genotype_id(genotype)}


@pytest.mark.parametrize("space", [Widths(), NestedWidths()])
def test_no_network_over_a_cheap_limit_is_timed(space: Widths) -> None:
    costs = CountedCosts()
    drawn = draw_genotypes(space, 20, limits=LATENCY_FIRST, cost=costs, rng=Random(2))
    assert len(drawn) == 20
    assert all(sum(genotype.values()) <= 30 for genotype in drawn)
    assert all(sum(list(genotype.values())[:3]) <= 10 for genotype in drawn)
    cheap = CountedCosts()
    draw_genotypes(space, 20, limits=LATENCY_FIRST[1:], cost=cheap, rng=Random(2))
    assert not cheap.timed()
    # A candidate is bisected: its six widths need three questions at most after the first one.
    assert len(costs.timed()) <= 32 + 4 * 20 * 4


def test_the_smallest_network_need_not_be_the_fastest() -> None:
    """Narrow layers that are slow: the fallback is then looked for among others."""

    def slow_when_narrow(genotype: Genotype, name: str) -> float:
        widths = sum(genotype.values())
        return float(widths) if name == "macs" else 100.0 - widths

    limits = [Limit("latency_ms", 65, dear=True)]
    drawn = draw_genotypes(NestedWidths(), 5, limits=limits, cost=slow_when_narrow, rng=Random(0))
    assert len(drawn) == 5
    assert all(sum(genotype.values()) >= 35 for genotype in drawn)


def test_an_impossible_limit_on_latency_names_it() -> None:
    with pytest.raises(PosenasError, match=r"with latency_ms = 3 \(limit 1\), macs = 6 \(limit 30\)"):
        draw_genotypes(
            NestedWidths(),
            5,
            limits=[Limit("latency_ms", 1, dear=True), Limit("macs", 30)],
            cost=CountedCosts(),
            rng=Random(0),
        )


@pytest.mark.parametrize("space", [Widths(), NestedWidths()])
@pytest.mark.parametrize("most", [60, 30, 20])
def test_all_drawn_are_different_and_within_the_limit(space: Widths, most: int) -> None:
    drawn = draw_genotypes(space, 50, limits=[Limit("macs", most)], cost=cost, rng=Random(1))
    assert len({genotype_id(genotype) for genotype in drawn}) == len(drawn) == 50
    assert all(cost(genotype, "macs") <= most for genotype in drawn)


def test_the_first_ones_begin_where_they_are_within_the_limit() -> None:
    space = NestedWidths()
    ends = (space.largest(), space.smallest())
    assert draw_genotypes(space, 3, limits=[], cost=cost, rng=Random(0), first=ends)[:2] == list(ends)
    limited = draw_genotypes(space, 3, limits=[Limit("macs", 20)], cost=cost, rng=Random(0), first=ends)
    assert limited[0] == space.smallest()
    assert len(limited) == 3


def test_the_same_rng_draws_the_same() -> None:
    drawn = [draw_genotypes(Widths(), 5, limits=[], cost=cost, rng=Random(3)) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_a_limit_that_only_the_smallest_meets_gives_that_one() -> None:
    drawn = draw_genotypes(NestedWidths(), 5, limits=[Limit("macs", 6)], cost=cost, rng=Random(0))
    assert drawn == [NestedWidths().smallest()]


@pytest.mark.parametrize("space", [Widths(), NestedWidths()])
def test_a_limit_that_none_meets_names_the_cheapest_and_its_cost(space: Widths) -> None:
    with pytest.raises(PosenasError, match=r"the cheapest is \w{10} with macs = \d+ \(limit 5\)"):
        draw_genotypes(space, 5, limits=[Limit("macs", 5)], cost=cost, rng=Random(0))
