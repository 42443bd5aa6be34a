"""People of 133 keypoints from the search to the report, and what evaluators say of their parts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from posenas import search
from posenas.composing.loading import load
from running import Answer

Posenas = Callable[..., Answer]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    smallest = load("space", "ofa")().smallest()
    return search(
        run=tmp_path_factory.mktemp("whole_bodies") / "run",
        strategy="single",
        evaluator="wholebody",
        options={
            "strategy.genotype": smallest,
            "strategy.epochs": 1,
            "dataset.points": 133,
            "dataset.train_images": 8,
            "dataset.val_images": 4,
            "head.input_size": [64, 64],
            "training.batch_size": 8,
            "training.workers": 0,
        },
    ).path


def test_the_report_has_a_row_for_each_part(run: Path) -> None:
    page = (run / "report" / "report.html").read_text()
    table = page.partition("<h2>Score by part</h2>")[2].partition("</table>")[0]
    rows = re.findall(r'<th scope="row">([^<]*)</th>((?:<td class="number">[^<]*</td>)+)', table)
    assert [name for name, _ in rows] == ["whole", "body", "foot", "face", "left hand", "right hand", "hand"]
    metrics = json.loads((run / "best" / "trial.json").read_text())["metrics"]
    assert re.findall(r">([\d.]+)<", rows[3][1]) == [
        f"{value:.3f}" for name, value in metrics.items() if name.startswith("wholebody.face.")
    ]


def test_the_reports_summary_has_the_metrics_of_the_whole_alone(run: Path) -> None:
    summary = (run / "report" / "report.html").read_text().partition("<h2>Summary</h2>")[2]
    names = re.findall(r'<th scope="row">(wholebody[^<]*)</th>', summary)
    assert names[:2] == ["wholebody.AP", "wholebody.AP50"]
    assert len(names) == 10


@pytest.mark.parametrize(
    ("evaluator", "metrics"),
    [
        ("nme", {"NME", "faces", "faces_left_out"}),
        ("hand", {"PCK@0.2", "AUC", "EPE", "hands", "hands_left_out"}),
    ],
)
def test_a_run_is_scored_by_faces_and_by_hands(
    posenas: Posenas, run: Path, evaluator: str, metrics: set[str]
) -> None:
    answer = posenas("evaluate", run, "--evaluator", evaluator)
    assert answer.status == 0, answer.err
    rows = dict(line.split() for line in answer.out.splitlines())
    assert set(rows) == {f"{evaluator}.{metric}" for metric in metrics}
    assert all(float(value) >= 0 for value in rows.values())


def test_long_names_of_metrics_stand_apart_from_their_figures(posenas: Posenas, run: Path) -> None:
    answer = posenas("evaluate", run)
    rows = [line.split() for line in answer.out.splitlines()]
    assert len(rows) == 70
    assert {len(row) for row in rows} == {2}
