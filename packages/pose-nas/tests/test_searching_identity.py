"""What a step is known by: its fields, in every process alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.searching.identity import identity
from posenas.standard.fixed.space import FixedSpace


class Mode(Enum):
    TRUTH = 1


@dataclass(frozen=True)
class Step:
    space: object = FixedSpace()
    rate: float = 0.5
    closed: tuple[Any, ...] = ("width", Mode.TRUTH, None)


@dataclass
class Loose:
    rate: float = 0.5


@dataclass(frozen=True)
class Hidden:
    rate: float = field(default=0.5, repr=False)


@dataclass(frozen=True)
class Short:
    rate: float = 0.5

    def __repr__(self) -> str:
        return "Short()"


class Plain:
    def __call__(self) -> None: ...


def test_a_frozen_step_is_known_by_its_fields() -> None:
    assert identity(Step(), role="step") == repr(Step())
    assert identity(Step(rate=0.25), role="step") != identity(Step(), role="step")
    assert identity(Step(closed=({"a": [1]},)), role="step") == repr(Step(closed=({"a": [1]},)))


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (Plain(), "test_searching_identity.Plain is no frozen dataclass"),
        (Plain, "Plain is no frozen dataclass"),
        (Step, "Step is no frozen dataclass"),
        (Loose(), "Loose is no frozen dataclass"),
        (Hidden(), "repr() is not made of all its fields"),
        (Short(), "repr() is not made of all its fields"),
        (Step(Plain()), "has Step.space of type Plain, which is not spelt out"),
        (Step(Loose()), "has Step.space of type Loose"),
        (Step(Short()), "has Step.space whose repr()"),
        (Step(closed=(1, lambda: 0)), "has Step.closed[1] of type function"),
        (Step(closed=({"a": torch.zeros(2000)},)), "has Step.closed[0]['a'] of type Tensor"),
        (Step(closed=(frozenset("ab"),)), "has Step.closed[0] of type frozenset"),
    ],
)
def test_a_step_that_is_not_spelt_out_is_refused(step: Callable[..., Any], says: str) -> None:
    with pytest.raises(PosenasError) as told:
        identity(step, role="step")
    assert says in str(told.value)
    assert "make it a frozen dataclass" in str(told.value)
