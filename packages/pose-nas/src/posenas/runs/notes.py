"""Curves that a strategy notes in the journal of its run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from posenas.contract.errors import PosenasError
from posenas.runs.journal import read_records
from posenas.runs.run import Run

NOTE = "note"
"""What the journal calls figures of one epoch."""

Series: TypeAlias = Mapping[int, Mapping[str, float]]
"""Figures by curve of each epoch that was noted, from the first epoch on."""


def note_inputs(series: str, epoch: int) -> dict[str, Any]:
    """Return what a note is known by in the journal."""
    return {"series": series, "epoch": epoch}


def check_figures(series: str, epoch: int, values: Mapping[str, float]) -> dict[str, Any]:
    """Return the result that the journal keeps of a note.

    Args:
        series: the name of the curves.
        epoch: the place on their axis.
        values: figures by the curves' names.

    Raises:
        PosenasError: where there is no figure, or one is not finite.
    """
    if not values:
        raise PosenasError(f"note {series!r}: epoch {epoch} has no figures; note at least one")
    for name, value in values.items():
        if not math.isfinite(value):
            raise PosenasError(f"note {series!r}: {name} is {value} in epoch {epoch}; note finite figures")
    return {"values": {name: float(value) for name, value in values.items()}}


def read_notes(run: Run) -> Mapping[str, Series]:
    """Return the curves that a run's journal holds, by the names of their series.

    Raises:
        PosenasError: where a line of the journal was changed or lost.
    """
    found: dict[str, dict[int, Mapping[str, float]]] = {}
    for record in read_records(run.journal_file):
        if record["effect"] == NOTE:
            inputs = record["inputs"]
            found.setdefault(inputs["series"], {})[inputs["epoch"]] = record["result"]["values"]
    return {series: dict(sorted(noted.items())) for series, noted in found.items()}
