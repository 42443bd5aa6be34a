"""Where an evolved network comes from: what the strategy notes on each of its trials."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from posenas import Trial

NOTE = "descent"


@dataclass(frozen=True)
class Descent:
    """An evolved network's place in its family.

    Attributes:
        generation: 0 is the ancestor's.
        parent: id of the genotype that was mutated and whose weights were inherited; None for the ancestor.
        fitness: the lower the fitter; None where the trial failed.
    """

    generation: int
    parent: str | None
    fitness: float | None


def with_descent(trial: Trial, descent: Descent) -> Trial:
    """Return the trial with its descent noted; its fitness ranks it among the others."""
    ranking = {} if descent.fitness is None else {"fitness": descent.fitness}
    return replace(trial, notes={**trial.notes, NOTE: asdict(descent)}, ranking=ranking)


def descent_of(trial: Trial) -> Descent | None:
    """Return the trial's descent; None where it is of another strategy."""
    noted = trial.notes.get(NOTE)
    return None if noted is None else Descent(**noted)


def fitness_of(trial: Trial) -> float | None:
    """Return how fit a trial is, the lower the fitter; None where it failed or was not evolved."""
    descent = descent_of(trial)
    return None if descent is None else descent.fitness
