"""Damages to the files of a run, and what becomes of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest
from posenas.contract.errors import PosenasError
from posenas.runs.checkpoint import read_weights

Damage: TypeAlias = "Callable[[bytes, Random], bytes | None]"
"""From a file's content to the damaged one; None deletes the file."""


def flip_a_bit(content: bytes, rng: Random) -> bytes:
    damaged = bytearray(content)
    if damaged:
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def change_a_digit(content: bytes, rng: Random) -> bytes:
    places = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
    damaged = bytearray(content)
    if places:
        place = rng.choice(places)
        damaged[place] = ord(rng.choice([digit for digit in "0123456789" if ord(digit) != content[place]]))
    return bytes(damaged)


def remove_a_line(content: bytes, rng: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[rng.randrange(len(lines) or 1) : 1 + rng.randrange(len(lines) or 1)]
    return b"".join(lines)


def swap_two_lines(content: bytes, rng: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if len(lines) > 1:
        first, second = rng.sample(range(len(lines)), 2)
        lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def zero_the_second_half(content: bytes, _rng: Random) -> bytes:
    half = len(content) // 2
    return content[:half] + bytes(len(content) - half)


DAMAGES: dict[str, Damage] = {
    "bit": flip_a_bit,
    "another bit": flip_a_bit,
    "digit": change_a_digit,
    "another digit": change_a_digit,
    "line removed": remove_a_line,
    "lines swapped": swap_two_lines,
    "second half zero": zero_the_second_half,
    "cut in half": lambda content, _: content[: len(content) // 2],
    "cut somewhere": lambda content, rng: content[: rng.randrange(len(content) or 1)],
    "empty": lambda _content, _rng: b"",
    "gone": lambda _content, _rng: None,
}


@dataclass(frozen=True)
class Case:
    """A file of a run by its name there, and how it is damaged."""

    file: str
    damage: str

    def apply(self, run: Path, seed: int) -> bool:
        """Damages the file; returns whether that changed it."""
        path = run / self.file
        before = path.read_bytes()
        after = DAMAGES[self.damage](before, Random(f"{seed} {self.file} {self.damage}"))
        if after is None:
            path.unlink()
        else:
            path.write_bytes(after)
        return after != before


def contents(run: Path) -> dict[str, bytes]:
    """Every file of a run by its name there."""
    return {
        str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()
    }


def cases(run: Path) -> Iterator[Case]:
    """Every damage to every file of the run."""
    return (Case(file, damage) for file in contents(run) for damage in DAMAGES)


def outcome(
    case: Case, copy: Path, *, seed: int, use: Callable[[Path], dict[str, bytes]], expected: dict[str, bytes]
) -> str:
    """What becomes of a copy of a run: `refused` in one line that names the run or a file of it, `equal` to
    what is expected, `no damage` where the content stayed the same, or `unread` where damaged weights are all
    that differs: nothing needed them again, and whoever reads them is told. Otherwise what is wrong.

    Args:
        use: what is done with the run; gives what is compared.
    """
    if not case.apply(copy, seed):
        return "no damage"
    try:
        found = use(copy)
    except PosenasError as error:
        message = str(error)
        return "refused" if "\n" not in message and str(copy) in message else f"refused badly: {message}"
    differing = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if differing == [case.file] and case.file.startswith("weights/"):
        with pytest.raises(PosenasError):
            read_weights(copy, case.file)
        return "unread"
    return "equal" if not differing else f"another result in silence: {', '.join(differing)}"
