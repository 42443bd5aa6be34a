"""Strategy `predictor`: a small network learns scores from genotypes and proposes what to score next.

Source: the idea is BANANAS's (White et al., AAAI 2021): an ensemble of predictors, candidates mutated from
the best, chosen by independent Thompson sampling. The networks here are this project's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from posenas.composing.goals.dominance import feasible_first
from posenas.composing.goals.objectives import scored
from posenas.composing.variation import breed
from posenas.contract.components import SearchSpace
from posenas.contract.genotype import Genotype, genotype_id
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
from posenas.standard.strategies.evolution import ranked
from posenas.standard.strategies.score_predictor import predict_scores

_PARENTS = 8
_CROSSOVER = 0.5


@dataclass(frozen=True)
class PredictorSearch:
    """Scores some drawn genotypes, then, time and again, those that a predictor trained on all scores so far
    thinks best among drawn ones and children of the best; trains the best one.

    Of several objectives the predictor learns the metrics and the dear costs; the others are counted. It
    learns the metrics that are limited too.
    """

    weights: WeightsOption = "auto"
    candidates: CandidatesOption = 64
    first: Annotated[int, "candidates that are drawn before the predictor is asked", Ge(2)] = 16
    batch: Annotated[int, "candidates to score between two trainings of the predictor", Gt(0)] = 8
    proposals: Annotated[int, "genotypes that the predictor chooses each batch from", Ge(2)] = 256
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
        trials: list[Trial] = []
        chosen = candidates.first(self.first)
        while chosen:
            trials += yield from candidates.score(chosen, done=len(trials))
            chosen = self._propose(problem, trials)
        yield candidates.finish(trials)

    def _propose(self, problem: Problem, trials: Sequence[Trial]) -> list[Genotype]:
        """Return the next candidates; none if all candidates are scored or no new genotype is found."""
        left = min(self.batch, self.candidates - len(trials))
        good = scored(trials, problem.objectives)
        if left == 0 or not good:
            return []
        rng = problem.rng(f"proposals after {len(trials)}")
        pool = self._pool(problem, trials, rng)
        return _chosen(problem, good, pool, number=left, rng=rng) if pool else []

    def _pool(self, problem: Problem, trials: Sequence[Trial], rng: Random) -> list[Genotype]:
        """Return new genotypes within the limits: half drawn, half bred from the best."""
        known = {trial.id for trial in trials}
        drawn = problem.draw(self.proposals // 2, purpose=f"proposals after {len(trials)}")
        pool = {genotype_id(genotype): genotype for genotype in drawn}
        pool = {name: genotype for name, genotype in pool.items() if name not in known}
        order = ranked(trials, problem.objectives, limits=problem.metric_limits)
        best = [trial.genotype for trial in order[:_PARENTS]]
        while len(pool) < self.proposals:
            child = breed(
                problem,
                lambda: (rng.choice(best), rng.choice(best)),
                crossover=_CROSSOVER,
                known=known | set(pool),
                rng=rng,
            )
            if child is None:
                break
            pool[genotype_id(child)] = child
        return list(pool.values())


def _chosen(
    problem: Problem, good: Sequence[Trial], pool: Sequence[Genotype], *, number: int, rng: Random
) -> list[Genotype]:
    """Choose from the pool, each place by one member of the ensemble, another member each time."""
    dimensions = problem.space.dimensions()
    known = [trial.genotype for trial in good]
    columns = []
    for objective in problem.objectives:
        if objective.is_cost and not objective.dear:
            costs = [problem.costs(genotype)[objective.name] for genotype in pool]
            columns.append(np.array([costs]) * (1.0 if objective.maximize else -1.0))
        else:
            scores = [objective.value(trial) for trial in good]
            columns.append(predict_scores(known, scores, pool, dimensions, rng=rng))
    violations = _violations(problem, good, pool, rng=rng)
    members = max(len(column) for column in (*columns, violations))
    orders = [
        feasible_first(
            np.stack([column[member % len(column)] for column in columns], axis=1),
            violations[member % len(violations)],
        )
        for member in rng.sample(range(members), members)
    ]
    chosen: dict[int, Genotype] = {}
    for turn in range(number):
        order = orders[turn % members]
        position = next((place for place in order if place not in chosen), None)
        if position is not None:
            chosen[position] = pool[position]
    return list(chosen.values())


def _violations(
    problem: Problem, good: Sequence[Trial], pool: Sequence[Genotype], *, rng: Random
) -> NDArray[np.float64]:
    """Return (members, pool) how far each member thinks that the pool's genotypes miss the metrics' limits.

    Without a limit it is one row of zeros. A metric that no trial has yet is not predicted.
    """
    violations = np.zeros((1, len(pool)))
    for limit in problem.metric_limits:
        known = [trial for trial in good if limit.metric in trial.metrics]
        if known:
            predicted = predict_scores(
                [trial.genotype for trial in known],
                [trial.metrics[limit.metric] for trial in known],
                pool,
                problem.space.dimensions(),
                rng=rng,
            )
            violations = np.maximum(violations, np.vectorize(limit.violation)(predicted))
    return violations
