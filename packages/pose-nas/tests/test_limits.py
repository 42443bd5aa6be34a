from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import torch
from posenas.errors import PosenasError
from posenas.genotype import Choice, Genotype, genotype_id, sample_uniform
from posenas.levels import Level
from posenas.limits import Limit, draw_genotypes, excess, parse_limit
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


def cost(genotype: Genotype) -> Mapping[str, float]:
    return {"macs": float(sum(genotype.values()))}


def test_a_limit_is_read() -> None:
    assert parse_limit(" gmacs <= 0.3 ") == Limit("gmacs", 0.3)
    assert parse_limit("parameters<=2e6") == Limit("parameters", 2e6)


@pytest.mark.parametrize(
    ("text", "says"),
    [("gmacs<0.3", "write COST<=NUMBER"), ("gmac<=1", "did you mean 'gmacs'"), ("gmacs<=1e", "not a number")],
)
def test_a_wrong_limit_is_one_line(text: str, says: str) -> None:
    with pytest.raises(PosenasError, match=says):
        parse_limit(text)


def test_excess_is_the_worst_ratio() -> None:
    assert excess({"macs": 6, "parameters": 2}, [Limit("macs", 3), Limit("parameters", 4)]) == 2.0
    assert excess({"macs": 6}, []) == 0.0


@pytest.mark.parametrize("space", [Widths(), NestedWidths()])
@pytest.mark.parametrize("most", [60, 30, 20])
def test_all_drawn_are_different_and_within_the_limit(space: Widths, most: int) -> None:
    drawn = draw_genotypes(space, 50, limits=[Limit("macs", most)], cost=cost, rng=Random(1))
    assert len({genotype_id(genotype) for genotype in drawn}) == len(drawn) == 50
    assert all(cost(genotype)["macs"] <= most for genotype in drawn)


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
