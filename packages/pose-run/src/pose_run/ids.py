"""Ids of images and categories: whole numbers, text, or numbers written as text."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

# Python reads no longer numbers from text.
_WHOLE_NUMBER = re.compile(r"(-?[0-9]{1,4000})(\.0{1,9})?")


def checked_id(value: object) -> int | str:
    """Return the value if it can be an id, a whole number as one.

    Raises:
        ValueError: if it is neither a whole number nor text.
    """
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError("must be a whole number or text")
    return value


def as_number(value: float | str) -> int | None:
    """Return the whole number that an id is, as a number or as text; None for other text."""
    if not isinstance(value, str):
        return int(value)
    found = _WHOLE_NUMBER.fullmatch(value)
    return int(found[1]) if found else None


def same_id(first: float | str, second: float | str) -> bool:
    """Return whether two ids are equal, or one is the number that the other is written as text."""
    number = as_number(first)
    return first == second or (number is not None and number == as_number(second))


def unique(pairs: Iterable[tuple[int | None, int]]) -> dict[int, int]:
    """Return the values of the keys that are there once; None is no key."""
    known = [(key, value) for key, value in pairs if key is not None]
    count = Counter(key for key, _ in known)
    return {key: value for key, value in known if count[key] == 1}
