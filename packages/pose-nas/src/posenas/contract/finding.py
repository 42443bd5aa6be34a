"""Findings: what is wrong with a dataset, or left out of it, as values that each make one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LONGEST = 380
_LEAST_ROOM = 60
_EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """A fact about the data that a user should know before training.

    Attributes:
        what: words for several cases, such as "images are missing", and what to do where that is not plain.
        count: number of cases; 0 where it is wrong that there is no case.
        examples: the first few cases.
        split: the split that the cases are in; empty for the dataset as a whole.
    """

    what: str
    count: int
    examples: tuple[str, ...] = ()
    split: str = ""

    def __str__(self) -> str:
        """Return one line: the split, the count, the words, and as many examples as there is room for."""
        line = f"{self.split}: " if self.split else ""
        line += f"{self.count or 'no'} {self.what}"
        if not self.examples:
            return line
        room = max(_LEAST_ROOM, _LONGEST - len(line)) // len(self.examples)
        shown = [_cut(example, room) for example in self.examples]
        return f"{line}: {'; '.join([*shown, *(['...'] if self.count > len(shown) else [])])}"


def finding(what: str, cases: Iterable[str], *, split: str = "") -> list[Finding]:
    """Return one finding about all the cases, in a list; an empty list where there is no case.

    Args:
        what: words for several cases; see `Finding`.
        cases: all of them, in words.
        split: the split that they are in; empty for the dataset as a whole.
    """
    found = list(cases)
    return first_cases(what, len(found), found[:_EXAMPLES], split=split)


def first_cases(what: str, count: int, cases: Sequence[str], *, split: str = "") -> list[Finding]:
    """Return one finding about `count` cases, in a list; an empty list where the count is 0.

    Args:
        what: words for several cases; see `Finding`.
        count: number of all cases.
        cases: the first of them, in words.
        split: the split that they are in; empty for the dataset as a whole.
    """
    return [Finding(what, count, tuple(cases[:_EXAMPLES]), split)] if count else []


def _cut(text: str, room: int) -> str:
    """Return the text in one line of at most `room` characters.

    A long text keeps its beginning and its end, where a path has its file's name.
    """
    text = " ".join(text.split())
    half = (room - 5) // 2
    return text if len(text) <= room else f"{text[:half]} ... {text[-half:]}"
