"""Genotypes: plain JSON data, one value per searchable dimension."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from posenas.errors import PosenasError, suggestion

Genotype: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """A dimension with finitely many values; `ordered` ones run from cheap to dear."""

    values: tuple[Any, ...]
    ordered: bool = True


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def genotype_id(genotype: Genotype) -> str:
    """Ten hexadecimal digits that name a genotype wherever it appears."""
    return hashlib.sha256(canonical_json(dict(genotype)).encode()).hexdigest()[:10]


def sample_uniform(dimensions: Mapping[str, Choice], rng: Random) -> Genotype:
    """Every dimension drawn independently and uniformly."""
    return {name: rng.choice(choice.values) for name, choice in dimensions.items()}


def check_genotype(genotype: Genotype, dimensions: Mapping[str, Choice]) -> None:
    """Raises PosenasError where the genotype is not one value of each dimension."""
    for name in genotype:
        if name not in dimensions:
            raise PosenasError(f"genotype: unknown dimension {name!r}; {suggestion(name, dimensions)}")
    for name, choice in dimensions.items():
        if name not in genotype:
            raise PosenasError(f"genotype: dimension {name!r} is missing; its values: {list(choice.values)}")
        # True equals 1, and 16.0 equals 16, but they are another network's spelling, or none's.
        if not any(
            type(value) is type(genotype[name]) and value == genotype[name] for value in choice.values
        ):
            raise PosenasError(
                f"genotype: {name} = {genotype[name]!r} is not one of its values: {list(choice.values)}"
            )
