"""What the report tells from a run's journal, which may be damaged without harm to the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from posenas.composing.goals.division import LARGEST
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.runs.journal import read_records
from posenas.runs.notes import Series, read_notes
from posenas.runs.provenance import Accepted
from posenas.runs.remade import Remade, read_remade
from posenas.runs.run import ACCEPTED, Run


@dataclass(frozen=True)
class Journaled:
    """What the effects of a run tell beside its trials.

    Attributes:
        accepted: changes of data or code that the run went on with.
        remade: weights that stand in the place of lost ones.
        courses: as in `Results`.
        series: as in `Results`.
        output_change: as in `Results`.
        largest_costs: as in `Results`.
    """

    accepted: Sequence[Accepted] = ()
    remade: Sequence[Remade] = ()
    courses: tuple[tuple[Genotype, ...], ...] = ()
    series: Mapping[str, Series] = field(default_factory=dict)
    output_change: Mapping[str, float] = field(default_factory=dict)
    largest_costs: Mapping[str, float] = field(default_factory=dict)


def read_journaled(run: Run) -> tuple[Journaled, Sequence[str]]:
    """Return what the journal tells, and a line where it cannot be read."""
    try:
        records, series = read_records(run.journal_file), read_notes(run)
    except PosenasError:  # its words hold the run's path, which the report must not depend on
        return Journaled(), [
            "journal.jsonl in the run cannot be read, so how the architecture was learnt, and with what "
            "changes of data or code the run went on, is left out."
        ]
    accepted = [Accepted(**record["inputs"]) for record in records if record.get("effect") == ACCEPTED]
    courses = [
        (record["inputs"]["start"], *record["result"]["course"])
        for record in records
        if record.get("effect") == "train relaxed"
    ]
    changes = [record["result"]["change"] for record in records if record.get("effect") == "leave out"]
    largest = [record["result"] for record in records if record.get("effect") == LARGEST]
    return Journaled(
        accepted,
        read_remade(records),
        tuple(courses),
        series,
        output_change=changes[-1] if changes else {},
        largest_costs=largest[-1] if largest else {},
    ), []
