"""Strategy `neuroevolution`: mutated children inherit their parents' weights and train briefly.

Source: McNally, thesis (2022), sections 3.2 and 3.3, and its EvoPose2D experiments E1 to E3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt
from posenas import (
    Candidate,
    Evolvable,
    Genotype,
    MetricLimit,
    PlannedTraining,
    PosenasError,
    Problem,
    Results,
    SearchSpace,
    Section,
    Trial,
    Weights,
    changes,
    check_genotype,
    final_init,
    genotype_id,
    middle,
)

from nas_evo.descent import Descent, descent_of, fitness_of, with_descent

_TRIES = 1000


@dataclass(frozen=True)
class Plan:
    """The size of an evolution.

    Attributes:
        gamma: the exponent of Eq. 3.4.
    """

    generations: int
    children: int
    parents: int
    gamma: float
    ancestor_epochs: int
    child_epochs: int


PLANS = MappingProxyType(
    {
        "small": Plan(generations=2, children=4, parents=2, gamma=-0.07, ancestor_epochs=4, child_epochs=1),
        "E1": Plan(generations=16, children=32, parents=4, gamma=-0.04, ancestor_epochs=30, child_epochs=5),
        "E2": Plan(generations=16, children=32, parents=4, gamma=-0.07, ancestor_epochs=30, child_epochs=5),
        "E3": Plan(generations=16, children=64, parents=4, gamma=-0.07, ancestor_epochs=30, child_epochs=5),
    }
)


@dataclass(frozen=True)
class Neuroevolution:
    """An ancestor is trained; in each generation the fittest networks have mutated children, which take over
    what they can of their parents' weights. The fittest network of all is trained on and is the answer.

    The lower the fitter: loss x (target_parameters / parameters) ^ gamma, where the loss is the least one on
    the ranking people after any epoch, and parameters include batch norm's statistics (Eq. 3.4).
    """

    preset: Annotated[
        Literal["small", "E1", "E2", "E3"], "the thesis's experiments, or a size for minutes on a CPU"
    ] = "small"
    generations: Annotated[int | None, "generations of children; none: the preset's", Ge(0)] = None
    children: Annotated[
        int | None, "children in each generation, a multiple of the parents; none: the preset's", Ge(1)
    ] = None
    parents: Annotated[
        int | None, "how many of the fittest networks have children; none: the preset's", Ge(1)
    ] = None
    gamma: Annotated[
        float | None,
        "exponent of the fitness; the further below 0, the more parameters cost; none: the preset's",
    ] = None
    target_parameters: Annotated[
        float, "the number of parameters at which the fitness equals the loss", Gt(0)
    ] = 5e6
    ancestor_epochs: Annotated[int | None, "passes over the people; none: the preset's", Gt(0)] = None
    child_epochs: Annotated[int | None, "passes over the people; none: the preset's", Gt(0)] = None
    inheritance: Annotated[
        bool,
        "whether children begin with what fits of their parents' weights; false is the thesis's control, "
        "where they begin as the ancestor did",
    ] = True
    final_epochs: Annotated[int, "passes over the people in training the winner", Gt(0)] = 4
    final_weights: Annotated[
        Literal["inherited", "fresh", "init"],
        "what the winner's training begins with: its weights as a candidate, fresh ones, or those of --init",
    ] = "inherited"
    ancestor: Annotated[
        Mapping[str, Any],
        "one value for each dimension; empty: the space's own, or else the middle of every dimension",
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plan = self.plan
        if plan.gamma > 0:
            raise ValueError(
                f"gamma is {plan.gamma}: above 0 it would reward parameters; it must be 0 or less"
            )
        if plan.children % plan.parents:
            raise ValueError(
                f"{plan.children} children cannot be shared out evenly among {plan.parents} parents"
            )

    @property
    def plan(self) -> Plan:
        """The preset's plan, with the options that were set."""
        plan = PLANS[self.preset]
        own = {name: getattr(self, name) for name in Plan.__dataclass_fields__}
        return replace(plan, **{name: value for name, value in own.items() if value is not None})

    def requires(self) -> Sequence[type]:
        return ()

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:  # noqa: ARG002
        plan = self.plan
        children = PlannedTraining("candidate", plan.child_epochs, plan.generations * plan.children)
        return (
            PlannedTraining("candidate", plan.ancestor_epochs),
            *([children] if plan.generations else []),
            PlannedTraining("final", self.final_epochs),
        )

    def search(self, problem: Problem) -> Iterator[Trial]:
        if len(problem.objectives) > 1:
            raise PosenasError(
                "strategy 'neuroevolution' has an objective of its own, the fitness (strategy.gamma, "
                "strategy.target_parameters); leave out --minimize, or use strategy 'evolution'"
            )
        pool = [self._ancestor(problem)]
        yield pool[0]
        known = {pool[0].id}
        for generation in range(1, self.plan.generations + 1):
            parents = fittest(pool, self.plan.parents, limits=problem.metric_limits)
            family = self._conceive(problem, parents, known, problem.rng(f"generation {generation}"))
            known |= {genotype_id(child) for child, _ in family}
            for trial in self._raise(problem, family, generation):
                pool.append(trial)
                yield trial
            pool = _keep(problem, pool, self.plan.parents)
        yield self._finish(problem, fittest(pool, 1, limits=problem.metric_limits)[0])

    def _ancestor(self, problem: Problem) -> Trial:
        genotype = self.ancestor or _first(problem)
        check_genotype(genotype, problem.space.dimensions())
        if not problem.within_limits(genotype):
            costs = problem.costs(genotype)
            raise PosenasError(
                f"the ancestor {genotype_id(genotype)} is not within the limits: it has "
                f"{costs['gmacs']:.3g} GMACs and {costs['parameters']} parameters; "
                "set strategy.ancestor to a genotype that is, or raise the limit"
            )
        (trial,) = problem.train_and_evaluate_many(
            [Candidate(problem.derived(genotype))], epochs=self.plan.ancestor_epochs, stage="candidate"
        )
        if trial.failure is not None:
            raise PosenasError(
                f"the ancestor {trial.id} failed, so there is nobody to descend from: {trial.failure}"
            )
        return with_descent(trial, Descent(0, None, self.fitness(trial)))

    def _conceive(
        self, problem: Problem, parents: Sequence[Trial], known: Collection[str], rng: Random
    ) -> list[tuple[Genotype, Trial]]:
        """Return a generation's children, each with its parent; fewer if no other genotypes were found."""
        mutate = changes(problem.space)
        new: dict[str, tuple[Genotype, Trial]] = {}
        for number in range(self.plan.children):
            parent = parents[number % len(parents)]
            for _ in range(_TRIES):
                child = problem.derived(mutate(parent.genotype, rng))
                key = genotype_id(child)
                if key not in known and key not in new and problem.within_limits(child):
                    new[key] = child, parent
                    break
        return list(new.values())

    def _raise(
        self, problem: Problem, family: Sequence[tuple[Genotype, Trial]], generation: int
    ) -> Iterator[Trial]:
        candidates = []
        for child, parent in family:
            assert parent.weights is not None
            init = Weights(parent.weights, shared=False) if self.inheritance else None
            candidates.append(Candidate(child, init))
        trials = problem.train_and_evaluate_many(candidates, epochs=self.plan.child_epochs, stage="candidate")
        for trial, (_, parent) in zip(trials, family, strict=True):
            yield with_descent(trial, Descent(generation, parent.id, self.fitness(trial)))

    def _finish(self, problem: Problem, winner: Trial) -> Trial:
        assert winner.weights is not None
        init = final_init(problem, self.final_weights, learnt=Weights(winner.weights, shared=False))
        weights = problem.train(winner.genotype, epochs=self.final_epochs, init=init)
        final = problem.evaluate(winner.genotype, weights, stage="final")
        descent = descent_of(winner)
        assert descent is not None
        return with_descent(final, descent)

    def sections(self, results: Results) -> Sequence[Section]:
        """Return the family of the evolved networks for the report."""
        from nas_evo.report.section import family_sections  # loads matplotlib, which training does not need

        return family_sections(results)

    def fitness(self, trial: Trial) -> float | None:
        """Return J of Eq. 3.4, or None if the trial failed."""
        if trial.loss is None:
            return None
        ratio = self.target_parameters / trial.costs["parameters_with_statistics"]
        return float(trial.loss * ratio**self.plan.gamma)


def fittest(trials: Sequence[Trial], number: int, *, limits: Sequence[MetricLimit] = ()) -> list[Trial]:
    """Return the `number` fittest trials; of equals the one with fewer parameters, then the elder.

    Args:
        trials: to choose from; those that failed are left out.
        number: how many are wanted.
        limits: on metrics. Trials that keep them come first, then those that miss them less.
    """
    alive = [trial for trial in trials if fitness_of(trial) is not None]
    return sorted(alive, key=lambda trial: _place(trial, limits))[:number]


def _place(trial: Trial, limits: Sequence[MetricLimit]) -> tuple[float, float | None, float]:
    violation = max((limit.violation_of(trial) for limit in limits), default=0.0)
    return violation, fitness_of(trial), trial.costs["parameters_with_statistics"]


def _keep(problem: Problem, pool: Sequence[Trial], number: int) -> list[Trial]:
    """Keep the trials that can still be parents, and delete the weights of the others."""
    kept = fittest(pool, number, limits=problem.metric_limits)
    needed = {trial.weights for trial in kept}
    for trial in pool:
        if trial.weights is not None and trial.weights not in needed:
            problem.discard(Weights(trial.weights, shared=False))
    return kept


def _first(problem: Problem) -> Genotype:
    """Return where the evolution begins: the space's ancestor, or the middle of every dimension."""
    space = problem.space
    if isinstance(space, Evolvable):
        return space.ancestor()
    return middle(space.dimensions())
