"""What a training's step is known by in the journal: the spelling of a frozen dataclass and all its fields.

A run is resumed by asking for the same trainings again. A step whose spelling differs from one process to the
next would be trained anew each time; one whose spelling leaves something out would be taken for another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any

import torch

from posenas.contract.errors import PosenasError

_PLAIN = (
    bool,
    bytes,
    complex,
    float,
    int,
    range,
    str,
    type(None),
    Decimal,
    Enum,
    Fraction,
    PurePath,
    torch.device,
    torch.dtype,
)
"""Types of values that are spelt out in full, in every process alike."""


def identity(value: object, *, role: str) -> str:
    """Return the value's `repr`, which names its class and all its fields with their values.

    Args:
        value: a frozen dataclass.
        role: what the value is to a training, such as `step`, for the error.

    Raises:
        PosenasError: where the value, or one in its fields, has no such spelling; it names the field.
    """
    problem = _problem(value, type(value).__name__) if _is_dataclass(value) else "is no frozen dataclass"
    if problem:
        kind = value if isinstance(value, type) else type(value)
        raise PosenasError(
            f"{role} {kind.__module__}.{kind.__qualname__} {problem}, so a resumed run would train again; "
            "make it a frozen dataclass whose fields are numbers, words, tuples or frozen dataclasses"
        )
    return repr(value)


def _problem(value: Any, place: str) -> str:
    """Return in words what of the value is not spelt out; empty where everything is."""
    if isinstance(value, _PLAIN):
        return ""
    if type(value) in (tuple, list):
        return _first(_problem(each, f"{place}[{index}]") for index, each in enumerate(value))
    if type(value) is dict:
        return _first(_problem(each, f"{place}[{key!r}]") for key, each in value.items())
    if not _is_dataclass(value):
        return f"has {place} of type {type(value).__name__}, which is not spelt out in full"
    return _unspelt(value, place) or _first(
        _problem(getattr(value, field.name), f"{place}.{field.name}") for field in dataclasses.fields(value)
    )


def _unspelt(value: Any, place: str) -> str:
    fields = ", ".join(f"{field.name}={getattr(value, field.name)!r}" for field in dataclasses.fields(value))
    spelt = f"{type(value).__qualname__}({fields})"
    return "" if repr(value) == spelt else f"has {place} whose repr() is not made of all its fields"


def _first(problems: Iterable[str]) -> str:
    return next(filter(None, problems), "")


def _is_dataclass(value: object) -> bool:
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)
