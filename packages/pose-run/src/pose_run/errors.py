"""The error of what a user can mend, and words for messages."""

from __future__ import annotations

import re
import reprlib

_LONGEST = 380
_QUOTED = 40
# Control characters, what reverses the direction of writing, and halves of characters.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


class PoseRunError(Exception):
    """A mistake that the user can mend, told in one line: what, where, and what to do."""


def message(text: str) -> str:
    """Return the text as one printable line of at most 380 characters; a longer one loses its middle."""
    line = " ".join(text.split())
    line = _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), line)
    end = _LONGEST // 3
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - end - 5]} ... {line[-end:]}"


def quoted(value: object) -> str:
    """Return a value for a message: at most 40 characters, however long or deep it is."""
    text = reprlib.repr(value)
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 3]}..."
