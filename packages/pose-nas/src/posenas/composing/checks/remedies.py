"""The option that would make components fit together: found by trying, so it is never a mere promise."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Any, cast

from posenas.composing.building import levels_of
from posenas.composing.checks.conformity import blamed
from posenas.composing.joined import join
from posenas.composing.options import alternatives, changed, make_component, option_values
from posenas.composing.plugins import Owner
from posenas.contract.components import Head, SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.levels import Level
from posenas.contract.problem import Strategy

GENOTYPE = "genotype"
"""An option of strategies that is tried with a genotype of the space."""


@dataclass(frozen=True)
class Parts:
    """Components that are to work together.

    Attributes:
        space: as its plugin made it, without a head's dimensions.
        levels: those of one of its networks.
    """

    space: SearchSpace
    levels: Sequence[Level]
    head: Head
    strategy: Strategy | None = None


@dataclass(frozen=True)
class Change:
    """Another value of one option of a component.

    Attributes:
        kind: the component's, such as `head`.
        name: the option's.
        value: plain data.
        made: what differs in `Parts`, by name: the component, and of a space the levels.
    """

    kind: str
    name: str
    value: Any
    made: dict[str, Any]

    def __str__(self) -> str:
        """Return the option as it is written after `-o`; a genotype only by that word."""
        value = self.name.upper() if isinstance(self.value, dict) else self._written()
        return f"{self.kind}.{self.name}={value}"

    @property
    def assignment(self) -> str:
        """The option as it is written after `-o`, in full."""
        return f"{self.kind}.{self.name}={self._written()}"

    def _written(self) -> str:
        if isinstance(self.value, dict):
            fields = (f"{json.dumps(name)} = {json.dumps(value)}" for name, value in self.value.items())
            return f"{{{', '.join(fields)}}}"
        values = self.value if isinstance(self.value, list) else [self.value]
        return ",".join(each if isinstance(each, str) else json.dumps(each) for each in values)


def first_remedy(parts: Parts, kinds: Sequence[str], works: Callable[[Parts], bool]) -> Change | None:
    """Return the first change with which the components work; None if none was found.

    Only options with few values are tried, and `strategy.genotype`.

    Args:
        parts: the components that do not work together.
        kinds: the components whose options are tried, in this order.
        works: tells whether components do.
    """
    return next(
        (each for kind in kinds for each in _changes(parts, kind) if _helps(each, parts, works)), None
    )


def _helps(change: Change, parts: Parts, works: Callable[[Parts], bool]) -> bool:
    try:
        with blamed(Owner(change.kind, change.name), "another value of an option"):
            return works(replace(parts, **change.made))
    except PosenasError:
        return False  # what raises with it is no remedy


def _changes(parts: Parts, kind: str) -> Iterator[Change]:
    component = getattr(parts, kind)
    yield from _made(kind, cast(Hashable, type(component)), json.dumps(option_values(component)))
    if kind == "strategy" and GENOTYPE in option_values(component):
        genotype = dict(join(parts.space, parts.head).sample(Random(0)))
        yield Change(kind, GENOTYPE, genotype, {kind: changed(component, GENOTYPE, genotype)})


@lru_cache(maxsize=256)
def _made(kind: str, component: Hashable, options: str) -> tuple[Change, ...]:
    """Return the changes of a component, made once: the same ones are tried beside many others.

    Args:
        kind: the component's.
        component: its class.
        options: all of its options as JSON.
    """
    original = make_component(cast(type[Any], component), json.loads(options), where=kind)
    made = []
    for name, value in alternatives(original):
        try:
            with blamed(Owner(kind, name), "another value of an option"):
                other = changed(original, name, value)
                parts = {kind: other} | ({"levels": levels_of(other)} if kind == "space" else {})
        except PosenasError:
            continue  # what cannot be made or built is no remedy
        made.append(Change(kind, name, value, parts))
    return tuple(made)
