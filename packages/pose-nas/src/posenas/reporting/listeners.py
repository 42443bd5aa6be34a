"""Who listens to a run: the display, the report, and the listeners of plugins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from posenas.composing.loading import load_entry
from posenas.composing.plugins import find_plugins
from posenas.contract.errors import PosenasError
from posenas.reporting.progress import Bars, Lines, make_display
from posenas.reporting.report import ReportWriter
from posenas.runs.events import Events


def make_events(display: Bars | Lines) -> Events:
    """Return the events of a run; a plugin's listener that cannot be loaded is told and left out."""
    listeners: dict[str, object] = {"display": display, "report": ReportWriter()}
    for plugin in find_plugins(("hooks",)):
        if plugin.status == "disabled":
            continue
        try:
            listeners[f"{plugin.distribution}: {plugin.name}"] = load_entry(plugin)
        except PosenasError as error:
            display.warned(str(error))
    return Events(listeners, complain=display.warned)


@contextmanager
def run_events() -> Iterator[Events]:
    """Open the events of a run that is shown on standard error; the terminal is put back at the end."""
    display = make_display(Console(stderr=True))
    try:
        yield make_events(display)
    finally:
        display.close()
