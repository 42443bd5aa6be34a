"""A traceback that passes through a plugin's file is told with the plugin first."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from posenas.composing.culprit import plugin_in
from running import SMALL, Answer

STRATEGY = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Hasty:
    def requires(self): return ()
    def search(self, problem):
        yield problem.draw(1)[len(problem.draw(1)):][0]
"""


def test_the_plugin_is_named_before_the_traceback(
    posenas: Callable[..., Answer], install: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    install("hasty-search", STRATEGY, entry_points={"posenas.strategy": {"hasty": "hasty_search:Hasty"}})
    with pytest.raises(IndexError):
        posenas("compose", "--space", "fixed", "--strategy", "hasty", *SMALL, "--run", "run")
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "a bug in" in line)
    assert line == (
        "posenas: a bug in hasty-search 1.0 (hasty_search.py, line 8): IndexError: list index out of range; "
        "tell its authors"
    )


def test_a_bug_of_the_core_names_no_plugin() -> None:
    with pytest.raises(IndexError) as raised:
        [][0]
    assert plugin_in(raised.tb) is None


def test_check_tells_a_bug_once_with_its_line(
    posenas: Callable[..., Answer], install: Callable[..., None]
) -> None:
    install("hasty-search", STRATEGY, entry_points={"posenas.strategy": {"hasty": "hasty_search:Hasty"}})
    rows = posenas("check", "hasty-search", "--json").json
    (failed,) = (row for row in rows if row["status"] == "failed")
    assert failed["words"] == (
        "a bug in hasty-search 1.0 (hasty_search.py, line 8): IndexError: list index out of range"
    )
    others = {row["words"] for row in rows if row["status"] == "not run"}
    assert others == {f"the bug that {failed['check']} met"}
