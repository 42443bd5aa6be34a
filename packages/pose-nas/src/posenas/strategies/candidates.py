"""How a search scores its candidates: with their part of shared weights, or each trained alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from posenas.genotype import Genotype
from posenas.problem import Problem, Weights
from posenas.protocols import Distillable, WeightSharing
from posenas.sandwich_step import SandwichStep
from posenas.trial import Trial

Source: TypeAlias = Literal["auto", "shared", "scratch"]

_RANDOM_NETWORKS = 2
"""In each step of the super-network's training, as in ViPNAS."""


@dataclass(frozen=True)
class Candidates:
    """Scores genotypes on the ranking people, and trains the winner.

    Attributes:
        shared: the super-network's weights; None where each candidate is trained from scratch.
        epochs: of a candidate's own training.
        calibration_people: for batch norm's statistics of a sub-network.
        evaluations: how many candidates the search will score.
    """

    problem: Problem
    shared: Weights | None
    epochs: int
    calibration_people: int
    evaluations: int

    def first(self, number: int) -> list[Genotype]:
        """So many genotypes to begin with, the two ends of a weight-sharing space among them."""
        space = self.problem.space
        ends = [space.largest(), space.smallest()] if isinstance(space, WeightSharing) else []
        return self.problem.draw(min(number, self.evaluations), first=ends)

    def score(self, genotypes: Sequence[Genotype], *, done: int) -> Iterator[Trial]:
        """One trial for each, in order; `done` were scored before."""
        for index, genotype in enumerate(genotypes):
            weights = self.shared or self.problem.train(genotype, epochs=self.epochs, on="fit")
            yield from self.problem.evaluate_many(
                [genotype],
                weights,
                stage="candidate",
                calibration_people=self.calibration_people if weights.shared else 0,
                progress=(done + index, self.evaluations),
            )

    def finish(self, trials: Sequence[Trial], *, epochs: int) -> Trial:
        """The winner, trained on (or anew) with all training people, and scored on `val`."""
        winner = self.problem.best(trials)
        weights = self.problem.train(winner.genotype, epochs=epochs, init=self.shared)
        return self.problem.evaluate(winner.genotype, weights, stage="final")


def required(source: Source) -> Sequence[type]:
    """Capabilities that the space must have for its candidates' weights to come from there."""
    return (WeightSharing,) if source == "shared" else ()


def prepare_candidates(
    problem: Problem, source: Source, *, epochs: int, calibration_people: int, evaluations: int
) -> Candidates:
    """Trains the super-network first where weights are to be shared; `auto` shares where the space can."""
    shared = None
    if source != "scratch" and problem.offers(WeightSharing):
        step = SandwichStep(
            cast(WeightSharing, problem.space),
            _RANDOM_NETWORKS,
            "truth+teacher" if problem.offers(Distillable) else "off",
        )
        shared = problem.train_shared(step, epochs=epochs)
    return Candidates(problem, shared, epochs, calibration_people, evaluations)
