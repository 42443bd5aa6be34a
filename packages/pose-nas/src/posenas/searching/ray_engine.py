"""Tasks of a search on Ray: on this machine, or on all the machines of a cluster that is there already.

Weights travel through Ray's object store, so the machines share no folder. Ray does a task again whose worker
or machine is lost. The results lie in the run as they come, and are given in the tasks' order.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from posenas.composing.composition import Composition
from posenas.contract.errors import PosenasError
from posenas.runs.checkpoint import read_weights
from posenas.runs.files import write_atomically
from posenas.runs.provenance import Provenance
from posenas.runs.recipe import recipe_text
from posenas.runs.run import OWN_CACHE, Run
from posenas.runs.sealed import write_sealed
from posenas.searching import ray_worker
from posenas.searching.candidate import read_waiting
from posenas.searching.effects import waiting_result_of
from posenas.searching.engine import Task
from posenas.searching.parallel import processes
from posenas.searching.ray_machines import got, in_one_line, look_at_machines, needs
from posenas.searching.ray_worker import Brief, Done

_MOST_RETRIES = 20
"""How often Ray does a task again; one that kills each of its workers must end some time."""
_SECONDS_BETWEEN_LOOKS = 1.0
_SETTINGS = {
    "GRPC_VERBOSITY": "ERROR",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_task_oom_retries": str(_MOST_RETRIES),
}
"""What Ray reads from the environment: it is to be quiet, and not to do again for ever what needs too much
memory."""


def connected(
    address: str | None,
    composition: Composition,
    run: Run,
    *,
    provenance: Provenance,
    warn: Callable[[str], None],
) -> RayEngine:
    """Return an engine on Ray, each machine of which can do the search's tasks.

    Args:
        address: of a cluster, `HOST:PORT` or `ray://HOST:PORT`; None to start one here, for this search.
        composition: what is searched.
        run: where files lie.
        provenance: what the search computes on.
        warn: told of machines that may compute other last digits.

    Raises:
        PosenasError: where there is no connection, or a machine has other packages or other data.
    """
    device = composition.compute.device
    with _undisturbed():
        ray = import_module("ray")
        try:
            _connect(ray, address, device, size=processes(composition.training.parallel, device))
        except (OSError, RuntimeError, ValueError) as error:  # such as another version of Ray
            raise PosenasError(f"engine {address or 'ray'}: {in_one_line(error)}") from error
    brief = _brief(composition, run, provenance)
    try:
        look_at_machines(ray, brief, device, code=provenance.code, warn=warn)
    except BaseException:
        ray.shutdown()
        raise
    return RayEngine(ray, brief, run, needs=needs(device))


class RayEngine:
    """An `Engine` whose tasks are tasks of Ray, each with one core, and one GPU where the search has one."""

    def __init__(self, ray: Any, brief: Brief, run: Run, *, needs: Mapping[str, Any]) -> None:
        self._ray, self._run = ray, run
        self._brief = ray.put(brief)
        self._work = ray.remote(max_retries=_MOST_RETRIES, **needs)(ray_worker.work)
        self._contents: dict[str, Any] = {}
        self._warned: set[str] = set()

    def finish(
        self, jobs: Sequence[Task], *, advance: Callable[[int, int], None], warn: Callable[[str], None]
    ) -> Iterator[Mapping[str, Any]]:
        results = {job.key: read_waiting(self._run, job.key) for job in jobs if self._waits(job)}
        self._offer({file for job in jobs for file in job.files})
        pending = {self._begun(job): job for job in jobs if job.key not in results}
        try:
            for job in jobs:
                while job.key not in results:
                    for reference in self._ready(list(pending)):
                        done = pending.pop(reference)
                        results[done.key] = self._taken(reference, done, warn)
                        advance(len(jobs) - len(pending), len(jobs))
                yield results[job.key]
        finally:
            for reference in pending:  # stopped, or a job raised
                self._ray.cancel(reference, force=True)

    def close(self) -> None:
        """Leave the cluster; one that was started for the search ends."""
        self._ray.shutdown()

    def _waits(self, task: Task) -> bool:
        return waiting_result_of(self._run, task.key).exists()

    def _offer(self, files: set[str]) -> None:
        """Put the contents of weights files into Ray's store, and let it forget those that are not needed."""
        self._contents = {
            file: self._contents.get(file) or self._ray.put(read_weights(self._run.weights, file))
            for file in sorted(files)
        }

    def _begun(self, task: Task) -> Any:
        return self._work.remote(self._brief, task, *(self._contents[file] for file in task.files))

    def _ready(self, references: list[Any]) -> list[Any]:
        ready: list[Any] = self._ray.wait(references, timeout=_SECONDS_BETWEEN_LOOKS)[0]
        return ready

    def _taken(self, reference: Any, task: Task, warn: Callable[[str], None]) -> Mapping[str, Any]:
        """Write what a task gave into the run, first the files that its result names."""
        done: Done = got(self._ray, reference)
        for text in done.warnings:
            if text not in self._warned:
                self._warned.add(text)
                warn(text)
        for file, content in done.files.items():
            write_atomically(self._run.weights / file, content)
        write_sealed(waiting_result_of(self._run, task.key), done.result)
        return done.result


def _connect(ray: Any, address: str | None, device: torch.device, *, size: int) -> None:
    if address is not None:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        return
    ray.init(
        "local",
        num_cpus=size,
        num_gpus=size if device.type == "cuda" else 0,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep this process's handlers of signals, which Ray replaces, and give it its settings."""
    before = {name: os.environ.get(name) for name in _SETTINGS}
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    os.environ.update(_SETTINGS)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for number, handler in handlers.items() if main else ():
            signal.signal(number, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _brief(composition: Composition, run: Run, provenance: Provenance) -> Brief:
    """Return what a worker must know, with `auto` spelled out: its machine might choose otherwise.

    A cache in the run's folder is not for other machines; a task's own folder ends with the task.
    """
    compute = composition.compute
    recipe = replace(composition.recipe, device=compute.device.type, precision=compute.precision)
    cache = "" if run.cache in (None, OWN_CACHE) else str(run.cache)
    return Brief(recipe_text(recipe), json.dumps(provenance.as_dict()), str(Path.cwd()), cache)
