"""The command that tells which of the installed components work together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from posenas.cli.shared_options import json_option
from posenas.cli.terminal import say, tell

if TYPE_CHECKING:
    from posenas.composing.matrix.matrix import Cell, Matrix
    from posenas.composing.matrix.tables import Table

_WIDTH = 100


@click.command()
@json_option
def matrix(as_json: bool) -> None:
    """Tell which of the installed spaces, strategies, heads and kinds of data work together, and why the
    others do not. Everything has its default options. A note names the option with which a pair works, if
    there is one. Nothing is trained or run. --json gives every combination of the four."""
    from posenas.networks.collection import collection_paused

    with collection_paused():
        from posenas.composing.matrix.matrix import find_matrix
        from posenas.composing.matrix.tables import make_tables

        found = find_matrix()
    if as_json:
        click.echo(json.dumps(_plain(found), indent=1))
        return
    tables, notes = make_tables(found)
    for table in tables:
        say(_drawn(table))
    for number, words in enumerate(notes, start=1):
        tell(f"{number}  {words}")
    say("\nyes: they work together; if a note names an option, with that option. no: the note says why.")
    say("some: it depends on a component that the table does not show; --json tells which.\n")
    say("heads look at: " + ", ".join(f"{name} {view}" for name, view in found.views.items()))
    for words in _datasets(found):
        tell(words)
    working = sum(cell.works for cell in found.cells)
    say(f"\n{len(found.cells)} combinations: {working} work, {len(found.cells) - working} do not")


def _drawn(table: Table) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as Drawing

    drawing = Drawing(box=SIMPLE_HEAD, pad_edge=False)
    for heading in (table.title, *table.columns):
        drawing.add_column(heading, no_wrap=True)
    for row in table.rows:
        drawing.add_row(row, *(table.texts.get((row, column), "-") for column in table.columns))
    console = Console(width=_WIDTH, no_color=True, legacy_windows=False)
    with console.capture() as capture:
        console.print(drawing)
    return "\n".join(line.strip() for line in capture.get().splitlines() if line.strip()) + "\n"


def _datasets(found: Matrix) -> list[str]:
    lines, by_files = [], []
    for name, known in found.datasets.items():
        if isinstance(known, str):
            lines.append(f"dataset {name}: {known}")
        elif known:
            sets = (f"{each.keypoints.name}{each.option and f' with {each.option}'}" for each in known)
            lines.append(f"dataset {name} has: {', '.join(sets)}")
        else:
            by_files.append(name)
    return [*lines, f"datasets with the keypoints of their files: {', '.join(by_files)}"]


def _plain(found: Matrix) -> dict[str, Any]:
    return {
        "cells": [_plain_cell(cell, found) for cell in found.cells],
        "datasets": {
            name: known if isinstance(known, str) else {each.keypoints.name: each.option for each in known}
            for name, known in found.datasets.items()
        },
    }


def _plain_cell(cell: Cell, found: Matrix) -> dict[str, Any]:
    return {
        "space": cell.space,
        "strategy": cell.strategy,
        "head": cell.head,
        "view": found.views.get(cell.head, ""),
        "keypoints": cell.keypoints,
        "works": cell.works,
        "options": [note.option.assignment for note in cell.notes if note.option],
        "reason": cell.refusals[0].reason if cell.refusals else "",
    }
