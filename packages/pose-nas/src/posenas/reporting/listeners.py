"""Who listens to a run: the display, the report, the news, logs, and the listeners of plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console

from posenas.composing.loading import load_entry
from posenas.composing.plugins import find_plugins
from posenas.contract.errors import PosenasError
from posenas.reporting.logs import make_logs
from posenas.reporting.news_writer import NewsWriter
from posenas.reporting.progress import Bars, Lines, make_display
from posenas.reporting.report import ReportWriter
from posenas.reporting.time_left import TimeLeft
from posenas.runs.events import Events
from posenas.searching.outlook import ForeseenTraining


def make_events(
    display: Bars | Lines,
    trainings: Sequence[ForeseenTraining] = (),
    *,
    others: Mapping[str, object] | None = None,
) -> Events:
    """Return the events of a run; a plugin's listener that cannot be loaded is told and left out.

    Args:
        display: shows the run to its user.
        trainings: what the search is going to train, for an estimate of the time that is left.
        others: more listeners of the core, by the names that messages call them.
    """
    listeners: dict[str, object] = {"display": display, "report": ReportWriter(), **(others or {})}
    for plugin in find_plugins(("hooks",)):
        if plugin.status == "disabled":
            continue
        try:
            listeners[f"{plugin.distribution}: {plugin.name}"] = load_entry(plugin)
        except PosenasError as error:
            display.warned(str(error))
    events: Events

    def tell_left(seconds: float) -> None:
        events.tell("time_left", seconds=seconds)

    listeners["time left"] = TimeLeft(trainings, tell_left)
    events = Events(listeners, complain=display.warned)
    return events


@contextmanager
def run_events(trainings: Sequence[ForeseenTraining] = (), *, logs: Sequence[str] = ()) -> Iterator[Events]:
    """Open the events of a run that is shown on standard error; the terminal is put back at the end.

    Args:
        trainings: as in `make_events`.
        logs: names of the logs to write, which `check_logs` passed.
    """
    display = make_display(Console(stderr=True))
    news = NewsWriter()
    try:
        yield make_events(display, trainings, others={"news": news, **make_logs(logs)})
    finally:
        display.close()
        try:
            news.close()
        except PosenasError as error:  # it must not hide how the run ended
            display.warned(str(error))
