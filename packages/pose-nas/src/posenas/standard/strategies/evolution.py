"""Strategy `evolution`: regularised for one objective, NSGA-II for several.

Source: Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019; Deb et
al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE TEC 2002.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from posenas.composing.goals.dominance import feasible_first
from posenas.composing.goals.metric_limits import violation
from posenas.composing.goals.objectives import scored, values
from posenas.composing.variation import breed
from posenas.contract.components import SearchSpace
from posenas.contract.genotype import Genotype
from posenas.contract.goals import MetricLimit, Objective
from posenas.contract.phases import PlannedTraining
from posenas.contract.problem import Problem
from posenas.contract.trial import Trial
from posenas.standard.strategies.candidates import (
    CalibrationOption,
    Candidates,
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
class Evolution:
    """Scores genotypes drawn within the limits, then children of good ones, no genotype twice; trains the
    best one.

    With one objective the eldest of the population makes room for each child. With several it is the one
    that NSGA-II ranks last, child included, and the winner is the knee of the front.
    """

    weights: WeightsOption = "auto"
    candidates: CandidatesOption = 64
    population: Annotated[int, "genotypes that parents are chosen from", Ge(2)] = 12
    tournament: Annotated[int, "genotypes among which the best one becomes a parent", Ge(1)] = 4
    crossover: Annotated[float, "how often, of 1, a child has two parents", Ge(0), Le(1)] = 0.5
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
        first = yield from candidates.score(candidates.first(self.population), done=0)
        children = yield from self._children(problem, candidates, first)
        yield candidates.finish([*first, *children])

    def _children(
        self, problem: Problem, candidates: Candidates, population: list[Trial]
    ) -> Generator[Trial, None, list[Trial]]:
        """Breed and score one child at a time, until all candidates are scored or no new one is found."""
        rng = problem.rng("evolution")
        known = {trial.id for trial in population}
        children: list[Trial] = []
        while len(known) < self.candidates:
            order = ranked(population, problem.objectives, limits=problem.metric_limits)
            parents = partial(_choose_two, order, tournament=self.tournament, rng=rng)
            child = breed(problem, parents, crossover=self.crossover, known=known, rng=rng)
            if child is None:
                break
            (trial,) = yield from candidates.score([child], done=len(known))
            children.append(trial)
            known.add(trial.id)
            population = self._survivors([*population, trial], problem)
        return children

    def _survivors(self, population: list[Trial], problem: Problem) -> list[Trial]:
        """Return all but one: the eldest, or with several objectives the last by front and loneliness."""
        if len(problem.objectives) == 1:
            return population[1:]
        return ranked(population, problem.objectives, limits=problem.metric_limits)[:-1]


def ranked(
    population: Sequence[Trial], objectives: Sequence[Objective], *, limits: Sequence[MetricLimit]
) -> list[Trial]:
    """Return the trials, the best first and those that failed last.

    Args:
        population: to be ranked.
        objectives: what to make great or small.
        limits: on metrics. Trials that keep them come before those that do not.
    """
    good = scored(population, objectives)
    violations = np.array([violation(trial, limits) for trial in good])
    order = [good[index] for index in feasible_first(values(good, objectives), violations)] if good else []
    return [*order, *(trial for trial in population if not any(trial is one for one in good))]


def _choose_two(order: Sequence[Trial], *, tournament: int, rng: Random) -> tuple[Genotype, Genotype]:
    """Return two genotypes, each the best of `tournament` drawn at random."""
    size = min(tournament, len(order))
    first, second = (min(rng.sample(range(len(order)), size)) for _ in range(2))
    return order[first].genotype, order[second].genotype
