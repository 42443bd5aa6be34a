"""Packages of strangers: those of the tutorial, as it prints them, and all kinds of bad ones."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from documented_plugins import FILES, PAGES, TUTORIAL, commands, package
from posenas import Problem
from running import SMALL, Answer, refusal

Posenas = Callable[..., Answer]
Install = Callable[..., None]

PACKAGES = Path(__file__).parents[1] / "packages"
PYTHON = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
MOVES = re.findall(r"^\|.*\| (.+) \|$", TUTORIAL.partition("## Moving from 0.1")[2], flags=re.MULTILINE)
"""What stands on the right of the tables that say how plugins move to 0.2."""
SMALL_PLAIN = (*SMALL, "-o", "strategy.epochs=1", "-o", "strategy.candidates=2")


def rows(posenas: Posenas) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Status and problem by kind, name and distribution."""
    return {
        (row["kind"], row["name"], row["distribution"]): (row["status"], row["problem"])
        for row in posenas("plugins", "--json").json
    }


def test_the_tutorials_space_is_two_files_and_under_40_lines_of_code() -> None:
    lines = FILES["plain-space/plain_space.py"].splitlines()
    assert len([line for line in lines if line.strip()]) < 40
    assert FILES["plain-space/pyproject.toml"].count("plain_space:") == 1


def test_the_tutorials_commands_work_as_printed(posenas: Posenas, install: Install) -> None:
    install(**package("plain-space"))
    printed = commands("write-a-plugin")
    assert {"plugins", "show", "compose", "check"} <= {command[0] for command in printed}
    for number, command in enumerate(printed):
        answer = posenas(*command, *(("--dry-run",) if command[0] == "compose" else ()))
        assert answer.status == 0, answer.err
        if command[0] == "compose":
            answer = posenas(*command, *SMALL_PLAIN, "--run", f"run{number}")
            assert answer.status == 0, answer.err
            assert "warning" not in answer.err.lower()
    assert rows(posenas)["space", "plain", "plain-space"] == ("ok", "")


def test_the_tutorials_strategy_continues(posenas: Posenas, install: Install, tmp_path: Path) -> None:
    install(**package("patient-search"))
    assert posenas("compose", "--strategy", "patient", *SMALL_PLAIN, "--run", "run").status == 0
    trials = (tmp_path / "run" / "trials.json").read_bytes()
    journal = tmp_path / "run" / "journal.jsonl"
    complete = journal.read_bytes()
    lines = complete.splitlines(keepends=True)
    assert len(lines) == 1 + 3 * 2
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    (tmp_path / "run" / "journal.head").unlink()  # a kill then would have left an earlier count
    (tmp_path / "run" / "trials.json").unlink()
    assert posenas("resume", "run").status == 0
    assert journal.read_bytes() == complete
    assert (tmp_path / "run" / "trials.json").read_bytes() == trials


def test_the_tutorials_cost_limits_a_search_as_printed(
    posenas: Posenas, install: Install, tmp_path: Path
) -> None:
    for name in ("plain-space", "memory-cost"):
        install(**package(name))
    (command,) = (command for command in commands("cost") if any("memory_mb" in word for word in command))
    limit = command[command.index("--limit") + 1]
    most = float(limit.removeprefix("memory_mb<="))
    assert posenas(*command, "--limit", f"memory_mb>={0.8 * most}", "--dry-run").status == 0
    beyond = [word.replace(limit, f"memory_mb>={1.3 * most}") for word in command]
    assert posenas(*beyond, "--dry-run").status == 0  # so that the limit leaves something out
    small = [*SMALL_PLAIN, "-o", "strategy.weights=scratch", "-o", "strategy.final_epochs=1"]
    small = [word.replace("64,64", "128,96") for word in small]  # the default, for which it is printed
    answer = posenas(*command, *small, "--run", "run")
    assert answer.status == 0, answer.err
    trials = json.loads((tmp_path / "run" / "trials.json").read_text())
    costs = [trial["costs"]["memory_mb"] for trial in trials]
    assert len(costs) == 3
    assert 0.8 * most < max(costs) <= most  # the smallest network is a candidate too
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "MB of activations" in page
    assert "all of them together" in page


def test_the_tutorials_section_stands_in_the_report(
    posenas: Posenas, install: Install, tmp_path: Path
) -> None:
    imports, method = PYTHON.findall(PAGES["section"])
    assert len(method.splitlines()) < 15
    patient = package("patient-search")
    install(**{**patient, "source": f"{imports}{patient['source']}\n{method}"})
    answer = posenas("compose", "--strategy", "patient", *SMALL_PLAIN, "--run", "run")
    assert answer.status == 0, answer.err
    assert "warning" not in answer.err.lower()
    report = tmp_path / "run" / "report"
    shown = (report / "report.html").read_text().partition("<h2>Was patience worth it?</h2>")[2]
    assert shown.lstrip().startswith("<p>2 candidates, ranked by oks.AP.</p>")
    assert 'src="patience.png"' not in shown  # the picture itself is in the page
    assert (report / "patience.png").read_bytes().startswith(b"\x89PNG")


def test_what_plugins_move_to_is_there() -> None:
    names = {name for cell in MOVES for name in re.findall(r"`posenas\.([\w.]+)", cell)}
    assert len(names) > 15
    for name in names:
        module, _, attribute = name.rpartition(".")
        home = importlib.import_module(f"posenas.{module}" if module else "posenas")
        if not hasattr(home, attribute):
            importlib.import_module(f"posenas.{name}")
    calls = [call for cell in MOVES for call in re.findall(r"problem\.(\w+)\(([^`]*)\)", cell)]
    assert len(calls) > 8
    for method, arguments in calls:
        known = inspect.signature(getattr(Problem, method)).parameters
        assert set(re.findall(r"(\w+)=", arguments)) <= known.keys(), method


WINNER = FILES["patient-search/patient_search.py"].replace('stage="final"', 'stage="winner"')
WINNERS_ENTRY = {"posenas.strategy": {"winner": "winner_search:PatientSearch"}}


def test_an_answer_is_one_whatever_its_stage_is_called(
    posenas: Posenas, install: Install, tmp_path: Path
) -> None:
    install("winner-search", WINNER, entry_points=WINNERS_ENTRY)
    assert posenas("compose", "--strategy", "winner", *SMALL_PLAIN, "--run", "run").status == 0
    run = tmp_path / "run"
    assert json.loads((run / "best" / "trial.json").read_text())["stage"] == "winner"
    page = (run / "report" / "report.html").read_text()
    assert "not finished" not in page
    assert "Ranking." in page
    assert posenas("report", "run").status == 0
    assert posenas("evaluate", "run").status == 0
    files = {name: (run / name).read_bytes() for name in ("journal.jsonl", "trials.json", "best/trial.json")}
    assert posenas("resume", "run").status == 0
    assert files == {name: (run / name).read_bytes() for name in files}
    assert posenas("compare", "run", "--random", "2").status == 0
    (run / "trials.jsonl").touch()  # as if it had been killed while it was resumed
    assert "this run has no result yet" in refusal(posenas("compare", "run"))
    assert posenas("resume", "run").status == 0
    assert not (run / "trials.jsonl").exists()
    assert (run / "best" / "trial.json").read_bytes() == files["best/trial.json"]


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ("return (yield from ())", "ended without a trial"),
        ("yield winner", "strategy 'winner': search yields Odd, expected Trial"),
        ("yield shared", "its last trial, which is the answer, has no weights of its own"),
        ("yield failed", "the final network failed: RuntimeError: no memory"),
    ],
)
def test_a_search_without_an_answer_is_one_line(
    posenas: Posenas, install: Install, last: str, says: str
) -> None:
    source = f"""
from dataclasses import dataclass, replace
from posenas.learning.sandwich_step import SandwichStep

class Odd: pass

@dataclass(frozen=True)
class PatientSearch:
    def requires(self): return ()

    def search(self, problem):
        winner = Odd()
        weights = problem.train_shared(SandwichStep(problem.space, 0, "off"), epochs=1)
        shared, = problem.evaluate_many(
            [problem.space.smallest()], weights, stage="final", calibration_people=8
        )
        failed = replace(shared, metrics={{}}, failure="RuntimeError: no memory")
        {last}
"""
    install("winner-search", source, entry_points=WINNERS_ENTRY)
    answer = posenas("compose", "--strategy", "winner", *SMALL, "--run", "run")
    assert answer.status == 2, answer
    assert says in answer.err.splitlines()[-1]


def test_a_step_that_resuming_would_not_know_is_one_line(posenas: Posenas, install: Install) -> None:
    source = """
from dataclasses import dataclass
from posenas.contract.components import WeightSharing

class MyStep:
    def __call__(self, network, batch, rng, *, update, progress): return {}

@dataclass(frozen=True)
class PatientSearch:
    def requires(self): return (WeightSharing,)

    def search(self, problem):
        problem.train_shared(MyStep(), epochs=1)
        yield
"""
    install("winner-search", source, entry_points=WINNERS_ENTRY)
    answer = posenas("compose", "--strategy", "winner", *SMALL, "--run", "run")
    assert answer.status == 2, answer
    assert "step winner_search.MyStep is no frozen dataclass" in answer.err.splitlines()[-1]


def test_the_listener_wrote_its_table(posenas: Posenas, install: Install, tmp_path: Path) -> None:
    install(**package("plain-space"))
    install(**package("trial-table"))
    answer = posenas(
        "compose", "--space", "plain", *SMALL_PLAIN, "-o", "strategy.final_epochs=1", "--run", "run"
    )
    assert answer.status == 0, answer.err
    table = (tmp_path / "run" / "trials.csv").read_text().splitlines()
    assert table[0].startswith("genotype,stage,GMACs,oks.AP,")
    assert [line.split(",")[1] for line in table[1:]] == ["candidate", "candidate", "final"]


def test_a_stranger_obeys_limits_and_options(posenas: Posenas, install: Install) -> None:
    install(**package("plain-space"))
    plain = ("compose", "--space", "plain", *SMALL, "--dry-run")
    assert posenas(*plain, "-o", "space.widest=4").status == 0
    assert "space plain: got 1, expected int, >= 2" in refusal(posenas(*plain, "-o", "space.widest=1"))
    assert "did you mean 'widest'" in refusal(posenas(*plain, "-o", "space.wides=4"))
    assert "the cheapest is" in refusal(posenas(*plain, "--limit", "parameters<=1000"))
    missing = FILES["plain-space/plain_space.py"].replace("def largest", "def biggest")
    install("plain-alone", missing, entry_points={"posenas.space": {"alone": "plain_alone:PlainSpace"}})
    message = refusal(posenas("compose", "--space", "alone", *SMALL, "--dry-run"))
    assert "strategy 'sandwich' needs WeightSharing" in message
    assert "spaces for it: autopose, ofa, ofa-video, plain" in message
    assert "strategies for them: evolution, neuroevolution, predictor, random, reinforce" in message


EVALUATOR = """
from dataclasses import dataclass

from posenas.contract.scores import Evaluation, Metric

@dataclass(frozen=True)
class Always:
    def metrics(self): return (Metric("one"),)
    def evaluate(self, predictions, truth): return Evaluation({"one": 1.0})
"""
LISTENERS = """
from posenas.runs.events import hookimpl

@hookimpl
def run_started(run): raise OSError("no network")
"""


@pytest.fixture
def bad_neighbours(install: Install) -> None:
    install(
        "bad-broken",
        EVALUATOR + "import absent_module\n",
        entry_points={"posenas.evaluator": {"broken": "bad_broken:Always"}},
    )
    install(
        "bad-outdated",
        EVALUATOR,
        entry_points={"posenas.evaluator": {"outdated": "bad_outdated:Always"}},
        requires=("pose-nas>=99,<99.1",),
    )
    install("bad-one", EVALUATOR, entry_points={"posenas.evaluator": {"twice": "bad_one:Always"}})
    install("bad-two", EVALUATOR, entry_points={"posenas.evaluator": {"twice": "bad_two:Always"}})
    install(
        "bad-import",
        EVALUATOR + "open('/nowhere/at/all')\n",
        entry_points={"posenas.evaluator": {"import": "bad_import:Always"}},
    )
    install(
        "bad-shape",
        EVALUATOR.replace("metrics", "figures"),
        entry_points={"posenas.evaluator": {"shape": "bad_shape:Always"}},
    )
    install(
        "bad-listener",
        LISTENERS,
        entry_points={"posenas.hooks": {"listener": "bad_listener", "absent": "bad_absent"}},
    )
    install("bad-group", EVALUATOR, entry_points={"posenas.evaluators": {"lost": "bad_group:Always"}})
    install("good", EVALUATOR, entry_points={"posenas.evaluator": {"always": "good:Always"}})


@pytest.mark.usefixtures("bad_neighbours")
def test_bad_plugins_are_rows_with_reasons(posenas: Posenas) -> None:
    found = rows(posenas)
    broken, why = found["evaluator", "broken", "bad-broken"]
    assert broken == "broken"
    assert "it imports absent_module, which is not installed" in why
    assert found["evaluator", "outdated", "bad-outdated"] == (
        "outdated",
        "needs pose-nas>=99,<99.1, this is 0.2.0: pip install --upgrade 'pose-nas>=99,<99.1'",
    )
    assert found["evaluator", "twice", "bad-one"] == (
        "doubled",
        "also offered by bad-two 1.0: choose bad-one:twice, or set POSENAS_DISABLE=bad-two",
    )
    assert found["posenas.evaluators", "lost", "bad-group"] == (
        "broken",
        "no group is called posenas.evaluators: did you mean 'posenas.evaluator'?",
    )
    assert found["hooks", "absent", "bad-listener"] == ("broken", "there is no module bad_absent")
    ours = {path.name for path in PACKAGES.iterdir()} | {"good"}
    own = {key: row for key, row in found.items() if key[2] in ours}
    assert len(own) > 9
    assert set(own.values()) == {("ok", "")}
    listed = posenas("plugins").out.splitlines()
    assert len(listed) == len(found)
    assert any(
        line.endswith("bad_absent; try pip install --upgrade bad-listener, or tell its authors")
        for line in listed
    )


@pytest.mark.usefixtures("bad_neighbours")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "evaluator broken of bad-broken 1.0 is broken: "),
        ("outdated", "evaluator outdated of bad-outdated 1.0 is outdated: needs pose-nas>=99,<99.1"),
        ("twice", "is doubled: also offered by "),
        ("import", "evaluator import of bad-import 1.0 cannot be imported: FileNotFoundError: "),
        ("shape", "evaluator shape of bad-shape 1.0 is no evaluator: bad_shape:Always lacks metrics"),
        ("alway", "did you mean 'always'?"),
    ],
)
def test_choosing_a_bad_plugin_is_one_line(posenas: Posenas, name: str, says: str) -> None:
    for words in (("compose", "--dry-run", *SMALL, "--evaluator", name), ("show", "evaluator", name)):
        assert says in refusal(posenas(*words))


@pytest.mark.usefixtures("bad_neighbours")
def test_one_of_two_is_chosen_by_its_distribution(posenas: Posenas, tmp_path: Path) -> None:
    assert posenas("show", "evaluator", "bad-two:twice").out.startswith(
        "evaluator bad-two:twice, of bad-two 1.0 (bad_two:Always)"
    )
    words = (*SMALL_PLAIN, "--maximize", "twice.one", "--evaluator", "bad-two:twice")
    answer = posenas("compose", *words, "--dry-run", "--save", "saved.toml")
    assert answer.status == 0, answer.err
    assert 'name = "bad-two:twice"' in (tmp_path / "saved.toml").read_text()


@pytest.mark.usefixtures("bad_neighbours")
def test_bad_neighbours_do_not_harm_a_run(posenas: Posenas, tmp_path: Path) -> None:
    small = (*SMALL_PLAIN, "-o", "strategy.final_epochs=1")
    answer = posenas("compose", *small, "--evaluator", "always", "--run", "run", "--json")
    assert answer.status == 0, answer.err
    assert answer.last_json["best"]["metrics"] == {"always.one": 1.0}
    assert "there is no module bad_absent" in answer.err
    assert "OSError('no network')" in answer.err
    assert (tmp_path / "run" / "report" / "report.html").exists()


BROKEN_ZOO = """
from posenas.contract.zoo import ZooEntry

DATA = None
COMMON = dict(space="ofa", options={"backbone": "tiny"}, input_size=(64, 64), published={}, source="nobody")
BAD = ZooEntry(genotype=None, keypoints="coco-17", **COMMON)
POINTS = ZooEntry(genotype={}, keypoints="coco-18", **COMMON)
GENOTYPE = ZooEntry(genotype={"a": 1}, keypoints="coco-17", **COMMON)
RED = ZooEntry(genotype={"\\x1b[31m": 1}, keypoints="coco-17", **COMMON)
"""


def test_a_broken_zoo_entry_is_a_row_and_harms_nothing(
    posenas: Posenas, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSENAS_DISABLE", "nas-autopose,nas-cnf,nas-evo,head-kapao,head-zoom")  # large zoos
    values = ("DATA", "BAD", "POINTS", "GENOTYPE", "RED", "NOTHING")
    points = {f"a-{value.lower()}": f"evilplug:{value}" for value in values}
    install("evilplug", BROKEN_ZOO, entry_points={"posenas.zoo": points})
    answer = posenas("zoo")
    assert answer.status == 0, answer.err
    rows = {line.split()[0]: line for line in answer.out.splitlines() if line}
    assert "evilplug:DATA is of type NoneType, not a posenas.zoo.ZooEntry" in rows["a-data"]
    assert "has a wrong field: genotype" in rows["a-bad"]
    assert "names keypoints 'coco-18'" in rows["a-points"]
    assert "unknown dimension 'a'" in rows["a-genotype"]
    assert r"\x1b[31m" in rows["a-red"]
    assert "evilplug defines no NOTHING" in rows["a-nothing"]
    assert "9,569,809" in rows["mobilenetv2-pose"]
    problems = {row["name"]: row["problem"] for row in posenas("zoo", "--json").json if "problem" in row}
    assert {name for name, says in problems.items() if "POSENAS_DISABLE" not in says} == set(points)
    for name in ("a-data", "a-bad", "a-genotype"):
        assert posenas("train", name, "--dry-run").status == 2
    assert posenas("describe", "mobilenetv2-pose").status == 0
    assert "evilplug 1.0 is not a zoo entry" in posenas("doctor").out
