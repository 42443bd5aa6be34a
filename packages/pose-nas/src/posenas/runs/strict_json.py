"""JSON from anywhere, read strictly: numbers are finite and fit a float, and no nesting is endless.

Python's own reader takes `NaN` and makes infinity of `1e999`. It fails with errors that are no JSON errors at
numbers of 5,000 digits and at deep nesting.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from json import detect_encoding
from pathlib import Path
from typing import Any

from posenas.contract.errors import PosenasError

DEEPEST = 100
"""The most lists and objects within each other."""
MOST_DIGITS = 300
"""The most digits of a whole number; one of 309 fits no float any more."""

# A file without anything beyond a float, or deep, is read at full speed: both are sought in C.
_RUN = b"0" * (MOST_DIGITS - 100)
_DIGITS_ALONE = bytes(ord("0") if chr(byte).isdecimal() and byte < 128 else ord(" ") for byte in range(256))
_NO_BRACKETS = bytes(byte for byte in range(256) if chr(byte) not in "[]{}")
_LARGE_EXPONENT = re.compile(rb"[eE]\+?0*[0-9]{3}")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')


_Shrink = Callable[[dict[str, Any]], object]


def parse_json(content: str | bytes, *, finite: bool = True, shrink: _Shrink | None = None) -> Any:
    """Return the value of a JSON text.

    Args:
        content: the text, or its bytes.
        finite: whether NaN, infinite numbers and those beyond a float are refused; otherwise the caller looks
            for them, and can say what they belong to.
        shrink: called with each object as soon as it is read; what it returns stands for the object.

    Raises:
        ValueError: says in one line why the content is refused.
    """
    plain = _plain(content)
    if _deepest(plain) > DEEPEST and _deepest(_TEXT.sub(b"", plain)) > DEEPEST:
        raise ValueError(f"nested too deep: more than {DEEPEST} lists and objects within each other")
    hooks: dict[str, Any] = {"parse_constant": _refused_constant} if finite else {}
    if shrink is not None:
        hooks["object_hook"] = shrink
    has_run = _RUN in plain.translate(_DIGITS_ALONE)
    if has_run:
        hooks["parse_int"] = _whole_number if finite else _endless_whole_number
    if finite and (has_run or _LARGE_EXPONENT.search(plain)):
        hooks["parse_float"] = _finite_number
    text = _decoded(content) if isinstance(content, bytes) else content.removeprefix("\ufeff")
    del content, plain  # of a file of gigabytes the text alone is enough to hold
    try:
        return json.loads(text, **hooks)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None


def read_json(
    path: Path,
    *,
    finite: bool = True,
    remedy: str = "get the file again",
    shrink: _Shrink | None = None,
) -> Any:
    """Return the value of a JSON file.

    Args:
        path: the file.
        finite: see `parse_json`.
        remedy: what the user is told to do if the content is refused.
        shrink: see `parse_json`.

    Raises:
        PosenasError: if the file cannot be read, or its content is refused; the message names the file.
    """
    try:
        return parse_json(path.read_bytes(), finite=finite, shrink=shrink)
    except OSError as error:
        raise PosenasError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise PosenasError(f"{path}: {error}; {remedy}") from None


def _plain(content: str | bytes) -> bytes:
    """Return the content in UTF-8; its own bytes where they are that."""
    if isinstance(content, bytes) and detect_encoding(content).startswith("utf-8"):
        return content
    text = _decoded(content) if isinstance(content, bytes) else content
    return text.encode("utf-8", "surrogatepass")


def _decoded(content: bytes) -> str:
    try:
        return content.decode(detect_encoding(content))
    except UnicodeDecodeError as error:
        raise ValueError(f"not JSON: byte {error.start} is no text") from None


def _deepest(content: bytes) -> int:
    """Return how deep the brackets lie; those in quoted text count too."""
    import numpy as np  # here, since `posenas show` needs it nowhere else

    brackets = np.frombuffer(content.translate(None, delete=_NO_BRACKETS), np.uint8)
    opens = (brackets == ord("[")) | (brackets == ord("{"))
    return int(np.cumsum(np.where(opens, 1, -1)).max(initial=0))


def _refused_constant(name: str) -> float:
    raise ValueError(f"holds {name}, and every number must be finite")


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"holds a number of {len(digits)} digits")
    return int(digits)


def _endless_whole_number(digits: str) -> int:
    """Return a number of as many digits as Python reads; making a float of it may be an OverflowError."""
    try:
        return int(digits)
    except ValueError:
        raise ValueError(f"holds a number of {len(digits)} digits") from None


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"holds {text:.40}, and every number must be finite")
    return number
