"""The listener that keeps the news of a working run on disk, for `posenas watch`."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from posenas.runs.events import hookimpl
from posenas.runs.files import disk_errors, partial
from posenas.runs.news import EpochNews, News, TaskNews, news_file, write_news

_EPOCHS, _WARNINGS = 5, 3
_SECONDS_BETWEEN = 1.0


class NewsWriter:
    """A listener that writes the newest state of a run, at most once a second."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        """Take in the clock, which gives seconds since 1970."""
        self._clock = clock
        self._file: Path | None = None
        self._written = 0.0
        self._begun: dict[str, tuple[float, int]] = {}
        self._tasks: dict[str, TaskNews] = {}
        self._epochs: deque[EpochNews] = deque(maxlen=_EPOCHS)
        self._warnings: deque[str] = deque(maxlen=_WARNINGS)
        self._ends: float | None = None

    @hookimpl
    def run_started(self, run: Path) -> None:
        self._file = news_file(run)
        self._tell(at_once=True)

    @hookimpl
    def advanced(self, task: str, done: int, total: int) -> None:
        now = self._clock()
        began, first = self._begun.setdefault(task, (now, done))
        self._tasks[task] = TaskNews(task, done, total, first, now - began)
        if done >= total:
            del self._begun[task], self._tasks[task]
        self._tell()

    @hookimpl
    def epoch_finished(self, task: str, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self._epochs.append(EpochNews(task, epoch, epochs, dict(losses)))
        self._tell()

    @hookimpl
    def time_left(self, seconds: float) -> None:
        self._ends = self._clock() + seconds
        self._tell()

    @hookimpl
    def trial_finished(self) -> None:
        self._tell()

    @hookimpl
    def warned(self, message: str) -> None:
        self._warnings.append(message)
        self._tell()

    def close(self) -> None:
        """Remove the file: the process works on the run no longer.

        Raises:
            PosenasError: if the file cannot be removed.
        """
        if self._file is not None:
            with disk_errors(self._file):
                self._file.unlink(missing_ok=True)
                partial(self._file).unlink(missing_ok=True)

    def _tell(self, *, at_once: bool = False) -> None:
        now = self._clock()
        if self._file is None or (now - self._written < _SECONDS_BETWEEN and not at_once):
            return
        self._written = now
        news = News(
            process=os.getpid(),
            machine=socket.gethostname(),
            written=now,
            tasks=tuple(self._tasks.values()),
            epochs=tuple(self._epochs),
            warnings=tuple(self._warnings),
            seconds_left=None if self._ends is None else max(0.0, self._ends - now),
        )
        write_news(self._file, news)
