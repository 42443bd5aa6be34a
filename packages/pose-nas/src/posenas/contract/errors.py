"""Errors that a user can mend; every other exception is a bug."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from posenas.contract.messages import message


class PosenasError(Exception):
    """An error that the user can mend: what happened, where, and what to do now, in one line.

    The command line prints the message and ends with status 2. The words may quote anything, for example a
    file's content, so `posenas.contract.messages.message` makes them printable and cuts them.
    """

    def __init__(self, words: object = "") -> None:
        super().__init__(message(str(words)))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return how an error about an unknown word ends: the nearest known word, or else all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none is known"
