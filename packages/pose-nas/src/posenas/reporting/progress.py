"""Progress on standard error: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from posenas.contract.messages import message, printable
from posenas.reporting.time_left import duration
from posenas.runs.events import hookimpl

if TYPE_CHECKING:
    from posenas.contract.trial import Trial

_SECONDS_BETWEEN_LINES = 15.0


class Bars:
    """A listener that draws one bar for each task that is going on, with the time left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("spent"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, int] = {}

    @hookimpl
    def run_started(self, run: Path) -> None:
        self._say(f"run {run}")

    @hookimpl
    def advanced(self, task: str, done: int, total: int) -> None:
        if task not in self._tasks:
            self._progress.start()
            self._tasks[task] = self._progress.add_task(printable(task), total=total)
        self._progress.update(self._tasks[task], completed=done)  # type: ignore[arg-type]
        if done >= total:
            self._progress.remove_task(self._tasks.pop(task))  # type: ignore[arg-type]
        if not self._tasks:
            self._progress.stop()

    @hookimpl
    def epoch_finished(self, task: str, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self._say(epoch_line(task, epoch, epochs, losses))

    @hookimpl
    def time_left(self, seconds: float) -> None:
        self._say(_left_line(seconds))

    @hookimpl
    def trial_finished(self, trial: Trial) -> None:
        self._say(trial_line(trial))

    @hookimpl
    def warned(self, message: str) -> None:
        self._say(f"warning: {message}")

    def _say(self, line: str) -> None:
        self._console.print(message(line), highlight=False, markup=False)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


class Lines:
    """A listener for logs and pipes.

    It writes one line for each epoch, trial and warning, and for long tasks one every so many seconds.
    """

    def __init__(self, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._started: dict[str, tuple[float, int]] = {}
        self._last = clock()

    @hookimpl
    def run_started(self, run: Path) -> None:
        self._write(f"run {run}")

    @hookimpl
    def advanced(self, task: str, done: int, total: int) -> None:
        now = self._clock()
        started, first = self._started.setdefault(task, (now, done))
        if done >= total:
            del self._started[task]
        elif now - self._last >= _SECONDS_BETWEEN_LINES and done > first:
            left = (now - started) / (done - first) * (total - done)
            self._write(f"{task}: {done} of {total}, {left:.0f} s left")
            self._last = now

    @hookimpl
    def epoch_finished(self, task: str, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self._write(epoch_line(task, epoch, epochs, losses))

    @hookimpl
    def time_left(self, seconds: float) -> None:
        self._write(_left_line(seconds))

    @hookimpl
    def trial_finished(self, trial: Trial) -> None:
        self._write(trial_line(trial))

    @hookimpl
    def warned(self, message: str) -> None:
        self._write(f"warning: {message}")

    def close(self) -> None:
        """Do nothing: lines leave nothing to put back."""


def make_display(console: Console) -> Bars | Lines:
    """Return bars where the console is a terminal, else lines."""
    if console.is_terminal:
        return Bars(console)
    return Lines(lambda line: console.print(message(line), soft_wrap=True, highlight=False, markup=False))


def epoch_line(task: str, epoch: int, epochs: int, losses: Mapping[str, float]) -> str:
    """Return one line with the mean losses of an epoch."""
    figures = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
    return f"{task}: epoch {epoch} of {epochs}, {figures}"


def _left_line(seconds: float) -> str:
    return f"about {duration(seconds)} of training to the end of the search, at the present pace"


def trial_line(trial: Trial) -> str:
    """Return one line that says what was tried and how it did."""
    costs = f"{trial.costs['gmacs']:.3f} GMACs, {trial.costs['parameters'] / 1e6:.3f} M parameters"
    if trial.failure is not None:
        return f"{trial.stage} {trial.id}: failed: {trial.failure}; {costs}"
    shown = dict(trial.ranking) | dict(list(trial.metrics.items())[:1])
    score = ", ".join(f"{name} {value:.3f}" for name, value in shown.items()) or "no score"
    return f"{trial.stage} {trial.id}: {score} on {trial.split}; {costs}"
