"""The report of a run that learns three fabrics, as its user gets it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from nas_cnf.report.course import entropies
from posenas.composing.compose import compose
from posenas.reporting.report import write_report
from posenas.reporting.report.journaled import read_journaled
from posenas.runs.events import Events
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run, open_run
from posenas.searching.search import search


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    space = {"backbone": "fabric-1", "width": 0.0625, "parts": 3, "channels": 1}
    composition = compose(
        Recipe(
            space=ComponentChoice("cnf", space),
            strategy=ComponentChoice("synchronous", {"epochs": 2, "architecture_rate": 0.3, "prune": 0.2}),
            head=ComponentChoice("vector", {"input_size": [64, 64]}),
            dataset=ComponentChoice("synthetic", {"train_images": 8, "val_images": 2}),
            training={"batch_size": 8, "workers": 0},
            precision="32",
        )
    )
    run = create_run(tmp_path_factory.mktemp("runs") / "run", composition.recipe)
    search(composition, run, events=Events({}, complain=print))
    write_report(run.path)
    return run.path


def test_the_report_shows_every_fabric_and_its_course(finished: Path) -> None:
    page = (finished / "report" / "report.html").read_text()
    files = {path.name: path.read_bytes() for path in (finished / "report").iterdir()}
    fabrics = [f"architecture-{name}.png" for name in ("backbone", "part1", "part2", "part3")]
    assert set(files) == {"report.html", "poses.png", "entropy.png", *fabrics}
    embedded = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    shown = [base64.b64decode(picture) for picture in embedded]
    assert shown == [files[name] for name in ("entropy.png", *fabrics)]  # the poses are a smaller JPEG
    assert "as space <code>cnf</code> draws it: backbone, part1, part2, part3." in page
    assert "Not everything could be shown" not in page


def test_the_genotype_is_in_percent(finished: Path) -> None:
    page = (finished / "report" / "report.html").read_text().replace("\u2007", "")
    _, best = json.loads((finished / "trials.json").read_text())
    rows = np.exp(np.array(best["genotype"]["part2.beta"]))
    lines = [" ".join(f"{100 * share:.0f}" for share in row / row.sum()) for row in rows]
    assert f"<td>{'<br>'.join(lines)}</td>" in page


def test_the_course_begins_undecided_and_ends_with_what_was_learnt(finished: Path) -> None:
    run, _ = open_run(finished)
    (genotypes,) = read_journaled(run)[0].courses
    course = entropies(genotypes)
    learnt, _ = json.loads((finished / "trials.json").read_text())
    assert set(course) == set(learnt["genotype"])
    for name, found in course.items():
        assert len(found) == 1 + 2
        assert found[0] == pytest.approx(1.0)
        rows = np.exp(np.array(learnt["genotype"][name]))
        shares = rows / rows.sum(1, keepdims=True)
        last = (-(shares * np.log(shares)).sum(1) / np.log(shares.shape[1])).mean()
        assert found[-1] == pytest.approx(last)
        assert last < 1 - 1e-6


def test_the_report_says_what_pruning_left_and_changed(finished: Path) -> None:
    page = (finished / "report" / "report.html").read_text()
    learnt, best = json.loads((finished / "trials.json").read_text())
    for name, trial in (("as it was learnt", learnt), ("the answer", best)):
        (row,) = re.findall(rf"<th scope=\"row\">{name}</th>.*", page)
        assert f"<td>{trial['costs']['parameters']:,.0f}</td>" in row
    records = [json.loads(line) for line in (finished / "journal.jsonl").read_text().splitlines()]
    (change,) = [record["result"]["change"] for record in records if record["effect"] == "leave out"]
    assert f"outputs change by {100 * change['relative']:.2g} %" in page
    assert "pareto.png" not in {path.name for path in (finished / "report").iterdir()}
    assert "the architecture was learnt from training people alone" in page
