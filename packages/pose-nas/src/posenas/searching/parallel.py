"""Candidates trained at the same time, each by a process of its own with one thread.

What a job gives depends on nothing but the job, so neither the number of processes nor the order in which
they end can be seen in the results.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.queues import SimpleQueue
from typing import Any, TypeAlias

import torch

from posenas.composing.compose import compose
from posenas.contract.errors import PosenasError
from posenas.data.reading import end_with
from posenas.learning.training import Watch
from posenas.networks.devices import keep_freed_memory
from posenas.runs.recipe import Recipe, recipe_from_tables, recipe_tables
from posenas.runs.run import Run
from posenas.runs.stopping import leave_stopping_to_parent
from posenas.searching.engine import Task
from posenas.searching.resources import Resources, make_resources

Message: TypeAlias = "tuple[str, Any]"
"""`("warned", text)`, or `("advanced", (key of the job, steps done, steps in all))`."""

_MOST_ON_A_CPU = 4
"""Processes that are started unasked: each holds the data and torch, half a gigabyte and more."""
_SECONDS_BETWEEN_LOOKS = 0.2


def processes(wanted: int, device: torch.device) -> int:
    """Return how many candidates to train at once; 0 wants one for each GPU, or each core up to four."""
    if wanted:
        return wanted
    if device.type == "cuda":
        return torch.cuda.device_count()
    return min(len(os.sched_getaffinity(0)), _MOST_ON_A_CPU)


class Crew:
    """Processes that train candidates of one run, started when they are first needed."""

    def __init__(self, recipe: Recipe, run: Run, *, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        _start_resource_tracker()
        self._messages: SimpleQueue[Message] = context.SimpleQueue()
        devices: SimpleQueue[int] = context.SimpleQueue()
        for number in range(size):
            devices.put(number)
        self._pool = ProcessPoolExecutor(
            size,
            mp_context=context,
            initializer=_prepare,
            initargs=(recipe_tables(recipe), run, self._messages, devices, os.getpid(), size),
        )

    def finish(
        self, jobs: Sequence[Task], *, advance: Callable[[int, int], None], warn: Callable[[str], None]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the jobs' results, in their order.

        Args:
            jobs: the candidates; the files that they read lie in the run.
            advance: told the steps that are done and those that are to be done, of all jobs together.
            warn: told each process's warnings, the same text once.

        Raises:
            PosenasError: where a process was killed.
        """
        with _killed_told():
            futures = [self._pool.submit(_work, job) for job in jobs]
        news = _News(jobs, advance=advance, warn=warn)
        try:
            for future in futures:
                while not future.done():
                    wait([future], timeout=_SECONDS_BETWEEN_LOOKS)
                    self._listen(news)
                with _killed_told():
                    result = future.result()
                yield result
        finally:
            if not all(future.done() for future in futures):  # stopped, or a job raised
                self._abandon()

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()

    def _listen(self, news: _News) -> None:
        while not self._messages.empty():
            news.hear(self._messages.get())

    def _abandon(self) -> None:
        """End the processes at once; what they have not finished they will do again."""
        running = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in running:
            process.kill()


def _start_resource_tracker() -> None:
    """Start Python's own process that removes what killed processes leave behind.

    It says nothing of what it finds, since killing processes is how a stopped run ends them.
    """
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


class _News:
    """What the processes say, added up."""

    def __init__(
        self, jobs: Sequence[Task], *, advance: Callable[[int, int], None], warn: Callable[[str], None]
    ) -> None:
        self._advance, self._warn = advance, warn
        self._steps: dict[str, tuple[int, int]] = {}
        self._keys = [job.key for job in jobs]
        self._warned: set[str] = set()

    def hear(self, message: Message) -> None:
        kind, content = message
        if kind == "warned":
            if content not in self._warned:
                self._warn(content)
            self._warned.add(content)
            return
        key, done, total = content
        self._steps[key] = done, total
        known = [self._steps.get(key, (0, total)) for key in self._keys]
        self._advance(sum(done for done, _ in known), sum(total for _, total in known))


@contextmanager
def _killed_told() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise PosenasError(
            "a process that trains candidates was killed, often for want of memory: resume the run, or begin "
            "one with a lower training.parallel or training.cache"
        ) from error


_resources: Resources | None = None
_messages: SimpleQueue[Message] | None = None


def _prepare(
    tables: Mapping[str, Any],
    run: Run,
    messages: SimpleQueue[Message],
    devices: SimpleQueue[int],
    parent: int,
    size: int,
) -> None:
    """Prepare a process for its jobs, one of `size`."""
    global _resources, _messages
    leave_stopping_to_parent()
    end_with(parent)
    torch.set_num_threads(1)
    keep_freed_memory()
    composition = compose(recipe_from_tables(tables))
    number = devices.get()
    if composition.compute.device.type == "cuda":
        torch.cuda.set_device(number % torch.cuda.device_count())
    _messages = messages
    _resources = make_resources(
        composition,
        run,
        warn=lambda message: messages.put(("warned", message)),
        advance=lambda _task, _done, _total: None,
        beside=size,
    )


def _work(job: Task) -> Mapping[str, Any]:
    assert _resources is not None
    assert _messages is not None
    messages = _messages
    watch = Watch(
        step=lambda done, total: messages.put(("advanced", (job.key, done, total))),
        epoch=lambda _number, _epochs, _losses: None,
    )
    return job.work(_resources, watch)
