"""Trials on disk: fields, notes beside them, and those of older versions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from posenas import PosenasError, Trial
from posenas.contract.trial import trial_from_dict
from posenas.reporting.progress import trial_line


def trial(**changes: Any) -> Trial:
    return Trial({"width": 1}, stage="final", split="val", metrics={"oks.AP": 0.5}, costs={}, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"notes": {"ablations": {"fusion": {"metrics": {"oks.AP": 0.4}, "rates": {"nose": 1.25}}}}},
        {"notes": {"mine": [1, None, "a"]}, "ranking": {"fitness": 2.5}, "learnt": True},
    ],
)
def test_a_trial_comes_back_from_its_file(changes: dict[str, Any]) -> None:
    each = trial(**changes)
    assert trial_from_dict(json.loads(json.dumps(each.as_dict()))) == each


def test_notes_stand_beside_the_fields_and_what_is_not_there_is_not_written() -> None:
    record = trial(notes={"mine": 1}).as_dict()
    assert record["mine"] == 1
    assert not {"notes", "ranking", "learnt"} & set(record)


def test_a_trial_of_an_older_version_is_read() -> None:
    """It had `descent` and `ablations` as fields, written where there was nothing to say too."""
    fields = {name: value for name, value in trial().as_dict().items() if name != "schema"}
    assert trial_from_dict({**fields, "descent": None, "ablations": {}}) == trial()
    told = {"descent": {"generation": 0}, "ablations": {}}
    assert trial_from_dict({**fields, **told}).notes == {"descent": {"generation": 0}}


def test_the_display_tells_the_strategys_own_figure_first() -> None:
    costs = {"gmacs": 0.5, "parameters": 2e6}
    plain = replace(trial(), costs=costs)
    assert trial_line(plain).endswith(": oks.AP 0.500 on val; 0.500 GMACs, 2.000 M parameters")
    ranked = replace(plain, ranking={"fitness": 1.25})
    assert ": fitness 1.250, oks.AP 0.500 on val; " in trial_line(ranked)


@pytest.mark.parametrize(
    ("notes", "complaint"),
    [
        ({"metrics": {}}, "note 'metrics' has the name of one of its fields"),
        ({"notes": {}}, "note 'notes' has the name of one of its fields"),
        ({"mine": {1, 2}}, "not plain JSON data"),
        ({"mine": float("nan")}, "not plain JSON data"),
    ],
)
def test_notes_that_could_not_come_back_are_refused(notes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PosenasError, match=complaint):
        trial(notes=notes)


@pytest.mark.parametrize(
    "other",
    [
        {"metrics": 3},
        {"ranking": {"fitness": "low"}},
        {"learnt": "yes"},
        {"costs": None},
        {"notes": {"a": 1}},
    ],
)
def test_other_data_are_no_trial(other: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        trial_from_dict({**trial().as_dict(), **other})
