"""Events in the life of a run, told through pluggy to whoever listens: the display, the report, plugins.

A listener implements any of these functions with any of their arguments, marked with `hookimpl`. A plugin's
listener is named in its entry-point group `posenas.hooks`. One that raises is reported and harms neither the
run nor the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from posenas.runs.files import kept_directory
from posenas.runs.kept_file import KeptFile, put_back

if TYPE_CHECKING:
    from posenas.contract.trial import Trial
    from posenas.runs.recipe import Recipe

hookspec = pluggy.HookspecMarker("posenas")
hookimpl = pluggy.HookimplMarker("posenas")
"""The decorator of a listener's functions: each is called at the event of its name."""


class RunEvents:
    """The events of a run; a listener implements those that it wants, with the arguments that it wants."""

    @hookspec
    def run_started(self, run: Path, recipe: Recipe) -> None:
        """React to a run that begins or is resumed."""

    @hookspec
    def advanced(self, task: str, done: int, total: int) -> None:
        """React to a step of a long task; called after each one.

        Args:
            task: what is being done, in words.
            done: steps that are done.
            total: steps in all.
        """

    @hookspec
    def time_left(self, seconds: float) -> None:
        """React to an estimate of how long the trainings of the search still take, without scoring.

        It is told after the first minute of each kind of training, and then every hour, where the strategy
        says beforehand what it trains.

        Args:
            seconds: to the end of the last training, if every batch takes as long as those so far.
        """

    @hookspec
    def epoch_finished(self, task: str, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        """React to a finished epoch of a training, whose checkpoint is saved.

        Args:
            task: what is being trained, in words.
            epoch: the number of the epoch, counted from 1.
            epochs: how many epochs the training has.
            losses: mean losses of the epoch, by name.
        """

    @hookspec
    def trial_finished(self, trial: Trial) -> None:
        """React to a genotype that was evaluated, or failed."""

    @hookspec
    def warned(self, message: str) -> None:
        """React to something wrong with the data or a plugin; the run goes on."""

    @hookspec
    def run_finished(self, run: Path, trials: Sequence[Trial]) -> None:
        """React to the end of the search; the last trial is its answer."""


class Events:
    """The listeners of a run. Each is called by itself, so that none can stop another."""

    def __init__(self, listeners: Mapping[str, object], *, complain: Callable[[str], None]) -> None:
        """Take in the listeners; one of a wrong form is left out.

        Args:
            listeners: by the names that messages call them.
            complain: told of a listener that is left out, or that fails later.
        """
        self._complain = complain
        self._guarded: Sequence[KeptFile] = ()
        self._managers: dict[str, pluggy.PluginManager] = {}
        for name, listener in listeners.items():
            try:
                self._managers[name] = _manager_of(listener)
            except (pluggy.PluginValidationError, TypeError) as error:
                complain(f"listener {name!r} is left out: {error}")

    def tell(self, event: str, **arguments: object) -> None:
        """Call every listener of an event with these arguments, as pluggy calls for them: by name.

        A listener that raises, or that changes a guarded file, is complained of, and not called again. The
        file is put back.
        """
        # What is changed already was not changed by a listener.
        guarded = [] if any(file.change() for file in self._guarded) else self._guarded
        for name, manager in list(self._managers.items()):
            wrong = ""
            try:
                with kept_directory():
                    getattr(manager.hook, event)(**arguments)
            except (Exception, SystemExit) as error:  # a stranger's code must not end a run
                wrong = f"failed in {event} and is left out from now on: {error!r}"
            changed = put_back(guarded)
            if changed:
                wrong = f"changed files of the run in {event} and is left out from now on: {changed}"
            if wrong:
                self._managers.pop(name, None)  # which it may have been called by itself
                self._complain(f"listener {name!r} {wrong}")

    @contextmanager
    def guarding(self, *files: KeptFile) -> Iterator[None]:
        """Guard files against the listeners while the body runs."""
        self._guarded = files
        try:
            yield
        finally:
            self._guarded = ()

    def warn(self, message: str) -> None:
        """Tell every listener of a warning."""
        self.tell("warned", message=message)


def _manager_of(listener: object) -> pluggy.PluginManager:
    if isinstance(listener, type):
        raise TypeError(f"{listener.__name__} is a class; its entry point must name an object or a module")
    manager = pluggy.PluginManager("posenas")
    manager.add_hookspecs(RunEvents)
    manager.register(listener)
    manager.check_pending()  # a function whose name is no event's is refused
    return manager
