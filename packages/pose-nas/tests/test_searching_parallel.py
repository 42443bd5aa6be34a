"""Candidates in processes of their own: the order of results, what is told, and processes that die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.composing.compose import compose
from posenas.contract.errors import PosenasError
from posenas.learning.training import Watch
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import Run, create_run
from posenas.searching import parallel
from posenas.searching.candidate import Job, train_candidate
from posenas.searching.parallel import Crew, processes
from posenas.searching.resources import make_resources

CPU = torch.device("cpu")
JOBS = [Job({"width": width}, None, epochs=1) for width in (2, 3, 4)]


def test_how_many_candidates_train_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes(7, CPU) == 7
    for cores, expected in ((1, 1), (3, 3), (64, 4)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, cores=cores: set(range(cores)))
        assert processes(0, CPU) == expected
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert processes(0, torch.device("cuda")) == 8


class Process:
    def __init__(self) -> None:
        self.killed = False

    def kill(self) -> None:
        self.killed = True


class Pool:
    """A pool whose futures the test completes."""

    def __init__(self, work: Callable[[Pool], None]) -> None:
        self.futures: dict[str, Future[Mapping[str, Any]]] = {}
        self.processes = [Process(), Process()]
        self._processes: Mapping[int, Process] | None = dict(enumerate(self.processes))
        self.shut: list[Mapping[str, Any]] = []
        self._work = work

    def submit(self, _function: Any, job: Job) -> Future[Mapping[str, Any]]:
        self.futures[job.key] = Future()
        if len(self.futures) == len(JOBS):
            threading.Thread(target=self._work, args=(self,)).start()
        return self.futures[job.key]

    def done(self, job: Job) -> None:
        self.futures[job.key].set_result({"job": job.genotype})

    def shutdown(self, **options: Any) -> None:
        self.shut.append(options)


def crew_of(folder: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[Pool], None]) -> tuple[Crew, Pool]:
    """A crew without processes; those of the pool are given by hand."""
    pool = Pool(work)
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", lambda *_, **__: pool)
    monkeypatch.setattr(parallel, "_SECONDS_BETWEEN_LOOKS", 0.01)
    return Crew(Recipe(), Run(folder), size=2), pool


def trained(crew: Crew, told: list[Any]) -> Iterator[Mapping[str, Any]]:
    return crew.finish(JOBS, advance=lambda done, total: told.append((done, total)), warn=told.append)


def test_results_come_in_the_jobs_order_whichever_ends_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(pool: Pool) -> None:
        for job in reversed(JOBS):
            pool.done(job)

    crew, pool = crew_of(tmp_path, monkeypatch, work)
    assert [result["job"] for result in trained(crew, [])] == [job.genotype for job in JOBS]
    assert not any(process.killed for process in pool.processes)
    assert not pool.shut, "the processes are there for the next jobs"
    crew.close()
    assert pool.shut == [{}]


def test_warnings_are_told_once_and_steps_are_those_of_all_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    crew, pool = crew_of(tmp_path, monkeypatch, lambda _pool: None)
    for message in (
        ("warned", "an image is torn"),
        ("advanced", (JOBS[1].key, 1, 4)),
        ("warned", "an image is torn"),
        ("advanced", (JOBS[0].key, 2, 4)),
        ("advanced", (JOBS[1].key, 2, 4)),
        ("warned", "another image is torn"),
    ):
        crew._messages.put(message)

    def finish() -> None:
        while len(told) < 5:
            threading.Event().wait(0.005)
        for job in JOBS:
            pool.done(job)

    thread = threading.Thread(target=finish)
    thread.start()
    assert len(list(trained(crew, told))) == 3
    thread.join()
    assert told == ["an image is torn", (1, 12), (3, 12), (4, 12), "another image is torn"]


def test_a_killed_process_is_told_in_words_and_the_others_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(pool: Pool) -> None:
        pool.done(JOBS[0])
        pool.futures[JOBS[1].key].set_exception(BrokenProcessPool("gone"))

    crew, pool = crew_of(tmp_path, monkeypatch, work)
    results = trained(crew, [])
    assert next(results)["job"] == JOBS[0].genotype
    with pytest.raises(PosenasError, match="a process that trains candidates was killed, often for want of"):
        next(results)
    assert all(process.killed for process in pool.processes)
    assert pool.shut == [{"wait": False, "cancel_futures": True}]


def test_a_search_that_stops_ends_the_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crew, pool = crew_of(tmp_path, monkeypatch, lambda pool: pool.done(JOBS[0]))
    results = trained(crew, [])
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert all(process.killed for process in pool.processes)


@pytest.mark.parametrize("before", [None, "ignore"])
def test_starting_the_tracker_leaves_the_environment_alone(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        parallel.resource_tracker, "ensure_running", lambda: seen.append(os.environ["PYTHONWARNINGS"])
    )
    if before is None:
        monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    else:
        monkeypatch.setenv("PYTHONWARNINGS", before)
    parallel._start_resource_tracker()
    assert seen == ["ignore::UserWarning:multiprocessing.resource_tracker"]
    assert os.environ.get("PYTHONWARNINGS") == before


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    composition = compose(
        Recipe(
            space=ComponentChoice("fixed", {"width": 0.125}),
            strategy=ComponentChoice("random"),
            head=ComponentChoice("heatmap", {"input_size": [64, 64]}),
            dataset=ComponentChoice("synthetic", {"train_images": 8, "val_images": 2}),
            evaluation={"held_out": 0.3},
            training={"batch_size": 4, "workers": 0},
            precision="32",
        )
    )
    return composition.recipe


REAL = [Job({"name": name}, None, epochs=1) for name in ("mobilenetv2", "simple-baseline-r50")]


def test_processes_give_what_this_one_gives_and_a_dead_one_is_told(tmp_path: Path, recipe: Recipe) -> None:
    run = create_run(tmp_path / "here", recipe)
    resources = make_resources(compose(recipe), run, warn=print, advance=lambda *_: None)
    silent = Watch(step=lambda *_: None, epoch=lambda *_: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    here = [train_candidate(resources, job, silent) for job in REAL]
    torch.set_num_threads(threads)
    steps: list[tuple[int, int]] = []
    with closing(Crew(recipe, create_run(tmp_path / "there", recipe), size=2)) as crew:
        results = crew.finish(REAL, advance=lambda *told: steps.append(told), warn=print)
        assert list(results) == here
        assert steps[-1][0] <= steps[-1][1]
        for process in list((crew._pool._processes or {}).values()):
            os.kill(process.pid or 0, signal.SIGKILL)
        while not crew._pool._broken:
            threading.Event().wait(0.01)
        with pytest.raises(PosenasError, match="a process that trains candidates was killed"):
            next(crew.finish(REAL, advance=lambda *_: None, warn=print))
