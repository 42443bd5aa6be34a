"""Candidates: how a search scores them, with their part of shared weights or each trained alone."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, TypeAlias, cast

from annotated_types import Gt

from posenas.contract.components import Distillable, SearchSpace, WeightSharing
from posenas.contract.genotype import Genotype
from posenas.contract.phases import PlannedTraining
from posenas.contract.problem import FinalWeights, Problem, Weights, final_init
from posenas.contract.trial import Trial

Source: TypeAlias = Literal["auto", "shared", "scratch"]

# The options that every strategy with candidates has.
WeightsOption: TypeAlias = Annotated[
    Source, "candidates' weights: a super-network's, their own, or auto: shared if the space supports it"
]
CandidatesOption: TypeAlias = Annotated[int, "candidates to score, all of them different", Gt(0)]
EpochsOption: TypeAlias = Annotated[
    int, "passes over the people in training the super-network, or each candidate", Gt(0)
]
CalibrationOption: TypeAlias = Annotated[
    int, "training people that batch norm's statistics of shared weights are taken from", Gt(0)
]
FinalWeightsOption: TypeAlias = Annotated[
    FinalWeights,
    "what the winner's training begins with: shared weights, fresh ones, those of --init, or auto: shared "
    "if there are any, else those of --init, or fresh",
]
FinalEpochsOption: TypeAlias = Annotated[int, "passes over the people in training the winner", Gt(0)]


class Options(Protocol):
    """The options of a strategy that scoring reads."""

    @property
    def weights(self) -> Source: ...

    @property
    def candidates(self) -> int: ...

    @property
    def epochs(self) -> int: ...

    @property
    def calibration_people(self) -> int: ...

    @property
    def final_epochs(self) -> int: ...

    @property
    def final_weights(self) -> FinalWeights: ...


_RANDOM_NETWORKS = 2
"""The number of random networks in each step of the super-network's training, as in ViPNAS."""


@dataclass(frozen=True)
class Candidates:
    """A scorer of genotypes on the ranking people, which also trains the winner.

    Attributes:
        problem: what the search is asked.
        options: the strategy's options.
        shared: the super-network's weights; None where each candidate is trained from scratch.
    """

    problem: Problem
    options: Options
    shared: Weights | None

    def first(self, number: int) -> list[Genotype]:
        """Return the genotypes to begin with, the two ends of a weight-sharing space among them.

        There are `number` of them, or fewer if fewer candidates are wanted.
        """
        space = self.problem.space
        ends = [space.largest(), space.smallest()] if isinstance(space, WeightSharing) else []
        return self.problem.draw(min(number, self.options.candidates), first=ends)

    def score(self, genotypes: Sequence[Genotype], *, done: int) -> Generator[Trial, None, list[Trial]]:
        """Yield one trial for each genotype, in order, and return all of them; `done` were scored before."""
        trials = []
        for index, drawn in enumerate(genotypes):
            genotype = drawn if self.shared else self.problem.derived(drawn)
            weights = self.shared or self.problem.train(genotype, epochs=self.options.epochs, on="fit")
            for trial in self.problem.evaluate_many(
                [genotype],
                weights,
                stage="candidate",
                calibration_people=self.options.calibration_people if weights.shared else 0,
                progress=(done + index, self.options.candidates),
            ):
                trials.append(trial)
                yield trial
        return trials

    def finish(self, trials: Sequence[Trial]) -> Trial:
        """Return the trial of the winner, trained with all training people and scored on `val`.

        Its training begins with what `final_weights` says. Where the space derives another network from the
        winner, that one does not begin with shared weights.
        """
        found = self.problem.best(trials).genotype
        genotype = self.problem.derived(found)
        learnt = self.shared if genotype == found else None
        init = final_init(self.problem, self.options.final_weights, learnt=learnt)
        weights = self.problem.train(genotype, epochs=self.options.final_epochs, init=init)
        return self.problem.evaluate(genotype, weights, stage="final")


def required(options: Options) -> Sequence[type]:
    """Return the capabilities that the space must have for the weights of candidates and winner."""
    return (WeightSharing,) if "shared" in (options.weights, options.final_weights) else ()


def check_final_weights(options: Options) -> None:
    """Refuse shared weights for the winner where candidates are trained from scratch."""
    if options.final_weights == "shared" and options.weights == "scratch":
        raise ValueError("final_weights is shared, and with weights=scratch there are none; set it to auto")


def planned_trainings(options: Options, space: SearchSpace) -> Sequence[PlannedTraining]:
    """Return the trainings of a search that scores its candidates and trains the winner."""
    if options.weights != "scratch" and isinstance(space, WeightSharing):
        first = PlannedTraining("shared", options.epochs)
    else:
        first = PlannedTraining("candidate", options.epochs, options.candidates)
    return first, PlannedTraining("final", options.final_epochs)


def prepare_candidates(problem: Problem, options: Options) -> Candidates:
    """Return the scorer, after the super-network was trained if weights are to be shared.

    `auto` shares them where the space can.
    """
    from posenas.learning.sandwich_step import (
        SandwichStep,  # here, so that strategies are shown without torch
    )

    shared = None
    if options.weights != "scratch" and problem.offers(WeightSharing):
        step = SandwichStep(
            cast(WeightSharing, problem.space),
            _RANDOM_NETWORKS,
            "truth+teacher" if problem.offers(Distillable) else "off",
        )
        shared = problem.train_shared(step, epochs=options.epochs)
    return Candidates(problem, options, shared)
