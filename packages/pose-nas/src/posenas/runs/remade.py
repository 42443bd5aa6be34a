"""Weights files that were lost and made again with another content, which a GPU may give.

The new file has a name of its own, and the lost one's name becomes a link to it. So whatever named the lost
file, such as the inputs of later effects, stays as it is. The journal notes it in a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posenas.runs.files import content_name, disk_errors, partial, write_atomically
from posenas.runs.journal import Journal, effect_key
from posenas.runs.run import ACCEPTED, BEGUN

REMADE = "weights made again"
"""The journal's name of weights that stand in the place of lost ones."""


@dataclass(frozen=True)
class Remade:
    """Weights that stand in the place of lost ones.

    Attributes:
        file: the name of the lost file.
        now: the name of the file in its place.
        effect: the name of the step that made both.
        steps: how many steps of the search were finished before.
    """

    file: str
    now: str
    effect: str
    steps: int


def note_remade(journal: Journal, file: str, *, now: str, effect: str) -> None:
    """Add a line to the journal that says which weights stand in the place of lost ones.

    Args:
        journal: of the run.
        file: the name of the lost file.
        now: the name of the file in its place.
        effect: the name of the step that made both.
    """
    told = Remade(file, now, effect, _steps(journal.records))
    inputs = {"file": file, "line": len(journal.records)}
    journal.append(REMADE, effect_key(REMADE, inputs), inputs=inputs, result=asdict(told))


def read_remade(records: Iterable[Mapping[str, Any]]) -> list[Remade]:
    """Return what a journal's records say of weights in the place of lost ones, in their order."""
    return [Remade(**record["result"]) for record in records if record.get("effect") == REMADE]


def put_in_place(folder: Path, file: str, *, now: str) -> None:
    """Make the name of a lost weights file a link to another one.

    Args:
        folder: of the weights.
        file: the name of the lost file.
        now: the name of the file in its place, which lies in the same folder.

    Raises:
        PosenasError: if the link cannot be written.
    """
    temporary = partial(folder / file)
    with disk_errors(folder / file):
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(now)
        temporary.replace(folder / file)


def write_weights(folder: Path, file: str, content: bytes) -> None:
    """Write a weights file's content under its own name, and under the name of a lost one in its place.

    Args:
        folder: of the weights.
        file: the name that the content is asked for by.
        content: as `read_weights` gave it.

    Raises:
        PosenasError: if a file cannot be written.
    """
    own = content_name(content) + Path(file).suffix
    write_atomically(folder / own, content)
    if own != file:
        put_in_place(folder, file, now=own)


def _steps(records: Iterable[Mapping[str, Any]]) -> int:
    return sum(record["effect"] not in (BEGUN, ACCEPTED, REMADE) for record in records)
