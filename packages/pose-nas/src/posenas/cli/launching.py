"""Processes that train together: started by `--devices` or by torchrun, and joined by their variables."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import IO, TYPE_CHECKING, ParamSpec, cast

import click

from posenas.contract.errors import PosenasError
from posenas.runs.stopping import leave_stopping_to_parent

if TYPE_CHECKING:
    from posenas.networks.processes import Processes

Parameters = ParamSpec("Parameters")

OTHERS_ENDED = 3
"""The status of a process that lost the others. It says nothing: who started it tells which one ended."""

_LAUNCHER = "POSENAS_LAUNCHER"
"""The variable with the id of the process that started this one."""

_WAITS = timedelta(days=30)
"""How long a process waits for the others: process 0 may score and train candidates alone for days."""
_SECONDS_BETWEEN_LOOKS, _GRACE = 0.1, 2.0

devices_option = click.option(
    "--devices",
    type=click.IntRange(min=1),
    help="Train networks on this many GPUs together, or on a CPU with so many processes.  [default: 1]",
)


def launches(devices: int | None) -> bool:
    """Return whether this process is to start the ones that train together."""
    if "WORLD_SIZE" not in os.environ:
        return (devices or 1) > 1
    started = int(os.environ["WORLD_SIZE"])
    if devices not in (None, started):
        raise PosenasError(f"--devices {devices}: {started} processes were started already; leave it out")
    return False


@dataclass(frozen=True)
class _Child:
    rank: int
    process: subprocess.Popen[bytes]
    said: IO[bytes] | None


def launch(count: int) -> int:
    """Run this command in several processes, and return the status of process 0.

    Raises:
        PosenasError: where one of the others failed, or any was killed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = [_started(rank, count, port) for rank in range(count)]
    try:
        while all(child.process.poll() is None for child in children):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        _wait(children, _GRACE)
    except KeyboardInterrupt:
        children[0].process.terminate()
        return 2 if children[0].process.wait() else 0
    finally:
        ended = {
            child.rank: child.process.returncode for child in children if child.process.poll() is not None
        }
        for child in children:
            child.process.kill()
            child.process.wait()
    return _status(children, ended)


def _started(rank: int, count: int, port: int) -> _Child:
    variables = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        _LAUNCHER: str(os.getpid()),
    }
    chosen = {"OMP_NUM_THREADS": "1"} | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    said = tempfile.TemporaryFile() if rank else None  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, "-c", "from posenas.cli import main; main()", *sys.argv[1:]],
        env={**chosen, **os.environ, **variables},
        process_group=0,  # Ctrl-C comes to the launcher alone, which passes it on to process 0
        stdout=said,
        stderr=said,
    )
    return _Child(rank, process, said)


def _wait(children: Sequence[_Child], seconds: float) -> None:
    """Wait for all children, and where one failed, no longer than so many seconds."""
    end = time.monotonic() + seconds
    while any(child.process.poll() is None for child in children):
        if any(child.process.returncode for child in children) and time.monotonic() > end:
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _status(children: Sequence[_Child], ended: dict[int, int]) -> int:
    """Return process 0's status, or tell which process ended all."""
    if ended.get(0) == 0:  # the run is complete
        return 0
    count = len(children)
    for rank, status in ended.items():
        if status < 0:
            raise PosenasError(
                f"process {rank} of {count} was killed by {signal.Signals(-status).name}; nothing is lost: "
                "`posenas resume RUN` continues"
            )
    for child in children[1:]:
        status = ended.get(child.rank, 0)
        if status not in (0, OTHERS_ENDED) and ended.get(0, OTHERS_ENDED) == OTHERS_ENDED and child.said:
            child.said.seek(0)
            text = child.said.read().decode(errors="replace").strip()
            raise PosenasError(f"process {child.rank} of {count}: {text.removeprefix('posenas: ')}")
    return ended.get(0, 1)


def together(command: Callable[Parameters, int | None]) -> Callable[..., int | None]:
    """Return a command with the option `--devices`: process 0 does it, and the others follow its searches.

    A command may return its status; None is 0.
    """

    @wraps(command)
    def run(*arguments: Parameters.args, **options: Parameters.kwargs) -> int | None:
        devices = cast("int | None", options.pop("devices", None))
        if launches(devices):
            return launch(cast(int, devices))
        with joined() as processes:
            if processes.first:
                status = command(*arguments, **options)
                processes.broadcast(None)
                return status
            _follow_all(processes)
        return None

    return run


def _follow_all(processes: Processes) -> None:
    """Take part in every search of process 0, until it has no more."""
    from posenas.composing.compose import compose
    from posenas.networks.devices import keep_freed_memory, processes_here, use_threads
    from posenas.runs.run import open_run
    from posenas.searching.search import follow

    while (run := processes.broadcast(None)) is not None:
        composition = compose(open_run(run.path)[1])
        use_threads(composition.loading_processes(beside=processes_here()))
        keep_freed_memory()
        follow(composition, run, processes=processes)


def present() -> Processes:
    """Return the processes that this one has joined; this one alone where there are no others."""
    from posenas.networks.processes import ALONE, Processes

    count = int(os.environ.get("WORLD_SIZE", "1"))
    return ALONE if count == 1 else Processes(int(os.environ["RANK"]), count)


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that were started with this one, and leave them at the end; alone, do nothing."""
    processes = present()
    if processes.alone:
        yield processes
        return
    import torch
    from torch import distributed

    from posenas.data.reading import end_with

    if _LAUNCHER in os.environ:
        end_with(int(os.environ[_LAUNCHER]))
    if not processes.first:
        leave_stopping_to_parent()
    on_gpus = torch.cuda.is_available()
    if on_gpus:
        torch.cuda.set_device(_local_rank() % torch.cuda.device_count())
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=_WAITS)
    yield processes
    processes.gathered(None)  # nobody leaves while another one still speaks
    distributed.destroy_process_group()


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", os.environ["RANK"]))


def end(status: int) -> None:
    """End this process with a status other than 0, or return; one of several ends at once in either case.

    Torch's threads may abort a process that leaves the others in the ordinary way, whatever it has done.
    """
    if "WORLD_SIZE" in os.environ:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    if status:
        sys.exit(status)


def check_devices(device: str, processes: Processes) -> None:
    """Refuse more processes on this machine than it has CUDA devices, where they compute there.

    Args:
        device: `cuda` or `cpu`.
        processes: that compute together.
    """
    import torch

    from posenas.networks.devices import processes_here

    here = processes_here()
    if not processes.alone and device == "cuda" and here > torch.cuda.device_count():
        raise PosenasError(
            f"{here} processes are to train on one CUDA device each, and torch sees "
            f"{torch.cuda.device_count()}; take --devices {torch.cuda.device_count()}, or --device cpu"
        )
