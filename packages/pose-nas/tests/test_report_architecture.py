"""What a report shows of an architecture: the space's own pictures, real numbers, entropies by epoch."""

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
from posenas.reporting.report.architecture import draw_genotype, safe_names
from posenas.reporting.report.course import entropy_picture, read_courses
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
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Real, sample_uniform


@dataclass(frozen=True)
class SketchedSpace:
    '''Draws one grey square for each dimension.'''

    broken: Annotated[bool, "cannot draw"] = False
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

    def draw(self, genotype):
        if self.broken:
            raise PosenasError("space sketched: out of ink")
        grey = 60 * genotype["two"]
        square = cv2.imencode(".png", np.full((self.side, self.side), grey, np.uint8))[1].tobytes()
        return {"the / square": square, "a text": b"no picture"}
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
        {"space": {"name": "sketched", **options}, "dataset": {"name": "coco", "root": "nowhere"}}
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


def test_the_shown_genotype_is_drawn_by_its_space(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    page = write_report(run)
    files = files_of(run)
    assert set(files) == {"report.html", "architecture-the-square.png"}
    square = cv2.imdecode(np.frombuffer(files["architecture-the-square.png"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert (square == 120).all()
    assert base64.b64encode(files["architecture-the-square.png"]).decode() in page.read_text()
    text = text_of(page)
    assert "as space sketched draws it: the / square." in text
    assert "The space's picture a text is no PNG file" in text
    write_report(run)
    assert files_of(run) == files


def test_a_picture_of_an_earlier_state_does_not_stay(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    learn(run)
    write_report(run)
    (run / "report" / "architecture-older.png").write_bytes(b"older")
    assert {"architecture-the-square.png", "entropy.png"} <= set(files_of(run))
    (run / "trials.json").unlink()
    write_report(run)
    assert set(files_of(run)) == {"report.html", "entropy.png"}  # what was learnt is known without a trial
    (run / "journal.jsonl").unlink()
    assert "Architecture" not in text_of(write_report(run))
    assert set(files_of(run)) == {"report.html"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"broken": True}, "The network cannot be drawn: space sketched: out of ink"),
        ({"side": 0}, "The space cannot be asked to draw the network: space sketched: no side"),
        ({"colour": 1}, "The space cannot be asked to draw the network: unknown option 'colour'"),
        ({"name": "absent"}, "The space cannot be asked to draw the network: "),
    ],
)
def test_what_cannot_be_drawn_is_named_and_nothing_else_lost(
    tmp_path: Path, options: dict[str, Any], complaint: str
) -> None:
    run = make_run(tmp_path / "run", **options)
    text = text_of(write_report(run))
    assert complaint in text
    assert "oks.AP 0.200" in text
    assert "Genotype" in text
    assert set(files_of(run)) == {"report.html"}


def test_a_space_that_draws_nothing_is_no_problem(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", name="fixed")
    text = text_of(write_report(run))
    assert "cannot be asked to draw" not in text
    assert "Architecture" not in text


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


def test_entropies_are_those_of_the_journal(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    trainings = learn(run, times=2)
    courses = read_courses(run / "journal.jsonl")
    assert len(courses) == 2
    for course, genotypes in zip(courses, trainings, strict=True):
        assert set(course) == {"one.alpha"}  # a single number is no choice
        for found, genotype in zip(course["one.alpha"], genotypes, strict=True):
            rows = np.exp(np.array(genotype["one.alpha"]))
            shares = rows / rows.sum(1, keepdims=True)
            assert found == pytest.approx((-(shares * np.log(shares)).sum(1) / np.log(3)).mean())


def test_the_course_of_a_run_elsewhere_is_the_same_bytes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    learn(run)
    text = text_of(write_report(run))
    assert "An architecture search for" in text
    assert "How undecided each of the architecture's dimensions is" in text
    shutil.copytree(run, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("report"))
    write_report(tmp_path / "elsewhere")
    assert files_of(tmp_path / "elsewhere") == files_of(run)


def test_each_training_has_its_panel(tmp_path: Path) -> None:
    heights = []
    for times in (1, 2):
        run = make_run(tmp_path / str(times))
        learn(run, times=times)
        picture = entropy_picture(read_courses(run / "journal.jsonl"))
        heights.append(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED).shape[0])
    assert heights[1] > 1.5 * heights[0]


def test_a_journal_that_is_being_written_is_read_and_left_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    learn(run)
    with (run / "journal.jsonl").open("a") as file:
        file.write('{"effect":"tra')
    before = (run / "journal.jsonl").read_bytes()
    assert "cannot be read" not in text_of(write_report(run)).replace("The dataset cannot be read", "")
    assert (run / "journal.jsonl").read_bytes() == before
    assert "entropy.png" in files_of(run)


def test_a_damaged_journal_loses_nothing_else(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "journal.jsonl").write_text("{}\n")
    text = text_of(write_report(run))
    assert "journal.jsonl in the run cannot be read" in text
    assert str(run) not in text
    assert set(files_of(run)) == {"report.html", "architecture-the-square.png"}


def test_file_names_are_safe_and_told_apart() -> None:
    names = ["part1", "a/b", "a b", "A-B", "../..", "", "x" * 300, "é", ".hidden"]
    safe = safe_names(names)
    assert safe[:4] == ["part1", "a-b", "a-b-2", "A-B-3"]
    assert len({name.casefold() for name in safe}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,70}", name) for name in safe)


def test_a_space_without_the_capability_is_not_asked() -> None:
    space: Any = object()
    assert draw_genotype(space, {}) == ({}, [])
