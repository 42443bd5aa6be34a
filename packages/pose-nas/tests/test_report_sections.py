"""What components show of their own in a report, and what the core reads for them; real numbers as shares."""

from __future__ import annotations

import base64
import importlib
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest
from posenas.contract.genotype import Genotype, Real
from posenas.contract.trial import Trial
from posenas.reporting.report import write_report
from posenas.reporting.report.genotype_table import genotype_table
from posenas.runs.journal import Journal
from posenas.runs.recipe import recipe_from_tables
from posenas.runs.run import create_run

SPACE = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated
import cv2
import numpy as np
from html import escape
from posenas import Choice, PosenasError, Real, Section, sample_uniform


@dataclass(frozen=True)
class SketchedSpace:
    '''Draws one grey square, and counts the epochs of each training of an architecture.'''

    broken: Annotated[str, "how it fails"] = ""
    side: Annotated[int, "pixels"] = 8

    def __post_init__(self):
        if self.side < 1:
            raise ValueError("no side")

    def dimensions(self):
        return {"one.alpha": Real((2, 3)), "one.scale": Real(()), "two": Choice((1, 2))}

    def sample(self, rng):
        return sample_uniform(self.dimensions(), rng)

    def build(self, genotype):
        raise NotImplementedError

    def relax(self, backbone):
        return {}

    def set_values(self, backbone, genotype):
        pass

    def discrete(self, genotype):
        return genotype

    def prune(self, genotype, threshold):
        return genotype

    def sections(self, results):
        if self.broken == "told":
            raise PosenasError("space sketched: out of ink")
        if self.broken == "untold":
            return [results.no_such_name]
        if self.broken == "no section":
            return ["ink"]
        epochs = ", ".join(str(len(course) - 1) for course in results.courses)
        html = f"<p>Epochs {epochs} of {escape(results.ranked_on or '<nobody>')}.</p>"
        if results.shown is None:
            return [Section("A < B", html)]
        grey = 60 * results.shown.genotype["two"]
        square = cv2.imencode(".png", np.full((self.side, self.side), grey, np.uint8))[1].tobytes()
        drawn = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
        pictures = {"square.png": square, "drawn.svg": drawn}
        html += '<img src="square.png" alt="square"><img src="drawn.svg" alt="drawn">'
        if self.broken in PICTURES:
            pictures |= PICTURES[self.broken](square)
        if self.broken == "not there":
            html += '<img src="other.png">'
        return [Section("A < B", html, pictures)]


PICTURES = {
    "no name": lambda square: {"../square.png": square},
    "taken": lambda square: {"Poses.png": square},
    "no picture": lambda square: {"text.png": b"no picture"},
}
"""
GENOTYPE = {"one.alpha": [[0.0, math.log(2), 0.0], [-1000.0, 0.0, -1000.0]], "one.scale": 1.23456, "two": 2}


@pytest.fixture(autouse=True)
def sketched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stranger's space `sketched`, installed for the test."""
    site = tmp_path / "site"
    info = site / "sketched_space-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "sketched_space.py").write_text(SPACE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sketched-space\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[posenas.space]\nsketched = sketched_space:SketchedSpace\n")
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("sketched_space", None)


def trial(two: int) -> Trial:
    return Trial(
        genotype={**GENOTYPE, "two": two},
        stage="final",
        split="val",
        metrics={"oks.AP": 0.1 * two},
        costs={"gmacs": 0.1, "parameters": 10.0},
    )


def make_run(path: Path, **options: Any) -> Path:
    recipe = recipe_from_tables(
        {
            "space": {"name": "sketched", **options},
            "strategy": {"name": "single"},
            "dataset": {"name": "coco", "root": "nowhere"},
        }
    )
    create_run(path, recipe)
    (path / "trials.json").write_text(json.dumps([trial(2).as_dict()], sort_keys=True))
    (path / "best").mkdir()
    (path / "best" / "trial.json").write_text(json.dumps(trial(2).as_dict()))
    return path


def learn(path: Path, *, epochs: int = 3, times: int = 1) -> list[list[Genotype]]:
    """Journals trainings of an architecture, and returns the genotypes of each from its start on."""
    journal, rng = Journal(path / "journal.jsonl"), Random(4)
    trainings = []
    for number in range(times):
        drawn = [Real((2, 3)).fill(lambda: rng.gauss(0, 1)) for _ in range(epochs + 1)]
        genotypes = [{"one.alpha": alpha, "one.scale": 0.5} for alpha in drawn]
        journal.append(
            "train relaxed",
            str(number),
            inputs={"start": {**genotypes[0], "two": 2}},
            result={"weights": "w", "genotype": genotypes[-1], "course": genotypes[1:]},
        )
        journal.append("evaluate", f"e{number}", inputs={}, result={"metrics": {}})
        trainings.append(genotypes)
    return trainings


def text_of(page: Path) -> str:
    body = page.read_text().partition("<body>")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def files_of(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((run / "report").iterdir())}


def test_a_space_shows_a_section_with_its_pictures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    learn(run, times=2)
    page = write_report(run)
    files = files_of(run)
    assert set(files) == {"report.html", "square.png", "drawn.svg"}
    square = cv2.imdecode(np.frombuffer(files["square.png"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert (square == 120).all()
    content = page.read_text()
    for name, kind in (("square.png", "png"), ("drawn.svg", "svg+xml")):
        assert f'src="data:image/{kind};base64,{base64.b64encode(files[name]).decode()}"' in content
    assert "<h2>A &lt; B</h2>\n<p>Epochs 3, 3 of &lt;nobody&gt;.</p>" in content
    assert content.index("A &lt; B") < content.index("<h2>Genotype")
    assert "What space" not in text_of(page)
    write_report(run)
    assert files_of(run) == files


def test_a_picture_of_an_earlier_state_does_not_stay(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write_report(run)
    (run / "report" / "older.png").write_bytes(b"older")
    (run / "report" / "notes.txt").write_text("the user's own")
    (run / "trials.json").unlink()
    text = text_of(write_report(run))
    assert set(files_of(run)) == {"report.html", "notes.txt"}
    assert "A < B" in text  # a section without a trial


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"broken": "told"}, "What space sketched shows of its own is left out: space sketched: out of ink"),
        ({"broken": "untold"}, "sections failed: AttributeError: 'Results' object has no attribute"),
        (
            {"broken": "no section"},
            "space sketched of sketched-space 1.0: sections gives str, expected Section",
        ),
        ({"broken": "no name"}, "has a picture '../square.png', which is no name of a PNG or SVG file"),
        ({"broken": "taken"}, "has a picture Poses.png, and the report has another one so called"),
        ({"broken": "no picture"}, "has a picture text.png, which is no PNG file"),
        ({"broken": "not there"}, "shows other.png, which is none of its pictures"),
        ({"side": 0}, "The space cannot be asked what to show: space sketched: no side"),
        ({"colour": 1}, "The space cannot be asked what to show: unknown option 'colour'"),
        ({"name": "absent"}, "The space cannot be asked what to show: "),
    ],
)
def test_a_component_that_fails_is_named_and_nothing_else_lost(
    tmp_path: Path, options: dict[str, Any], complaint: str
) -> None:
    run = make_run(tmp_path / "run", **options)
    page = write_report(run)
    text = text_of(page)
    assert complaint in text
    assert "oks.AP 0.200" in text
    assert "Genotype" in text
    assert "<h2>A &lt; B" not in page.read_text()
    assert set(files_of(run)) == {"report.html"}


def test_a_space_that_shows_nothing_is_no_problem(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", name="fixed")
    text = text_of(write_report(run))
    assert "What space" not in text
    assert "asked what to show" not in text


def test_real_numbers_of_a_relaxed_space_are_shares(tmp_path: Path) -> None:
    page = write_report(make_run(tmp_path / "run"))
    content = re.sub("\u2007", "_", page.read_text())
    assert "<td>_25 __50 __25<br>__0 _100 ___0</td><td>1.23</td>" in content
    assert "the softmax of a row of numbers" in text_of(page)


def test_real_numbers_are_numbers_where_nothing_says_that_they_are_choices() -> None:
    class Plain:
        def dimensions(self) -> dict[str, Real]:
            return {"one.alpha": Real((2, 3))}

    space: Any = Plain()
    genotype = {"one.alpha": [[0.5, -1.0, 2.0], [12.3456, 0.0, 1e-9]]}
    table = genotype_table(genotype, space)
    lines = [line.replace("\u2007", "").split() for line in table["rows"][0][1][0]]
    assert lines == [["0.5", "-1", "2"], ["12.3", "0", "1e-09"]]
    assert not table["in_percent"]
    assert genotype_table({"a": [1, 2]}, None)["rows"] == [("a", [["[1,2]"]])]


def test_a_learnt_architecture_is_a_search(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert "The training of one network for" in text_of(write_report(run))
    learn(run)
    text = text_of(write_report(run))
    assert "An architecture search for" in text
    assert "the architecture was learnt from training people alone" in text


def test_the_report_of_a_run_elsewhere_is_the_same_bytes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    learn(run)
    write_report(run)
    shutil.copytree(run, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("report"))
    write_report(tmp_path / "elsewhere")
    assert files_of(tmp_path / "elsewhere") == files_of(run)


def test_a_journal_that_is_being_written_is_read_and_left_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    learn(run)
    with (run / "journal.jsonl").open("a") as file:
        file.write('{"effect":"tra')
    before = (run / "journal.jsonl").read_bytes()
    assert "cannot be read" not in text_of(write_report(run)).replace("The dataset cannot be read", "")
    assert (run / "journal.jsonl").read_bytes() == before
    assert "Epochs 3 of" in (run / "report" / "report.html").read_text()


def test_a_damaged_journal_loses_nothing_else(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "journal.jsonl").write_text("{}\n")
    text = text_of(write_report(run))
    assert "journal.jsonl in the run cannot be read" in text
    assert str(run) not in text
    assert set(files_of(run)) == {"report.html", "square.png", "drawn.svg"}
