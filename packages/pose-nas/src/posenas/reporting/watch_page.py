"""The page that `posenas watch` draws on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from posenas.contract.messages import message, printable
from posenas.contract.trial import Trial
from posenas.reporting.time_left import duration
from posenas.reporting.watching import Watched, best_first, news_line, short_time
from posenas.runs.news import News

_SHOWN = 5
_BAR = 24


def watch_page(watched: Watched) -> Group:
    """Return the page: the run's state, its tasks, the newest losses, the best trials, and warnings."""
    return Group(*_parts(watched))


def _parts(watched: Watched) -> Iterator[RenderableType]:
    yield Text(printable(f"run {watched.path}"), style="bold")
    yield Text(message("; ".join(filter(None, (watched.state, watched.silence)))))
    yield Text(message(_aim(watched)), style="dim")
    news = watched.news if watched.alive and not watched.results.finished else None
    if news is not None:
        yield from _work(news)
    if watched.results.trials:
        yield Text()
        yield _table(watched)
    for warning in watched.news.warnings if watched.news is not None else ():
        yield Text(message(f"warning: {warning}"), style="yellow")


def _aim(watched: Watched) -> str:
    """Return what the search makes great or small, and its limits, in words."""
    aims = [
        f"{'maximises' if each.maximize else 'minimises'} {each.name}" for each in watched.results.objectives
    ]
    limits = f"; limits: {', '.join(watched.limits)}" if watched.limits else "; no limits"
    return " and ".join(aims) + limits


def _work(news: News) -> Iterator[RenderableType]:
    """Yield the tasks that are going on, the time left and the newest losses."""
    tasks = Table.grid(padding=(0, 2))
    for task in news.tasks:
        left = task.seconds_left
        tasks.add_row(
            Text(printable(task.task)),
            ProgressBar(total=task.total, completed=task.done, width=_BAR),
            Text(f"{task.done} of {task.total}"),
            Text("" if left is None else f"{short_time(left)} left"),
        )
    if news.tasks:
        yield Text()
        yield tasks
    if news.seconds_left is not None:
        yield Text(f"about {duration(news.seconds_left)} of training to the end of the search")
    if news.epochs:
        yield Text()
    for epoch in news.epochs:
        yield Text(message(news_line(epoch)))


def _table(watched: Watched) -> Table:
    """Return the answer or the best candidates, with their scores and costs."""
    results = watched.results
    candidates = best_first(results)
    shown = ([results.answer] if results.answer is not None else []) + candidates[:_SHOWN]
    failed = sum(trial.failure is not None for trial in results.trials)
    title = f"{len(results.trials)} trials" + (f", {failed} failed" if failed else "") + "; the best:"
    scores = list(dict.fromkeys((results.ranked_by, *(each.name for each in results.metrics[:1]))))
    scores += [each.metric for each in results.metric_limits if each.metric not in scores]
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("genotype", "stage", "on"):
        table.add_column(heading)
    for heading in (*scores, *(each.name for each in results.compared_costs)):
        table.add_column(printable(heading), justify="right")
    for trial in shown:
        costs = [_figure(trial.costs.get(each.name)) for each in results.compared_costs]
        style = "bold" if trial is results.answer else ""
        words = [Text(printable(word)) for word in (trial.id, trial.stage, trial.split)]
        table.add_row(*words, *(_figure(_score(trial, name)) for name in scores), *costs, style=style)
    return table


def _score(trial: Trial, name: str) -> float | None:
    return trial.ranking.get(name, trial.metrics.get(name))


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1e6:.3f} M" if value >= 1e4 else f"{value:.3f}"
