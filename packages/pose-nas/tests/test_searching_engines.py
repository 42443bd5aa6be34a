"""The choice of an engine, and what a search makes of one: its results are those of this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Candidate, Weights
from posenas.contract.trial import Trial
from posenas.learning.training import Watch
from posenas.runs.events import Events
from posenas.runs.journal import Journal
from posenas.runs.provenance import Provenance
from posenas.runs.run import Run
from posenas.searching import engines
from posenas.searching.engine import Engine, Task
from posenas.searching.engines import check_engine, opened_engine
from posenas.searching.parallel import Crew
from posenas.searching.problem import JournaledProblem
from posenas.searching.resources import Resources, make_resources
from toy_search import SMALL, WIDE, Heard, Still, composed, problem_in, refuse

NOTHING = Provenance({}, {}, {})


def test_the_local_engine_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: None)
    check_engine("local")
    with opened_engine("local", composed(), Run(tmp_path), provenance=NOTHING, warn=refuse) as engine:
        assert engine is None


@pytest.mark.parametrize("engine", ["ray", "ray://head:10001", "10.0.0.3:6379"])
def test_a_missing_extra_is_named(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: None)
    with pytest.raises(PosenasError, match=r"^engine ray is not installed: pip install pose-nas\[ray\]$"):
        check_engine(engine)


@pytest.mark.parametrize("engine", ["", "Ray", "slurm", "ray://head", "http://head:1", "head:port", "a b:1"])
def test_a_mistyped_engine_is_refused(engine: str) -> None:
    with pytest.raises(PosenasError, match=r"expected local, ray, HOST:PORT or ray://HOST:PORT$"):
        check_engine(engine)


def test_an_address_without_an_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _name: object())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_engine(f"ray://127.0.0.1:{port}")
    for address in (f"127.0.0.1:{port}", "127.0.0.1:99999"):
        with pytest.raises(
            PosenasError, match=rf"^engine {address}: nothing answers at {address} \(.*ray start"
        ):
            check_engine(address)


@dataclass
class Elsewhere:
    """An engine with a folder of its own, as a worker on another machine has it, which works backwards."""

    run: Run
    folder: Path
    done: list[str] = field(default_factory=list)

    def finish(
        self, jobs: Sequence[Task], *, advance: Callable[[int, int], None], warn: Callable[[str], None]
    ) -> Iterator[Mapping[str, Any]]:
        there = Run(self.folder)
        resources: Resources = make_resources(composed(), there, warn=warn, advance=lambda *_: None)
        watch = Watch(step=lambda *_: None, epoch=lambda *_: None)
        results = {}
        for number, job in enumerate(reversed(jobs), 1):
            move(job.files, self.run, there)
            results[job.key] = job.work(resources, watch)
            move([results[job.key]["weights"]] if "weights" in results[job.key] else [], there, self.run)
            self.done.append(job.key)
            advance(number, len(jobs))
        yield from (results[job.key] for job in jobs)

    def close(self) -> None:
        """Do nothing: no process was started."""


def move(files: Sequence[str], here: Run, there: Run) -> None:
    there.weights.mkdir(parents=True, exist_ok=True)
    for file in files:
        (there.weights / file).write_bytes((here.weights / file).read_bytes())


def problem_elsewhere(folder: Path, heard: Heard) -> tuple[JournaledProblem, Elsewhere]:
    run = Run(folder)
    folder.mkdir(exist_ok=True)
    engine = Elsewhere(run, folder.with_name("elsewhere"))
    events = Events({"test": heard}, complain=refuse)
    return JournaledProblem(composed(), run, Journal(run.journal_file), events=events, engine=engine), engine


def searched(problem: JournaledProblem) -> list[Trial]:
    """Candidates that are trained alone, that inherit, and that are scored on shared weights."""
    parents = list(
        problem.train_and_evaluate_many([Candidate(SMALL), Candidate(WIDE)], epochs=1, stage="parent")
    )
    heir = Candidate(WIDE, Weights(str(parents[0].weights), shared=False))
    children = list(problem.train_and_evaluate_many([heir, Candidate(SMALL)], epochs=2, stage="child"))
    shared = problem.train_shared(Still(), epochs=1)
    scored = list(problem.evaluate_many([SMALL, WIDE, SMALL], shared, stage="scored", calibration_people=4))
    return [*parents, *children, *scored]


def test_an_engine_gives_what_this_machine_gives(tmp_path: Path) -> None:
    expected = searched(problem_in(tmp_path / "here"))
    heard = Heard()
    problem, engine = problem_elsewhere(tmp_path / "there", heard)
    assert searched(problem) == expected
    assert len(engine.done) == len(set(engine.done)) == 6
    assert ("2 candidates on Ray", 2, 2) in heard.advances
    journals = [(tmp_path / name / "journal.jsonl").read_bytes() for name in ("here", "there")]
    assert journals[0] == journals[1]


def test_only_what_is_unknown_is_asked_of_an_engine(tmp_path: Path) -> None:
    expected = searched(problem_in(tmp_path / "run"))
    problem, engine = problem_elsewhere(tmp_path / "run", Heard())
    assert searched(problem) == expected
    assert engine.done == []


def test_the_crew_is_an_engine() -> None:
    made: type[Engine] = Crew
    assert {"finish", "close"} <= set(vars(made))
