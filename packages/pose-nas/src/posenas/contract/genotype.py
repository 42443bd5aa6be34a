"""Genotypes: plain JSON data, one value per searchable dimension."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

from posenas.contract.errors import PosenasError, suggestion

Genotype: TypeAlias = Mapping[str, Any]
"""One value for each dimension of a space, by the dimension's name; plain JSON data."""


@dataclass(frozen=True)
class Choice:
    """A dimension with finitely many values; those of an `ordered` one run from cheap to dear."""

    values: tuple[Any, ...]
    ordered: bool = True


@dataclass(frozen=True)
class Real:
    """A dimension of real numbers; its value is nested lists of this shape.

    Attributes:
        shape: of the value.
        alternatives: the names of what the numbers along the last axis weigh by their softmax, for people to
            read; empty where they have none.
    """

    shape: tuple[int, ...]
    alternatives: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.alternatives and self.shape[-1:] != (len(self.alternatives),):
            raise ValueError(
                f"{len(self.alternatives)} names of alternatives for numbers of shape {self.shape}"
            )

    def fill(self, number: Callable[[], float]) -> Any:
        """Return a value, each of its numbers made by a call of `number`."""
        return _nested(self.shape, number)

    def numbers(self, value: object) -> list[float]:
        """Return the numbers of a value, in order.

        Raises:
            ValueError: if the value has another shape or holds something other than finite numbers.
        """
        return _flat(value, self.shape)


Dimension: TypeAlias = Choice | Real
"""What can be chosen in one place: one of some values, or real numbers."""


def canonical_json(value: object) -> str:
    """Return the one spelling that a JSON value has here: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def value_text(genotype: Genotype, name: str) -> str:
    """Return a dimension's value in JSON, text without its quotes; empty where the genotype has none."""
    if name not in genotype:
        return ""
    value = genotype[name]
    return value if isinstance(value, str) else canonical_json(value)


def choice_texts(real: Real, value: object) -> list[str]:
    """Return what each row of named alternatives chooses, such as `conv3`, or `conv3 62, skip 38`.

    The alternative that weighs all is named alone. Of several there are the shares in percent, the greatest
    first, without those that are rounded to 0.
    """
    numbers, width = real.numbers(value), len(real.alternatives)
    rows = (numbers[start : start + width] for start in range(0, len(numbers), width))
    return [_choice_text(row, real.alternatives) for row in rows]


def _choice_text(row: Sequence[float], names: Sequence[str]) -> str:
    weights = [math.exp(number - max(row)) for number in row]
    shares = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    ordered = sorted(shares, key=lambda name: -shares[name])
    if shares[ordered[0]] == 1:
        return ordered[0]
    return ", ".join(f"{name} {100 * shares[name]:.0f}" for name in ordered if shares[name] >= 0.005)


def genotype_id(genotype: Genotype) -> str:
    """Return ten hexadecimal digits that name a genotype wherever it appears."""
    return hashlib.sha256(canonical_json(dict(genotype)).encode()).hexdigest()[:10]


HEAD_PREFIX = "head."
"""The beginning of the names of a searched head's dimensions in the genotypes of a joined space."""


def head_part(genotype: Genotype) -> Genotype:
    """Return what a genotype chooses of a searched head, by the head's own names; empty of any other head."""
    return {
        name.removeprefix(HEAD_PREFIX): value
        for name, value in genotype.items()
        if name.startswith(HEAD_PREFIX)
    }


def sample_uniform(dimensions: Mapping[str, Dimension], rng: Random) -> Genotype:
    """Draw every dimension independently: choices uniformly, real numbers from N(0, 1)."""
    return {name: _draw(dimension, rng) for name, dimension in dimensions.items()}


def _draw(dimension: Dimension, rng: Random) -> Any:
    if isinstance(dimension, Choice):
        return rng.choice(dimension.values)
    return dimension.fill(lambda: rng.gauss(0.0, 1.0))


def middle(dimensions: Mapping[str, Dimension]) -> Genotype:
    """Return the genotype of every choice's middle value, and zeros for real numbers."""
    return {
        name: dimension.values[len(dimension.values) // 2]
        if isinstance(dimension, Choice)
        else dimension.fill(lambda: 0.0)
        for name, dimension in dimensions.items()
    }


def check_genotype(genotype: Genotype, dimensions: Mapping[str, Dimension]) -> None:
    """Check that the genotype is one value of each dimension.

    Raises:
        PosenasError: names the first dimension that is missing, unknown or has a wrong value.
    """
    _check_names(genotype, dimensions)
    for name, dimension in dimensions.items():
        _check_value(genotype, name, dimension)


def check_part(values: Mapping[str, Any], dimensions: Mapping[str, Dimension]) -> None:
    """Raise PosenasError where something is no dimension, or a value is none of its dimension's."""
    _check_names(values, dimensions)
    for name in values:
        _check_value(values, name, dimensions[name])


def _check_names(values: Mapping[str, Any], dimensions: Mapping[str, Dimension]) -> None:
    for name in values:
        if name not in dimensions:
            raise PosenasError(f"genotype: unknown dimension {name!r}; {suggestion(name, dimensions)}")


def _check_value(genotype: Genotype, name: str, dimension: Dimension) -> None:
    if isinstance(dimension, Choice):
        _check_choice(genotype, name, dimension)
    else:
        _check_real(genotype, name, dimension)


def _check_choice(genotype: Genotype, name: str, choice: Choice) -> None:
    if name not in genotype:
        raise PosenasError(f"genotype: dimension {name!r} is missing; its values: {list(choice.values)}")
    # True equals 1, and 16.0 equals 16, but they are another network's spelling, or none's.
    if not any(type(value) is type(genotype[name]) and value == genotype[name] for value in choice.values):
        raise PosenasError(
            f"genotype: {name} = {genotype[name]!r} is not one of its values: {list(choice.values)}"
        )


def _check_real(genotype: Genotype, name: str, real: Real) -> None:
    shape = " x ".join(map(str, real.shape))
    if name not in genotype:
        raise PosenasError(f"genotype: dimension {name!r} is missing; it is {shape} real numbers")
    try:
        real.numbers(genotype[name])
    except ValueError as error:
        raise PosenasError(f"genotype: {name} is not {shape} real numbers: {error}") from None


def _nested(shape: tuple[int, ...], number: Callable[[], float]) -> Any:
    if not shape:
        return number()
    return [_nested(shape[1:], number) for _ in range(shape[0])]


def _flat(value: object, shape: tuple[int, ...]) -> list[float]:
    if not shape:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{value!r} is no finite number")
        return [float(value)]
    if not isinstance(value, list | tuple) or len(value) != shape[0]:
        raise ValueError(f"{value!s:.40} is no list of {shape[0]}")
    return [number for element in value for number in _flat(element, shape[1:])]
