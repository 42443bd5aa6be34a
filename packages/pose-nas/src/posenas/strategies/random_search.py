"""Strategy `random`: the baseline that every search has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from posenas.problem import Problem
from posenas.strategies.candidates import Source, prepare_candidates, required
from posenas.trial import Trial


@dataclass(frozen=True)
class RandomSearch:
    """Scores genotypes drawn as the space samples, within the limits, and trains the best one.

    Source: Li and Talwalkar, "Random search and reproducibility for neural architecture search", UAI 2019.
    """

    weights: Annotated[
        Source, "candidates' weights: a super-network's, their own, or auto: shared where the space can"
    ] = "auto"
    evaluations: Annotated[int, "candidates to score", Gt(0)] = 64
    epochs: Annotated[
        int, "passes over the people in training the super-network, or each candidate", Gt(0)
    ] = 4
    calibration_people: Annotated[
        int, "training people that batch norm's statistics of shared weights are taken from", Gt(0)
    ] = 128
    final_epochs: Annotated[int, "passes over the people in training the winner", Gt(0)] = 13

    def requires(self) -> Sequence[type]:
        return required(self.weights)

    def search(self, problem: Problem) -> Iterator[Trial]:
        candidates = prepare_candidates(
            problem,
            self.weights,
            epochs=self.epochs,
            calibration_people=self.calibration_people,
            evaluations=self.evaluations,
        )
        trials = []
        for trial in candidates.score(candidates.first(self.evaluations), done=0):
            trials.append(trial)
            yield trial
        yield candidates.finish(trials, epochs=self.final_epochs)
