"""Progress through frames on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from posenas.contract.messages import message

_SECONDS_BETWEEN_LINES = 15.0


class FrameBar:
    """A bar with frames per second and the time left.

    If nobody knows how many frames there are, it only moves.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._progress = Progress(
            TextColumn("frames"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._started = clock()

    def advanced(self, done: int, total: int | None) -> None:
        """Show how many frames are done; the first call begins the measurement."""
        if self._task is None:
            self._started = self._clock()
            self._task = self._progress.add_task("", total=total, count="", speed="")
            self._progress.start()
        self._progress.update(
            self._task,
            completed=done,
            count=_count(done, total),
            speed=f"{_speed(done, self._clock() - self._started):.1f} frames/s",
        )

    def warned(self, words: str) -> None:
        """Print a warning above the bar."""
        self._console.print(message(f"warning: {words}"), highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


class FrameLines:
    """A line with frames per second and the time left, written at most every 15 seconds."""

    def __init__(self, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._started: float | None = None
        self._last = clock()

    def advanced(self, done: int, total: int | None) -> None:
        """Write how many frames are done, if it is time for a line; the first call begins the measurement."""
        now = self._clock()
        if self._started is None:
            self._started = self._last = now
        if now - self._last < _SECONDS_BETWEEN_LINES or not done or done == total:
            return
        speed = _speed(done, now - self._started)
        left = "" if total is None else f", {(total - done) / speed:.0f} s left"
        self._write(f"{_count(done, total)} frames, {speed:.1f} frames/s{left}")
        self._last = now

    def warned(self, words: str) -> None:
        """Write a warning."""
        self._write(f"warning: {words}")

    def close(self) -> None:
        """Do nothing, since there is nothing to put back."""


def make_frame_display(console: Console) -> FrameBar | FrameLines:
    """Return a bar if the console is a terminal, else lines."""
    if console.is_terminal:
        return FrameBar(console)
    return FrameLines(
        lambda line: console.print(message(line), soft_wrap=True, highlight=False, markup=False)
    )


def _count(done: int, total: int | None) -> str:
    return str(done) if total is None else f"{done} of {total}"


def _speed(done: int, seconds: float) -> float:
    return done / seconds if seconds > 0 else 0.0
