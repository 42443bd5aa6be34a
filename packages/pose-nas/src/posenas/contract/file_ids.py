"""Ids in annotation files: numbers of any size, text, or numbers written as text."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

FileId: TypeAlias = int | float | str

# Python reads no longer numbers from text.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,4000}(\.0{1,9})?")
_LEAST, _GREATEST = -(2**63), 2**63 - 1


def file_id(value: object) -> FileId:
    """Return the value if it can be an id.

    Raises:
        ValueError: if it is neither a whole number nor text.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        raise ValueError("must be a whole number or text")
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        raise ValueError("must be a whole number or text")
    return value


def as_number(value: FileId) -> int | None:
    """Return the whole number that an id is, as a number or as text; None for other text."""
    if not isinstance(value, str):
        return int(value)
    return int(value.partition(".")[0]) if _WHOLE_NUMBER.fullmatch(value) else None


def same_id(first: FileId, second: FileId) -> bool:
    """Return whether two ids are equal, or one is the number that the other is written as text."""
    number = as_number(first)
    return first == second or (number is not None and number == as_number(second))


class IdIndex:
    """An index of ids that finds an equal id, or else the only one that is the same number."""

    def __init__(self, ids: Sequence[FileId]) -> None:
        numbers = [as_number(each) for each in ids]
        count = Counter(numbers)
        self._equal = {each: position for position, each in enumerate(ids)}
        self._by_number = {
            number: position
            for position, number in enumerate(numbers)
            if number is not None and count[number] == 1
        }

    def find(self, value: FileId) -> int | None:
        """Return the position of an id; None where no id fits."""
        if value in self._equal:
            return self._equal[value]
        number = as_number(value)
        return None if number is None else self._by_number.get(number)


def numbered(ids: Sequence[FileId]) -> list[int]:
    """Return a different 64-bit number for each id: the number that it is, where all ids allow that.

    If one id is no such number, or two are the same number, all ids are numbered 0, 1, ... instead.
    """
    numbers = [as_number(each) for each in ids]
    fitting = [each for each in numbers if each is not None and _LEAST <= each <= _GREATEST]
    return fitting if len(set(fitting)) == len(ids) else list(range(len(ids)))
