"""The life of a run, told through pluggy to whoever listens: the progress display, the report, plugins.

A listener implements any of these functions with any of their arguments, marked with `hookimpl`. A
plugin's listener is named in its entry-point group `posenas.hooks`. One that raises is reported and
harms neither the run nor the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from posenas.contract.trial import Trial
    from posenas.runs.recipe import Recipe

hookspec = pluggy.HookspecMarker("posenas")
hookimpl = pluggy.HookimplMarker("posenas")


class RunEvents:
    """What a listener can hear."""

    @hookspec
    def run_started(self, run: Path, recipe: Recipe) -> None:
        """A run begins or is resumed."""

    @hookspec
    def advanced(self, task: str, done: int, total: int) -> None:
        """A long task has done `done` of `total` steps; called after each one."""

    @hookspec
    def epoch_finished(self, task: str, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        """A training has finished an epoch with these mean losses, and saved its checkpoint."""

    @hookspec
    def trial_finished(self, trial: Trial) -> None:
        """A genotype was evaluated, or failed."""

    @hookspec
    def warned(self, message: str) -> None:
        """Something is wrong with the data or a plugin; the run goes on."""

    @hookspec
    def run_finished(self, run: Path, trials: Sequence[Trial]) -> None:
        """The search has ended; the last trial is its answer."""


class Events:
    """Calls every listener by itself, so that none can stop another."""

    def __init__(self, listeners: Mapping[str, object], *, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._managers: dict[str, pluggy.PluginManager] = {}
        for name, listener in listeners.items():
            try:
                self._managers[name] = _manager_of(listener)
            except (pluggy.PluginValidationError, TypeError) as error:
                complain(f"listener {name!r} is left out: {error}")

    def tell(self, event: str, **arguments: Any) -> None:
        """Arguments by name, as pluggy calls for them."""
        for name, manager in list(self._managers.items()):
            try:
                getattr(manager.hook, event)(**arguments)
            except (Exception, SystemExit) as error:  # a stranger's code must not end a run
                del self._managers[name]
                self._complain(f"listener {name!r} failed in {event} and is left out from now on: {error!r}")

    def warn(self, message: str) -> None:
        self.tell("warned", message=message)


def _manager_of(listener: object) -> pluggy.PluginManager:
    if isinstance(listener, type):
        raise TypeError(f"{listener.__name__} is a class; its entry point must name an object or a module")
    manager = pluggy.PluginManager("posenas")
    manager.add_hookspecs(RunEvents)
    manager.register(listener)
    return manager
