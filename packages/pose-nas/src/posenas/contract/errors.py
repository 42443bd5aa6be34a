"""Errors that a user can mend; everything else is a bug."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from posenas.contract.messages import message


class PosenasError(Exception):
    """Something the user can mend: what happened, where, and what to do now, in one line.

    The command line prints the message and ends with status 2. Values in it may come from anywhere, so
    `posenas.contract.messages.message` makes it printable and cuts it.
    """

    def __init__(self, words: object = "") -> None:
        super().__init__(message(str(words)))


def suggestion(word: str, known: Iterable[str]) -> str:
    """The tail of an error about an unknown word: the nearest known one, else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none is known"
