"""A listener that logs losses, metrics and costs as figures by step, to whatever keeps such figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from posenas.contract.genotype import Genotype
from posenas.contract.trial import Trial
from posenas.runs.events import hookimpl
from posenas.runs.recipe import Recipe


class Keeper(Protocol):
    """What keeps the figures of one run. All its functions may raise."""

    def known(self) -> set[tuple[str, int]]:
        """Return the names and steps of the figures that it holds already, of a run that is resumed."""

    def add(self, figures: Mapping[str, float], *, step: int) -> None:
        """Keep figures by their names; when this returns a kill does not lose them."""

    def conclude(self, genotype: Genotype, figures: Iterable[str]) -> None:
        """Keep the genotype of the search's answer; its figures of these names are added next."""

    def close(self) -> None:
        """End the log of a finished run, which may be resumed all the same."""


class ScalarLog:
    """A listener that logs the losses of each epoch, and the metrics and costs of each trial by its number.

    A resumed run tells its trials again; what the keeper holds already is not added a second time.
    """

    def __init__(self, open_keeper: Callable[[Path, Recipe], Keeper]) -> None:
        """Take in the function that opens the keeper of a run, given its folder and its recipe."""
        self._open = open_keeper
        self._keeper: Keeper | None = None
        self._known: set[tuple[str, int]] = set()
        self._trials = 0

    @hookimpl
    def run_started(self, run: Path, recipe: Recipe) -> None:
        """Open the keeper of the run."""
        self._keeper = self._open(run, recipe)
        self._known = self._keeper.known()

    @hookimpl
    def epoch_finished(self, task: str, epoch: int, losses: Mapping[str, float]) -> None:
        """Log the losses. Trainings that are called alike are told apart by the trials before them."""
        name = f"{task} after trial {self._trials}" if self._trials else task
        self._add({f"{name}/{loss}": value for loss, value in losses.items()}, step=epoch)

    @hookimpl
    def trial_finished(self, trial: Trial) -> None:
        """Log metrics, costs and the strategy's own figure of the trial."""
        self._trials += 1
        self._add({f"trials/{name}": value for name, value in figures_of(trial).items()}, step=self._trials)

    @hookimpl
    def run_finished(self, trials: Sequence[Trial]) -> None:
        """Log the answer, unless it was logged when the run ended before."""
        if self._keeper is None:
            return
        figures = {f"answer/{name}": value for name, value in figures_of(trials[-1]).items()}
        if not self._known >= {(name, 0) for name in figures}:
            self._keeper.conclude(trials[-1].genotype, figures)
        self._add(figures, step=0)
        self._keeper.close()

    def _add(self, figures: Mapping[str, float], *, step: int) -> None:
        new = {name: value for name, value in figures.items() if (name, step) not in self._known}
        if self._keeper is not None and new:
            self._keeper.add(new, step=step)
            self._known |= {(name, step) for name in new}


def figures_of(trial: Trial) -> dict[str, float]:
    """Return the metrics, the costs and the strategy's own figure of a trial, by their names."""
    return {**trial.metrics, **trial.costs, **trial.ranking}


def flat_options(recipe_tables: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return the options of nested tables by their whole names, such as `training.batch_size`."""
    options: dict[str, object] = {}
    for name, value in recipe_tables.items():
        whole = f"{prefix}{name}"
        options |= flat_options(value, f"{whole}.") if isinstance(value, Mapping) else {whole: value}
    return options
