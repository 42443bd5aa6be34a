"""News of a working run: a small file that says what the process does, for whoever watches from outside.

Nothing is ever computed from it. It is there only while a process works on the run, or after it was killed.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from posenas.contract.errors import PosenasError
from posenas.runs.files import disk_errors, partial

NEWS = "now.json"


@dataclass(frozen=True)
class TaskNews:
    """How far a long task is.

    Attributes:
        task: what is being done, in words.
        done: steps that are done.
        total: steps in all.
        first: steps that were done when the process told of the task for the first time.
        seconds: time since then.
    """

    task: str
    done: int
    total: int
    first: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """The time to the end of the task at its pace so far; None where no step was timed yet."""
        if self.done <= self.first:
            return None
        return self.seconds / (self.done - self.first) * (self.total - self.done)


@dataclass(frozen=True)
class EpochNews:
    """A finished epoch of a training: its task in words, its number counted from 1, its mean losses."""

    task: str
    epoch: int
    epochs: int
    losses: Mapping[str, float]


@dataclass(frozen=True)
class News:
    """What the process of a run did last.

    Attributes:
        process: its id on its machine.
        machine: the name of that machine.
        written: when this was told, in seconds since 1970.
        tasks: those that are going on, oldest first.
        epochs: the newest ones, oldest first.
        warnings: the newest ones, oldest first.
        seconds_left: an estimate of how long the search's trainings still take; None where there is none.
    """

    process: int
    machine: str
    written: float
    tasks: tuple[TaskNews, ...] = ()
    epochs: tuple[EpochNews, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds_left: float | None = None

    @property
    def here(self) -> bool:
        """Whether they are of a process of this machine."""
        return self.machine == socket.gethostname()


def news_file(run: Path) -> Path:
    """Return the file of a run's news."""
    return run / NEWS


def write_news(path: Path, news: News) -> None:
    """Write the news beside the file, then rename it. They are not flushed: a power cut may lose them.

    Raises:
        PosenasError: if the file cannot be written.
    """
    with disk_errors(path):
        partial(path).write_text(json.dumps(asdict(news)) + "\n")
        partial(path).replace(path)


def read_news(path: Path) -> News | None:
    """Return the news of a file; None if there is none.

    Raises:
        PosenasError: if the file holds something else.
    """
    try:
        return TypeAdapter(News).validate_python(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise PosenasError(
            f"{path}: is not what a working run writes; delete it: nothing is computed from it"
        ) from error


def is_alive(process: int) -> bool:
    """Return whether there is a process of this id on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
