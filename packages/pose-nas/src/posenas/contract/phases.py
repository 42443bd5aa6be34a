"""The phases of a search: which settings of a recipe a training takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["shared", "candidate", "final"]
"""What a training is for. `Problem.train_shared` and `train_relaxed` are `shared`. The training of one
genotype alone is `candidate` on the people of `fit`, and `final` on others."""

PHASES: tuple[Phase, ...] = ("shared", "candidate", "final")


def phase_of(on: str) -> Phase:
    """Return the phase in which one genotype is trained alone on a split."""
    return "candidate" if on == "fit" else "final"


@dataclass(frozen=True)
class PlannedTraining:
    """Trainings that a strategy is going to ask for, all of one phase and length.

    Attributes:
        epochs: passes over the people in one of them; those of the whole where it is cut into slices.
        number: how many there are, at most.
    """

    phase: Phase
    epochs: int
    number: int = 1
