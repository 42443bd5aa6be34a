"""Values in the tables of a manifest: right in kind and size, or a ValueError that names them."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from pose_run.errors import quoted


def number(value: Any, name: str, *, least: float = -math.inf, most: float = math.inf) -> float:
    """Return a value that is a finite number.

    Args:
        value: of any kind.
        name: of the value, for the error.
        least: its lower bound.
        most: its upper bound.
    """
    if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"{name} {quoted(value)}")
    found: float = value
    return found


def whole(value: Any, name: str, *, least: int, most: float = math.inf) -> int:
    """Return a value that is a whole number.

    Args:
        value: of any kind.
        name: of the value, for the error.
        least: its lower bound.
        most: its upper bound.
    """
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} {quoted(value)}")
    return value


def indices(value: Any, name: str, *, count: int) -> tuple[int, ...]:
    """Return a value that is a list of indices.

    Args:
        value: of any kind.
        name: of the value, for the error.
        count: of what the indices are of.
    """
    return tuple(whole(index, name, least=0, most=count - 1) for index in listed(value, name))


def listed(value: Any, name: str) -> list[Any]:
    """Return a value that is a list; the name is for the error."""
    if not isinstance(value, list):
        raise ValueError(f"{name} {quoted(value)}")
    return value


def word(value: Any, name: str, *, known: Collection[str]) -> str:
    """Return a value that is one of some words.

    Args:
        value: of any kind.
        name: of the value, for the error.
        known: the words.
    """
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} {quoted(value)}")
    return value
