"""Who listens to a run: the display, the report, and the listeners of plugins."""

from __future__ import annotations

from posenas.errors import PosenasError
from posenas.hooks import Events
from posenas.plugins import find_plugins, load_entry
from posenas.progress import Bars, Lines
from posenas.report import ReportWriter


def make_events(display: Bars | Lines) -> Events:
    """The events of a run. A plugin's listener that cannot be loaded is reported and left out."""
    listeners: dict[str, object] = {"display": display, "report": ReportWriter()}
    for plugin in find_plugins(("hooks",)):
        try:
            listeners[f"{plugin.distribution}: {plugin.name}"] = load_entry(plugin)
        except PosenasError as error:
            display.warned(str(error))
    return Events(listeners, complain=display.warned)
