"""The evolution on problems whose losses are known, against a slow reading of the thesis's section 3.3.3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from nas_evo.descent import Descent, descent_of, fitness_of, with_descent
from nas_evo.neuroevolution import PLANS, Neuroevolution, fittest
from posenas import (
    Candidate,
    Choice,
    Genotype,
    MetricLimit,
    Objective,
    PosenasError,
    Trial,
    Weights,
    genotype_id,
    sample_uniform,
)
from posenas.composing.options import make_component

DIMENSIONS = {f"x{index}": Choice(tuple(range(5))) for index in range(6)}
AP = Objective("toy.AP", maximize=True, is_cost=False)


class ToySpace:
    def dimensions(self) -> Mapping[str, Choice]:
        return DIMENSIONS

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(DIMENSIONS, rng)


class OwnSpace(ToySpace):
    """Evolvable: it begins at zeros and counts one dimension up."""

    def ancestor(self) -> Genotype:
        return dict.fromkeys(DIMENSIONS, 0)

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        name = rng.choice(sorted(DIMENSIONS))
        return {**genotype, name: (genotype[name] + 1) % 5}

    def build(self, genotype: Genotype) -> Any:
        raise NotImplementedError


class ToyProblem:
    """What the strategy uses of a problem. Loss: distance from all threes. Costs: a thousand and the sum."""

    def __init__(
        self, space: Any = None, *, most: int = 10**9, failing: Any = lambda _genotype: False, seed: int = 0
    ) -> None:
        self.space = space or ToySpace()
        self.objectives: tuple[Objective, ...] = (AP,)
        self.metric_limits: tuple[MetricLimit, ...] = ()
        self._most, self._failing, self._seed = most, failing, seed
        self.calls: list[tuple[list[Candidate], int]] = []
        self.discarded: list[str] = []
        self.final: tuple[Genotype, int, Weights | None] | None = None

    def rng(self, purpose: str) -> Random:
        return Random(f"{self._seed} {purpose}")

    def derived(self, genotype: Genotype) -> Genotype:
        return genotype

    def within_limits(self, genotype: Genotype) -> bool:
        return sum(genotype.values()) <= self._most

    def costs(self, genotype: Genotype) -> Mapping[str, float]:
        return {"gmacs": 1.0, "parameters": sum(genotype.values())}

    def train_and_evaluate_many(
        self, candidates: Sequence[Candidate], *, epochs: int, stage: str
    ) -> Iterator[Trial]:
        self.calls.append((list(candidates), epochs))
        for candidate in candidates:
            trial = self._trial(candidate.genotype, stage)
            yield replace(trial, inherited=None if candidate.init is None else 0.9)

    def train(self, genotype: Genotype, *, epochs: int, init: Weights | None = None) -> Weights:
        self.final = genotype, epochs, init
        return Weights("final", shared=False)

    def evaluate(self, genotype: Genotype, _weights: Weights, *, stage: str) -> Trial:
        return replace(self._trial(genotype, stage), split="val", loss=None)

    def discard(self, weights: Weights) -> None:
        self.discarded.append(weights.file)

    def _trial(self, genotype: Genotype, stage: str) -> Trial:
        costs = {"parameters_with_statistics": 1000 + sum(genotype.values()), "gmacs": 1.0}
        if self._failing(genotype):
            return Trial(genotype, stage, "ranking", {}, costs, failure="RuntimeError: out of memory")
        loss = 1.0 + sum(abs(value - 3) for value in genotype.values())
        return Trial(
            genotype,
            stage,
            "ranking",
            {"toy.AP": 1 / loss},
            costs,
            weights=genotype_id(genotype),
            loss=loss,
        )


def evolve(problem: ToyProblem, **options: Any) -> list[Trial]:
    settings = {"generations": 6, "children": 6, "parents": 3, "gamma": -0.5, "target_parameters": 1000.0}
    return list(Neuroevolution(**(settings | options)).search(problem))  # type: ignore[arg-type]


def slow_fitness(trial: Trial) -> float:
    assert trial.loss is not None
    return trial.loss * (1000.0 / trial.costs["parameters_with_statistics"]) ** -0.5


@pytest.mark.parametrize("seed", range(5))
def test_each_generation_descends_from_the_fittest_so_far(seed: int) -> None:
    problem = ToyProblem(seed=seed)
    *candidates, final = evolve(problem)
    assert len(candidates) == 1 + 6 * 6
    assert len({trial.id for trial in candidates}) == len(candidates)
    by_id = {trial.id: trial for trial in candidates}
    for trial in candidates:
        assert fitness_of(trial) == pytest.approx(slow_fitness(trial))
        assert trial.ranking == {"fitness": fitness_of(trial)}
    for generation in range(1, 7):
        before = [trial for trial in candidates if generation_of(trial) < generation]
        parents = sorted(before, key=slow_fitness)[:3]
        children = [trial for trial in candidates if generation_of(trial) == generation]
        assert len(children) == 6
        expected = [parents[number % len(parents)].id for number in range(6)]
        assert [parent_of(child) for child in children] == expected
        for child in children:
            parent = by_id[str(parent_of(child))].genotype
            assert sum(child.genotype[name] != parent[name] for name in parent) == 1
    assert final.id == min(candidates, key=slow_fitness).id
    assert slow_fitness(by_id[final.id]) < slow_fitness(candidates[0])


def known_descent(trial: Trial) -> Descent:
    descent = descent_of(trial)
    assert descent is not None
    return descent


def generation_of(trial: Trial) -> int:
    return known_descent(trial).generation


def parent_of(trial: Trial) -> str | None:
    return known_descent(trial).parent


def test_children_begin_with_their_parents_weights_and_a_generation_is_one_call() -> None:
    problem = ToyProblem()
    trials = evolve(problem, ancestor_epochs=9, child_epochs=4, final_epochs=7)
    (ancestor, epochs), *generations = problem.calls
    assert epochs == 9
    assert [candidate.init for candidate in ancestor] == [None]
    assert [(len(candidates), epochs) for candidates, epochs in generations] == [(6, 4)] * 6
    by_id = {trial.id: trial for trial in trials[:-1]}
    for candidates, _ in generations:
        for candidate in candidates:
            parent = by_id[str(parent_of(by_id[genotype_id(candidate.genotype)]))]
            assert candidate.init == Weights(parent.weights or "", shared=False)
    winner = by_id[trials[-1].id]
    assert problem.final == (winner.genotype, 7, Weights(winner.weights or "", shared=False))
    assert known_descent(trials[-1]) == known_descent(winner)


def test_without_inheritance_the_family_is_the_same_and_everybody_begins_fresh() -> None:
    """The toy's losses do not depend on the first weights."""
    problem, heirs = ToyProblem(), ToyProblem()
    trials, expected = evolve(problem, inheritance=False), evolve(heirs)
    assert [trial.genotype for trial in trials] == [trial.genotype for trial in expected]
    assert list(map(known_descent, trials)) == list(map(known_descent, expected))
    assert {candidate.init for candidates, _ in problem.calls for candidate in candidates} == {None}
    assert problem.final is not None
    assert problem.final == heirs.final, "the winner is trained on from its own weights"
    assert problem.discarded == heirs.discarded


def test_only_weights_that_nobody_inherits_any_more_are_deleted() -> None:
    problem = ToyProblem()
    trials = evolve(problem)[:-1]
    last = {trial.id for trial in sorted(trials, key=slow_fitness)[:3]}
    assert set(problem.discarded) == {trial.id for trial in trials} - last


def test_failed_children_have_no_children_and_the_generation_goes_on() -> None:
    problem = ToyProblem(failing=lambda genotype: genotype["x0"] == 3)
    *candidates, final = evolve(problem)
    failed = {trial.id for trial in candidates if trial.failure}
    assert failed
    assert all(known_descent(trial).fitness is None for trial in candidates if trial.failure)
    assert not any(trial.ranking for trial in candidates if trial.failure)
    assert not failed & set(map(parent_of, candidates))
    assert final.id not in failed


def test_an_ancestor_that_fails_ends_the_search_with_its_reason() -> None:
    with pytest.raises(PosenasError, match=r"ancestor .* failed.*out of memory"):
        evolve(ToyProblem(failing=lambda _genotype: True))


def test_begins_in_the_middle_or_where_the_space_or_the_user_says() -> None:
    assert evolve(ToyProblem(), generations=0)[0].genotype == dict.fromkeys(DIMENSIONS, 2)
    own = evolve(ToyProblem(OwnSpace()), generations=1)
    assert own[0].genotype == dict.fromkeys(DIMENSIONS, 0)
    assert all(sum(trial.genotype.values()) == 1 for trial in own[1:-1])
    given = dict.fromkeys(DIMENSIONS, 4)
    assert evolve(ToyProblem(OwnSpace()), generations=0, ancestor=given)[0].genotype == given
    with pytest.raises(PosenasError, match="x0"):
        evolve(ToyProblem(), ancestor=given | {"x0": 9})


def test_limits_hold_for_every_network() -> None:
    assert all(sum(trial.genotype.values()) <= 12 for trial in evolve(ToyProblem(most=12)))
    with pytest.raises(PosenasError, match=r"ancestor .* not within the limits.*strategy.ancestor"):
        evolve(ToyProblem(most=11))


def test_a_space_with_few_genotypes_is_searched_whole_and_ends() -> None:
    class Narrow(ToySpace):
        def dimensions(self) -> Mapping[str, Choice]:
            return {"x0": Choice((0, 1, 2))}

    trials = evolve(ToyProblem(Narrow()))
    assert sorted(trial.genotype["x0"] for trial in trials[:-1]) == [0, 1, 2]


def test_the_same_seed_gives_the_same_family_and_another_one_another() -> None:
    assert evolve(ToyProblem(seed=1)) == evolve(ToyProblem(seed=1))
    assert evolve(ToyProblem(seed=1)) != evolve(ToyProblem(seed=2))


def test_presets_are_the_thesis_s_and_single_options_overrule_them() -> None:
    assert [PLANS[name].gamma for name in ("E1", "E2", "E3")] == [-0.04, -0.07, -0.07]
    assert [PLANS[name].children for name in ("E1", "E2", "E3")] == [32, 32, 64]
    for name in ("E1", "E2", "E3"):
        plan = Neuroevolution(preset=name).plan  # type: ignore[arg-type]
        assert (plan.parents, plan.ancestor_epochs, plan.child_epochs) == (4, 30, 5)
    changed = Neuroevolution(preset="E3", children=8).plan
    assert changed == replace(PLANS["E3"], children=8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"children": 5, "parents": 2}, "5 children cannot be shared out evenly among 2 parents"),
        ({"gamma": 0.1}, "gamma is 0.1"),
        ({"preset": "E4"}, "one of small, E1, E2, E3"),
    ],
)
def test_options_that_cannot_be(options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(PosenasError, match=words):
        make_component(Neuroevolution, options, where="strategy neuroevolution")


def test_other_objectives_are_refused() -> None:
    problem = ToyProblem()
    problem.objectives = (AP, Objective("gmacs", maximize=False, is_cost=True))
    with pytest.raises(PosenasError, match="leave out --minimize"):
        evolve(problem)


def test_of_equals_the_smaller_and_then_the_elder_is_fitter() -> None:
    def made(name: str, parameters: int, fitness: float | None) -> Trial:
        costs = {"parameters_with_statistics": parameters}
        return with_descent(Trial({"x": name}, "candidate", "ranking", {}, costs), Descent(0, None, fitness))

    trials = [made("a", 9, 1.0), made("b", 5, 1.0), made("c", 5, 1.0), made("d", 1, None), made("e", 9, 0.5)]
    assert [trial.genotype["x"] for trial in fittest(trials, 9)] == ["e", "b", "c", "a"]


def test_parents_and_the_winner_keep_a_limit_on_a_metric() -> None:
    limited = ToyProblem()
    limited.metric_limits = (MetricLimit("toy.AP", 0.2, higher_is_better=False),)
    *candidates, answer = evolve(limited)
    kept = [trial for trial in candidates if trial.metrics["toy.AP"] <= 0.2]
    assert 6 < len(kept) < len(candidates)
    assert answer.id == min(kept, key=slow_fitness).id
    assert {parent_of(trial) for trial in candidates[1:]} <= {trial.id for trial in kept}
    assert evolve(ToyProblem())[-1].metrics["toy.AP"] > 0.2
