"""Curves in a run's journal: what a strategy noted is what a report reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from posenas.contract.errors import PosenasError
from posenas.runs.notes import check_figures, read_notes
from posenas.runs.run import Run
from toy_search import SMALL, problem_in


def test_series_are_read_by_epoch_beside_other_effects(tmp_path: Path) -> None:
    assert read_notes(Run(tmp_path)) == {}
    problem = problem_in(tmp_path)
    problem.note("controller", 2, {"reward": 0.5, "entropy": 1})
    problem.train(SMALL, epochs=1)
    problem.note("controller", 1, {"reward": 0.25})
    problem.note("temperature", 1, {"tau": 5.0})
    found = read_notes(Run(tmp_path))
    assert found == {
        "controller": {1: {"reward": 0.25}, 2: {"reward": 0.5, "entropy": 1.0}},
        "temperature": {1: {"tau": 5.0}},
    }
    assert list(found["controller"]) == [1, 2]


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    problem = problem_in(tmp_path)
    problem.note("controller", 1, {"reward": 0.25})
    journal = Run(tmp_path).journal_file
    journal.write_bytes(journal.read_bytes().replace(b"0.25", b"0.75"))
    with pytest.raises(PosenasError, match="line 1: is damaged"):
        read_notes(Run(tmp_path))


def test_figures_become_floats_and_must_be_finite() -> None:
    assert check_figures("a", 1, {"one": 1}) == {"values": {"one": 1.0}}
    assert isinstance(check_figures("a", 1, {"one": 1})["values"]["one"], float)
    with pytest.raises(PosenasError, match="note 'a': epoch 2 has no figures"):
        check_figures("a", 2, {})
    with pytest.raises(PosenasError, match="note 'a': one is inf in epoch 7; note finite figures"):
        check_figures("a", 7, {"one": float("inf")})
