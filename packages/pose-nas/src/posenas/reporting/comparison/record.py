"""A comparison on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from posenas.contract.errors import PosenasError
from posenas.contract.trial import Trial, trial_from_dict
from posenas.runs.run import Run
from posenas.runs.sealed import read_sealed

FILE = "comparison.json"
TRIALS = ("random", "trained", "alone")


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; trials in the order of their drawing.

    Attributes:
        cost: the name of the cost that is equal.
        random: random genotypes of the winner's cost, scored as the candidates were.
        trained: some of them, trained and scored as the winner was.
        alone: candidates trained alone for `alone_epochs`, scored on the people that ranked them.
    """

    cost: str
    tolerance: float
    alone_epochs: int
    random: tuple[Trial, ...]
    trained: tuple[Trial, ...]
    alone: tuple[Trial, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the file."""
        trials = {name: [trial.as_dict() for trial in getattr(self, name)] for name in TRIALS}
        return {
            "cost": self.cost,
            "tolerance": self.tolerance,
            "alone_epochs": self.alone_epochs,
            **trials,
        }

    def joined(self, earlier: Comparison | None) -> Comparison:
        """Return the comparison with an earlier one's further trials, as far as both were made alike."""
        if earlier is None or (earlier.cost, earlier.tolerance) != (self.cost, self.tolerance):
            return self
        alike = earlier.alone_epochs == self.alone_epochs
        return replace(
            self,
            random=_joined(self.random, earlier.random),
            trained=_joined(self.trained, earlier.trained),
            alone=_joined(self.alone, earlier.alone) if alike else self.alone or earlier.alone,
            alone_epochs=self.alone_epochs if alike or self.alone else earlier.alone_epochs,
        )


def _joined(trials: tuple[Trial, ...], earlier: tuple[Trial, ...]) -> tuple[Trial, ...]:
    known = {trial.id for trial in trials}
    return (*trials, *(trial for trial in earlier if trial.id not in known))


def read_comparison(run: Run) -> Comparison | None:
    """Return the comparison of a run; None where none was made.

    Raises:
        PosenasError: where its file cannot be read.
    """
    file = run.path / FILE
    if not file.exists():
        return None
    try:
        record = read_sealed(file)
        trials = {name: tuple(trial_from_dict(trial) for trial in record[name]) for name in TRIALS}
        return Comparison(record["cost"], record["tolerance"], record["alone_epochs"], **trials)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PosenasError(
            f"{file}: cannot be read as a comparison ({error!r}); delete it, and "
            f"`posenas compare {run.path}` writes it anew"
        ) from error
