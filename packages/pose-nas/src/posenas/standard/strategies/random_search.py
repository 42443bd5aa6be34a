"""Strategy `random`: the baseline that every search has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from posenas.contract.components import SearchSpace
from posenas.contract.phases import PlannedTraining
from posenas.contract.problem import Problem
from posenas.contract.trial import Trial
from posenas.standard.strategies.candidates import (
    CalibrationOption,
    CandidatesOption,
    EpochsOption,
    FinalEpochsOption,
    FinalWeightsOption,
    WeightsOption,
    check_final_weights,
    planned_trainings,
    prepare_candidates,
    required,
)


@dataclass(frozen=True)
class RandomSearch:
    """Scores genotypes drawn as the space samples, within the limits, and trains the best one.

    Source: Li and Talwalkar, "Random search and reproducibility for neural architecture search", UAI 2019.
    """

    weights: WeightsOption = "auto"
    candidates: CandidatesOption = 64
    epochs: EpochsOption = 4
    calibration_people: CalibrationOption = 128
    final_epochs: FinalEpochsOption = 13
    final_weights: FinalWeightsOption = "auto"

    def __post_init__(self) -> None:
        check_final_weights(self)

    def requires(self) -> Sequence[type]:
        return required(self)

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:
        return planned_trainings(self, space)

    def search(self, problem: Problem) -> Iterator[Trial]:
        candidates = prepare_candidates(problem, self)
        trials = yield from candidates.score(candidates.first(self.candidates), done=0)
        yield candidates.finish(trials)
