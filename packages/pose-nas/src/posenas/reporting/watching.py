"""The state of a run as it lies on disk: looked at from outside, without a lock, and without writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from posenas.composing.goals.metric_limits import violation
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.progress import epoch_line, trial_line
from posenas.reporting.results import ANSWER, TRIALS, read_results
from posenas.reporting.time_left import duration
from posenas.runs.news import EpochNews, News, TaskNews, is_alive, news_file, read_news
from posenas.runs.recipe import Recipe
from posenas.runs.run import Run
from posenas.runs.trial_log import TRIAL_LOG

_SILENT = 30.0
"""Seconds without news before they are told."""


@dataclass(frozen=True)
class Watched:
    """What is seen of a run at one instant.

    Attributes:
        path: the run's folder.
        begun: whether the journal was begun.
        limits: on costs and metrics, as the recipe has them.
        results: the trials so far.
        files: the sizes and times of the files that the results were read from.
        news: of the process that works on the run, or was killed; None where there are none.
        alive: whether that process is still there; of another machine's it is believed.
        silent: seconds since the last news.
    """

    path: Path
    begun: bool
    limits: Sequence[str]
    results: Results
    files: Sequence[object]
    news: News | None
    alive: bool
    silent: float

    @property
    def state(self) -> str:
        """What becomes of the run, in words; the same words until that changes."""
        if self.results.finished:
            return "the run has ended"
        if self.news is None and not self.begun:
            return "the run has not begun yet"
        if self.news is None:
            return f"no process works on it: `posenas resume {self.path}` continues it"
        where = f"process {self.news.process}" + ("" if self.news.here else f" on {self.news.machine}")
        if not self.alive:
            return f"{where} has ended without an answer: `posenas resume {self.path}` continues it"
        return f"{where} works on it"

    @property
    def left(self) -> bool:
        """Whether the run was begun and no process works on it, so that nothing will change."""
        return not self.alive and (self.begun or self.news is not None)

    @property
    def silence(self) -> str:
        """How long there were no news, in words; empty where they are new."""
        if self.results.finished or not self.alive or self.silent < _SILENT:
            return ""
        return f"no news for {self.silent:.0f} s"


def look(run: Run, recipe: Recipe, *, now: float, before: Watched | None = None) -> Watched:
    """Return the state of a run that another process may be working on.

    Args:
        run: the run.
        recipe: what it follows.
        now: seconds since 1970.
        before: what was seen last; trials are read again only where their files changed since.

    Raises:
        PosenasError: where a file is damaged, or the evaluator is not installed.
    """
    news = read_news(news_file(run.path))  # before the results: whoever ends writes those first
    files = [_stamp(run.path / name) for name in (TRIAL_LOG, TRIALS, ANSWER)]
    unchanged = before is not None and before.files == files
    return Watched(
        path=run.path,
        begun=run.journal_file.exists(),
        limits=recipe.limits,
        results=before.results if before is not None and unchanged else read_results(run, recipe),
        files=files,
        news=news,
        alive=news is not None and (not news.here or is_alive(news.process)),
        silent=0.0 if news is None else max(0.0, now - news.written),
    )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def best_first(results: Results) -> list[Trial]:
    """Return the candidates from best to worst, as the strategy ranks them or else by the first objective.

    Those that keep the limits on metrics come first, then those that miss them least.
    """
    sign = -1.0 if results.objective.higher_is_better else 1.0

    def place(trial: Trial) -> tuple[float, float, float]:
        own = trial.ranking.get(results.ranked_by)
        score = sign * trial.metrics[results.objective.name] if own is None else own
        return violation(trial, results.metric_limits), score, trial.costs["gmacs"]

    return sorted(results.ranked, key=place)


def task_line(task: TaskNews) -> str:
    """Return a line that says how far a task is, with the time left where it is known."""
    left = task.seconds_left
    after = "" if left is None else f", {short_time(left)} left"
    return f"{task.task}: {task.done} of {task.total}{after}"


def news_line(epoch: EpochNews) -> str:
    """Return a line with the losses of an epoch."""
    return epoch_line(epoch.task, epoch.epoch, epoch.epochs, epoch.losses)


def short_time(seconds: float) -> str:
    """Return a time in words: seconds below two minutes, then minutes and hours."""
    return f"{seconds:.0f} s" if seconds < 120 else duration(seconds)


def changes(before: Watched | None, after: Watched) -> Iterator[str]:
    """Yield a line for each thing that is new in the second state: all that there is without a first one.

    Progress within a task is no change.
    """
    known = before.results.trials if before is not None else ()
    for trial in after.results.trials[len(known) :]:
        yield trial_line(trial)
    yield from _news_of(after.news, before.news if before is not None else None)
    if before is None or before.state != after.state:
        yield f"{after.path}: {after.state}"
    if after.silence and not (before is not None and before.silence):
        yield f"{after.path}: {after.silence}"


def _news_of(news: News | None, old: News | None) -> Iterator[str]:
    if news is None:
        return
    epochs = {(each.task, each.epoch) for each in old.epochs} if old is not None else set()
    tasks = {each.task for each in old.tasks} if old is not None else set()
    warnings = old.warnings if old is not None else ()
    yield from (news_line(each) for each in news.epochs if (each.task, each.epoch) not in epochs)
    yield from (f"warning: {each}" for each in news.warnings if each not in warnings)
    yield from (task_line(each) for each in news.tasks if each.task not in tasks)
