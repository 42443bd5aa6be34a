"""Methods that can be called as a protocol says, and those that cannot."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from posenas.composing.checks.signatures import misfit, near_misses
from posenas.composing.loading import load
from posenas.composing.plugins import find_plugins
from posenas.contract.components import Evolvable, FlipTest, HeadModule, ScaleTest, Timed, WeightSharing
from posenas.contract.kinds import PROTOCOLS
from torch import nn


class Asked(Protocol):
    def average(self, outputs: Any, mirrored: Any, *, weight: float) -> Any: ...


class Right:
    def average(
        self, outputs: Any, mirrored: Any, extra: int = 0, *, weight: float, more: int = 0
    ) -> Any: ...


class Static:
    @staticmethod
    def average(outputs: Any, mirrored: Any, *, weight: float) -> Any: ...


class Anything:
    def average(self, *arguments: Any, **options: Any) -> Any: ...


def _wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        return method(*arguments, **options)

    return call


class Decorated:
    @_wrapped
    def average(self, outputs: Any, mirrored: Any, *, weight: float) -> Any: ...


class TooFew:
    def average(self, outputs: Any, *, weight: float) -> Any: ...


class TooMany:
    def average(self, outputs: Any, mirrored: Any, third: Any, *, weight: float) -> Any: ...


class OtherName:
    def average(self, outputs: Any, flipped: Any, *, weight: float) -> Any: ...


class OtherKeyword:
    def average(self, outputs: Any, mirrored: Any, *, share: float) -> Any: ...


class ByNameAlone:
    def average(self, *, outputs: Any, mirrored: Any, weight: float) -> Any: ...


class NoMethod:
    average = 3


@pytest.mark.parametrize("kind", [Right, Static, Anything, Decorated])
def test_what_can_be_called_fits(kind: type[Any]) -> None:
    assert misfit(kind(), Asked) == ""


@pytest.mark.parametrize("kind", [TooFew, TooMany, OtherName, OtherKeyword, ByNameAlone, NoMethod])
def test_what_cannot_be_called_does_not_fit(kind: type[Any]) -> None:
    assert misfit(kind(), Asked).startswith("average")


def test_both_signatures_are_told() -> None:
    told = misfit(TooFew(), Asked)
    assert told == "average(outputs, *, weight) should be average(outputs, mirrored, *, weight)"


class Measured(nn.Module):
    def seconds(self) -> dict[str, float]:
        return {}


def test_a_property_is_no_method() -> None:
    assert misfit(Measured(), Timed) == "seconds is a method, expected a property"


class WithoutTargets(nn.Module):
    def forward(self, features: Any) -> Any: ...


class TargetsAlways(nn.Module):
    def forward(self, features: Any, targets: Any) -> Any: ...


@pytest.mark.parametrize("kind", [WithoutTargets, TargetsAlways])
def test_a_default_of_the_contract_is_needed_too(kind: type[Any]) -> None:
    told = misfit(kind(), HeadModule)
    assert told.startswith("forward(features")
    assert told.endswith(" should be forward(features, targets=None)")


class Misspelt(nn.Module):
    def averge_mirrored(self, outputs: Any, mirrored: Any) -> Any: ...

    def _average_mirrored(self) -> None: ...


def test_a_misspelt_capability_is_told() -> None:
    (told,) = near_misses(Misspelt(), [FlipTest, ScaleTest], without=nn.Module)
    assert "'averge_mirrored'" in told
    assert "'average_mirrored' of FlipTest" in told


@pytest.mark.parametrize("plugin", find_plugins(tuple(PROTOCOLS)), ids=str)
def test_our_own_components_fit_and_misspell_nothing(plugin: Any) -> None:
    component = load(plugin.kind, plugin.name)()
    assert misfit(component, PROTOCOLS[plugin.kind]) == ""
    assert list(near_misses(component, [WeightSharing, Evolvable])) == []
