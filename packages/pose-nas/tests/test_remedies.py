from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge
from posenas.composing.checks.remedies import Parts, first_remedy
from posenas.composing.options import alternatives, changed
from posenas.contract.errors import PosenasError


@dataclass(frozen=True)
class Options:
    """Options of every type that has few values, and others that have many."""

    teacher: Annotated[Literal["both", "largest", "none"], "whom networks learn from"] = "both"
    points: Literal[17, 133] = 17
    tied: bool = False
    stages: Annotated[tuple[Annotated[int, Ge(0)], ...], "levels to read"] = (0, 1)
    size: tuple[int, int] = (64, 48)
    width: Annotated[int, Ge(1)] = 4
    name: str = "options"

    def __post_init__(self) -> None:
        if self.tied and self.points == 17:
            raise ValueError("tied is for 133 points")

    def sample(self, rng: Random) -> dict[str, Any]:
        return {"depth": rng.choice((1, 2)), "kernels": [3, 3]}

    def dimensions(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class WithGenotype:
    genotype: Annotated[dict[str, Any], "one value for each dimension"]


def test_alternatives_are_of_options_with_few_values() -> None:
    assert list(alternatives(Options())) == [
        ("teacher", "largest"), ("teacher", "none"), ("points", 133), ("tied", True), ("stages", [0]),
        ("stages", [1]),
    ]  # fmt: skip
    assert list(alternatives(Options(stages=(2,), points=133)))[2:] == [("points", 17), ("tied", True)]


def test_one_option_changes_and_the_others_stay() -> None:
    options = Options(width=7)
    assert changed(options, "stages", [1]) == replace(options, stages=(1,))
    with pytest.raises(PosenasError, match="tied is for 133 points"):
        changed(options, "tied", True)


def parts() -> Parts:
    return Parts(space=Options(), levels=(), head=Options(), strategy=WithGenotype({}))  # type: ignore[arg-type]


def test_the_first_change_that_works_is_the_remedy() -> None:
    def works(tried: Parts) -> bool:
        assert tried.space == Options()
        if tried.head.teacher == "largest":  # type: ignore[attr-defined]
            raise ZeroDivisionError  # a plugin's bug with that option is no remedy
        return 1 not in tried.head.stages  # type: ignore[attr-defined]

    found = first_remedy(parts(), ("head",), works)
    assert found is not None
    assert (str(found), found.assignment) == ("head.stages=0", "head.stages=0")
    assert replace(parts(), **found.made).head == Options(stages=(0,))
    assert first_remedy(parts(), ("head",), lambda _: False) is None


def test_a_strategy_is_tried_with_a_genotype_of_the_space() -> None:
    found = first_remedy(parts(), ("strategy",), lambda tried: bool(tried.strategy.genotype))  # type: ignore[union-attr]
    assert found is not None
    assert str(found) == "strategy.genotype=GENOTYPE"
    depth = Options().sample(Random(0))["depth"]
    assert found.assignment == f'strategy.genotype={{"depth" = {depth}, "kernels" = [3, 3]}}'
