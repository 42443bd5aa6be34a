"""Single values of annotation files: each is read as what it is, or refused in a few words."""

from __future__ import annotations

import math
import reprlib
from types import MappingProxyType
from typing import Any

_FLAGS = MappingProxyType({"1": True, "true": True, "0": False, "false": False})
_QUOTED = 40


def quoted(value: object) -> str:
    """Return a value for a message: at most 40 characters, however long or deep it is."""
    text = reprlib.repr(value)
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 3]}..."


def finite(value: Any, what: str) -> float:
    """Return a value as a number.

    Raises:
        ValueError: if it is none, or not finite.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"its {what} must be a number, not {quoted(value)}") from None
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"its {what} must be finite, not {quoted(value)}")
    return number


def flag(value: object, what: str) -> bool:
    """Return True for 1 and true, False for 0 and false, as numbers, booleans or text; False for null.

    Raises:
        ValueError: for anything else.
    """
    if value is None:
        return False
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _FLAGS:
        return _FLAGS[value.strip().lower()]
    raise ValueError(f"its {what} must be 0 or 1, not {quoted(value)}")
