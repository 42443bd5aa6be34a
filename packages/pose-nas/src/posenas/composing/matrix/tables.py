"""The matrix as tables of two kinds of component each, with numbered notes below them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from posenas.composing.matrix.matrix import Cell, Matrix, Note

_READING = frozenset({"space", "head"})
_FINDING = frozenset({"head", "keypoints"})
_SEARCHING = frozenset({"space", "strategy", "head"})


@dataclass(frozen=True)
class Table:
    """What works together of two kinds of component.

    Attributes:
        rows: names of the components of one kind, such as the heads.
        columns: names of those of the other one.
        texts: by row and column: `yes`, `some`, `no` or `-`, with the numbers of notes.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    texts: Mapping[tuple[str, str], str]


def make_tables(matrix: Matrix) -> tuple[list[Table], list[str]]:
    """Return the tables, and the notes that their numbers mean, from 1 on.

    Strategies and heads have a table of their own only where it differs from head to head.
    """
    notes: dict[str, int] = {}
    cells = matrix.cells
    readable = [cell for cell in cells if not _stopped(cell, _READING)]
    findable = [cell for cell in readable if not _stopped(cell, _FINDING)]
    searched = {(cell.space, cell.strategy) for cell in cells if cell.works}
    tables = [
        _table("head", "space", cells, _READING, notes=notes),
        _table("head", "keypoints", readable, _FINDING, notes=notes),
        _table("strategy", "space", findable, _SEARCHING, notes=notes),
        _table(
            "strategy",
            "head",
            [cell for cell in findable if (cell.space, cell.strategy) in searched],
            _SEARCHING,
            notes=notes,
        ),
    ]
    if not _differs(tables[-1]):
        del tables[-1]
    return tables, list(notes)


def _table(
    row: str, column: str, cells: Sequence[Cell], stage: frozenset[str], *, notes: dict[str, int]
) -> Table:
    """Return the table of two kinds.

    Args:
        row: the kind of the rows.
        column: the kind of the columns.
        cells: those that get as far as this table's question.
        stage: the kinds that the table's notes are of.
        notes: the numbers of notes; new ones are added.
    """
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        found.setdefault((getattr(cell, row), getattr(cell, column)), []).append(cell)
    return Table(
        f"{row} and {column}",
        list(dict.fromkeys(name for name, _ in found)),
        list(dict.fromkeys(name for _, name in found)),
        {key: _text(each, stage, notes=notes) for key, each in found.items()},
    )


def _text(cells: Sequence[Cell], stage: frozenset[str], *, notes: dict[str, int]) -> str:
    stopped = [_stopped(cell, stage) for cell in cells]
    word = "no" if all(stopped) else "some" if any(stopped) else "yes"
    told = dict.fromkeys(_words(note) for cell in cells for note in _of(cell.notes, stage))
    numbers = sorted(notes.setdefault(each, len(notes) + 1) for each in told)
    return " ".join((word, ",".join(map(str, numbers)))).strip()


def _stopped(cell: Cell, stage: frozenset[str]) -> bool:
    return any(_of(cell.refusals, stage))


def _of(notes: Iterable[Note], stage: frozenset[str]) -> list[Note]:
    """Return the notes of a stage; what is wrong with one component alone is one of every stage."""
    return [note for note in notes if len(note.of) == 1 or set(note.of) == stage]


def _words(note: Note) -> str:
    return f"with {note.option}; else: {note.reason}" if note.option else note.reason


def _differs(table: Table) -> bool:
    text: Callable[[str, str], str] = lambda row, column: table.texts.get((row, column), "-")  # noqa: E731
    return any(len({text(row, column) for column in table.columns}) > 1 for row in table.rows)
