"""Sections of a report by packages of strangers: one that is shown, and one that fails."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import SMALL, Answer

SOURCE = """
from dataclasses import dataclass, replace

from posenas import Evaluation, Metric, Section
from posenas.charts import BLUE, new_figure, plain_axes, png, render


@dataclass(frozen=True)
class Thrift:
    '''Trains the first genotype that it draws.'''

    def requires(self):
        return ()

    def search(self, problem):
        (genotype,) = problem.draw(1)
        problem.note("purse", 1, {"coins": 3.5})
        problem.note("debts", 1, {"coins": 0.5})
        trial = problem.evaluate(genotype, problem.train(genotype, epochs=1), stage="final")
        yield replace(trial, notes={**trial.notes, "thrift": {"draws": 1, "by": "<me>"}})

    def sections(self, results):
        if results.answer is None:
            return []
        figure = new_figure(10, 2)
        axes = figure.subplots()
        axes.barh([0], [results.answer.costs["gmacs"]], color=BLUE)
        plain_axes(axes)
        html = render(
            '<p>{{ note.draws }} draw by {{ note.by }} for {{ coins }}, scored on {{ people }}.</p>\\n'
            '<img src="thrift.png" alt="What it costs.">',
            note=results.answer.notes["thrift"],
            coins=results.series["purse"][1]["coins"],
            people=results.scored_on,
        )
        return [Section("Thrift", html, {"thrift.png": png(figure)}, series=("debts",))]


@dataclass(frozen=True)
class Count:
    '''Counts predicted poses, and cannot say what of it is worth showing.'''

    def metrics(self):
        return (Metric("poses"),)

    def evaluate(self, predictions, truth):
        return Evaluation({"poses": float(len(predictions.scores))})

    def sections(self, results):
        return results.trials[len(results.trials)]
"""
ENTRY_POINTS = "[posenas.strategy]\nthrift = stranger:Thrift\n\n[posenas.evaluator]\ncount = stranger:Count\n"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a stranger's package where Python looks for packages."""
    site = tmp_path / "site"
    info = site / "stranger-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "stranger.py").write_text(SOURCE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("stranger", None)


def test_a_strangers_section_is_shown_and_one_that_fails_is_told(
    posenas: Callable[..., Answer], tmp_path: Path
) -> None:
    answer = posenas("compose", "--strategy", "thrift", "--evaluator", "count", *SMALL, "--run", "run")
    assert answer.status == 0, answer.err
    assert "warning" not in answer.err
    run = tmp_path / "run"
    (trial,) = json.loads((run / "trials.json").read_text())
    assert trial["thrift"] == {"draws": 1, "by": "<me>"}
    page = (run / "report" / "report.html").read_text()
    title, _, section = page.partition("<h2>Thrift</h2>\n")
    assert section.startswith("<p>1 draw by &lt;me&gt; for 3.5, scored on val: ")
    assert "What evaluator count shows of its own is left out: evaluator count of stranger 1.0: " in title
    assert "sections failed: IndexError: tuple index out of range" in title
    assert (run / "report" / "thrift.png").read_bytes().startswith(b"\x89PNG")
    assert 'src="thrift.png"' not in page
    assert "<figcaption>purse: what the strategy noted after each epoch.</figcaption>" in page
    assert "debts: what the strategy noted" not in page
    assert (run / "report" / "curves-1.png").read_bytes().startswith(b"\x89PNG")
    assert not (run / "report" / "curves-2.png").exists()
    assert ">count.poses</th>" in page
