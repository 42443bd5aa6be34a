"""The time to the end of a search's trainings, estimated from the one that is going on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from posenas.runs.events import hookimpl
from posenas.searching.outlook import ForeseenTraining

_FIRST = 60.0
"""Seconds of trainings before their pace is believed."""
_BETWEEN = 3600.0


@dataclass(frozen=True)
class _Pace:
    """What trainings of one length took so far, in this process."""

    seconds: float = 0.0
    batches: int = 0


class TimeLeft:
    """A listener that tells how long the trainings still take: after a minute of each kind, then every hour.

    Every batch that is to come counts as long as one of the trainings that are going on. A training is found
    by its number of batches. Nothing is told of one that was not foreseen.
    """

    def __init__(
        self,
        trainings: Sequence[ForeseenTraining],
        tell: Callable[[float], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take in the plan.

        Args:
            trainings: what was foreseen, in order.
            tell: called with the seconds that are left.
            clock: gives seconds.
        """
        self._batches = [each.epochs * each.batches for each in trainings for _ in range(each.number)]
        self._begins_shared = bool(trainings) and trainings[0].phase == "shared"
        self._tell, self._clock = tell, clock
        self._over = 0
        self._last: tuple[str, int, float] | None = None
        self._paces: dict[int, _Pace] = {}
        self._due: dict[int, float] = {}

    @hookimpl
    def trial_finished(self) -> None:
        """React to a trial, also of a resumed run: the trainings before it are over."""
        self._over = 1 if self._begins_shared else self._over + 1

    @hookimpl
    def advanced(self, task: str, done: int, total: int) -> None:
        if not task.startswith("training"):
            return
        now = self._clock()
        pace = self._paces.get(total, _Pace())
        if self._last is not None and self._last[0] == task:
            _, before, then = self._last
            pace = _Pace(pace.seconds + now - then, pace.batches + done - before)
            self._paces[total] = pace
        self._last = (task, done, now) if done < total else None
        if pace.seconds >= _FIRST and pace.batches and now >= self._due.get(total, 0.0):
            left = self._left(done, total)
            if left is not None:
                self._due[total] = now + _BETWEEN
                self._tell(pace.seconds / pace.batches * left)

    def _left(self, done: int, total: int) -> int | None:
        """Return the batches that are to come; None where no training, or several together, has `total`."""
        for begin in range(self._over, len(self._batches)):
            sums = list(accumulate(self._batches[begin:]))
            if total in sums:
                return sums[-1] - done
        return None


def duration(seconds: float) -> str:
    """Return a time in words, such as `3 h 20 min`."""
    minutes = max(1, round(seconds / 60))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
