"""JSON from anywhere: numbers that are finite and fit a float, and no endless nesting.

Python's own reader takes `NaN`, makes infinity of `1e999`, and fails with errors that are no JSON errors at
numbers of 5,000 digits and at deep nesting.
"""

from __future__ import annotations

import json
import re
from json import detect_encoding
from pathlib import Path
from typing import Any

import numpy as np

from posenas.errors import PosenasError

DEEPEST = 100
"""Lists and objects within each other."""
MOST_DIGITS = 300
"""Of a whole number; one of 309 fits no float any more."""

# What may be a number beyond a float's. It is sought in C, so that a file without one is read at full speed.
_LARGE = re.compile(rf"[0-9]{{{MOST_DIGITS - 100}}}|[eE]\+?0*[0-9]{{3}}")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def parse_json(content: str | bytes, *, finite: bool = True) -> Any:
    """Returns the value.

    Args:
        finite: whether NaN and infinite numbers are refused; otherwise the caller looks for them, and can say
            what they belong to.

    Raises:
        ValueError: says in one line why the content is refused.
    """
    text = _decoded(content) if isinstance(content, bytes) else content.removeprefix("\ufeff")
    if _deepest(text) > DEEPEST and _deepest(_TEXT.sub("", text)) > DEEPEST:
        raise ValueError(f"nested too deep: more than {DEEPEST} lists and objects within each other")
    hooks: dict[str, Any] = {"parse_constant": _refused_constant} if finite else {}
    if _LARGE.search(text):
        hooks |= {"parse_int": _whole_number} | ({"parse_float": _finite_number} if finite else {})
    try:
        return json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None


def read_json(path: Path, *, finite: bool = True, remedy: str = "get the file again") -> Any:
    """Returns a file's content; see `parse_json`. Raises PosenasError, which names the file."""
    try:
        return parse_json(path.read_bytes(), finite=finite)
    except OSError as error:
        raise PosenasError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise PosenasError(f"{path}: {error}; {remedy}") from None


def _decoded(content: bytes) -> str:
    try:
        return content.decode(detect_encoding(content))
    except UnicodeDecodeError as error:
        raise ValueError(f"not JSON: byte {error.start} is no text") from None


def _deepest(text: str) -> int:
    """How deep the brackets lie; those in quoted text count too."""
    characters = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    depth = deepest = 0
    for start in range(0, len(characters), 2**20):
        part = characters[start : start + 2**20] & ~np.uint8(0x20)  # { is [ and 0x20, } is ] and 0x20
        course = np.cumsum((part == ord("[")).astype(np.int32) - (part == ord("]")))
        deepest = max(deepest, depth + int(course.max()))
        depth += int(course[-1])
    return deepest


def _refused_constant(name: str) -> float:
    raise ValueError(f"holds {name}, and every number must be finite")


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"holds a number of {len(digits)} digits")
    return int(digits)


def _finite_number(text: str) -> float:
    number = float(text)
    if not np.isfinite(number):
        raise ValueError(f"holds {text:.40}, and every number must be finite")
    return number
