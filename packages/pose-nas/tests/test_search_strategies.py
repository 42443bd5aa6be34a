"""Random search, evolution and the predictor, on problems whose answer is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from posenas.composing.goals.dominance import best_first, crowding_distances, front_numbers
from posenas.composing.goals.objectives import best_trial, front, values
from posenas.composing.variation import cross, mutate
from posenas.contract.components import WeightSharing
from posenas.contract.genotype import Choice, Genotype, genotype_id, sample_uniform
from posenas.contract.goals import MetricLimit, Objective
from posenas.contract.problem import Weights
from posenas.contract.trial import Trial
from posenas.standard.strategies.evolution import Evolution
from posenas.standard.strategies.predictor import PredictorSearch
from posenas.standard.strategies.random_search import RandomSearch
from posenas.standard.strategies.score_predictor import predict_scores

AP = Objective("toy.AP", maximize=True, is_cost=False)
GMACS = Objective("gmacs", maximize=False, is_cost=True)
LEVELS = 4
DIMENSIONS = {f"x{index}": Choice(tuple(range(LEVELS))) for index in range(12)}


class ToySpace:
    def dimensions(self) -> Mapping[str, Choice]:
        return DIMENSIONS

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(DIMENSIONS, rng)


class ToyProblem:
    """What the strategies use of a problem; the metric is a function of the genotype."""

    def __init__(
        self,
        score: Callable[[Genotype], float],
        *,
        objectives: Sequence[Objective] = (AP,),
        cost: Callable[[Genotype], float] = lambda genotype: float(sum(genotype.values())),
        most: float = float("inf"),
        seed: int = 0,
    ) -> None:
        self.space = ToySpace()
        self.objectives = tuple(objectives)
        self.metric_limits: tuple[MetricLimit, ...] = ()
        self._score, self._cost, self._most, self._seed = score, cost, most, seed
        self.trained: list[tuple[str, int, str]] = []
        self.evaluated: list[str] = []

    def rng(self, purpose: str) -> Random:
        return Random(f"{self._seed} {purpose}")

    def offers(self, _capability: type) -> bool:
        return False

    def costs(self, genotype: Genotype) -> dict[str, float]:
        return {"gmacs": self._cost(genotype)}

    def derived(self, genotype: Genotype) -> Genotype:
        return genotype

    def within_limits(self, genotype: Genotype) -> bool:
        return self._cost(genotype) <= self._most

    def near_budget(self, _genotype: Genotype) -> bool:
        return True

    def draw(
        self, number: int, *, first: Sequence[Genotype] = (), purpose: str = "candidates"
    ) -> list[Genotype]:
        rng, drawn = self.rng(purpose), {genotype_id(genotype): genotype for genotype in first}
        while len(drawn) < number:
            genotype = self.space.sample(rng)
            if self.within_limits(genotype):
                drawn[genotype_id(genotype)] = genotype
        return list(drawn.values())

    def train(
        self, genotype: Genotype, *, epochs: int, init: Weights | None = None, on: str = "train"
    ) -> Weights:
        assert init is None
        self.trained.append((genotype_id(genotype), epochs, on))
        return Weights(genotype_id(genotype), shared=False)

    def evaluate_many(
        self, genotypes: Sequence[Genotype], weights: Weights, *, stage: str, **_options: Any
    ) -> Iterator[Trial]:
        for genotype in genotypes:
            assert weights.file == genotype_id(genotype)
            self.evaluated.append(genotype_id(genotype))
            yield self._trial(genotype, stage)

    def evaluate(self, genotype: Genotype, _weights: Weights, *, stage: str) -> Trial:
        return self._trial(genotype, stage)

    def best(self, trials: Sequence[Trial]) -> Trial:
        best = best_trial(trials, self.objectives, limits=self.metric_limits)
        assert best is not None
        return best

    def _trial(self, genotype: Genotype, stage: str) -> Trial:
        return Trial(
            genotype, stage, "ranking", {"toy.AP": self._score(genotype)}, {"gmacs": self._cost(genotype)}
        )


def uneven(genotype: Genotype) -> float:
    """Additive, with two dimensions that only pay together; 1 at its greatest."""
    gains = sum((index + 1) * genotype[f"x{index}"] for index in range(12)) / (78 * (LEVELS - 1))
    together = genotype["x0"] == genotype["x1"] == LEVELS - 1
    return 0.9 * gains + 0.1 * together


def run(strategy: Any, problem: ToyProblem) -> list[Trial]:
    return list(strategy.search(problem))


@pytest.mark.parametrize(
    "strategy",
    [
        RandomSearch(candidates=40, epochs=3, final_epochs=5),
        Evolution(candidates=40, population=8, epochs=3, final_epochs=5),
        PredictorSearch(candidates=40, first=8, proposals=32, epochs=3, final_epochs=5),
    ],
)
def test_each_candidate_is_new_within_the_limit_and_trained_once(strategy: Any) -> None:
    problem = ToyProblem(uneven, most=16.0)
    trials = run(strategy, problem)
    assert len(problem.evaluated) == len(set(problem.evaluated)) == 40
    assert [trial.stage for trial in trials] == ["candidate"] * 40 + ["final"]
    assert all(trial.costs["gmacs"] <= 16.0 for trial in trials)
    assert trials[-1].id == max(trials[:-1], key=lambda trial: trial.metrics["toy.AP"]).id
    assert problem.trained == [
        *((name, 3, "fit") for name in problem.evaluated),
        (trials[-1].id, 5, "train"),
    ]
    again = run(strategy, ToyProblem(uneven, most=16.0))
    assert again == trials
    assert run(strategy, ToyProblem(uneven, most=16.0, seed=1)) != trials


@pytest.mark.parametrize(
    "strategy", [Evolution(candidates=96), PredictorSearch(candidates=96, batch=16, proposals=64)]
)
def test_a_search_beats_random_search_at_equal_evaluations(strategy: Any) -> None:
    """On both of two seeds, and by a wide margin: random draws stay near the mean."""
    for seed in range(2):
        best = {
            type(searched).__name__: max(
                trial.metrics["toy.AP"] for trial in run(searched, ToyProblem(uneven, seed=seed))
            )
            for searched in (strategy, RandomSearch(candidates=96))
        }
        assert best[type(strategy).__name__] > best["RandomSearch"] + 0.04


class SmallSpace(ToySpace):
    def dimensions(self) -> Mapping[str, Choice]:
        return {"a": Choice((0, 1)), "b": Choice((0, 1, 2)), "c": Choice((5,))}

    def sample(self, rng: Random) -> Genotype:
        return sample_uniform(self.dimensions(), rng)


@pytest.mark.parametrize(
    "strategy",
    [Evolution(candidates=50, population=4), PredictorSearch(candidates=50, first=4, batch=2, proposals=4)],
)
def test_a_space_smaller_than_the_budget_is_exhausted_and_the_search_ends(strategy: Any) -> None:
    problem = ToyProblem(lambda genotype: float(genotype["a"] + genotype["b"]))
    problem.space = SmallSpace()
    problem.draw = lambda number, **_: [  # type: ignore[method-assign]
        {"a": a, "b": b, "c": 5} for a, b in itertools.islice(itertools.product((0, 1), (0, 1, 2)), number)
    ]
    trials = run(strategy, problem)
    assert len(trials) == 7  # six genotypes and the answer
    assert trials[-1].genotype == {"a": 1, "b": 2, "c": 5}


def hypervolume(points: np.ndarray, reference: tuple[float, float]) -> float:
    """Of two objectives, the greater the better: the area between the front and the reference."""
    area, height = 0.0, reference[1]
    for x, y in points[np.lexsort((-points[:, 1], -points[:, 0]))]:
        area += (x - reference[0]) * max(0.0, y - height)
        height = max(height, y)
    return area


def opposed(genotype: Genotype) -> tuple[float, float]:
    """Zitzler, Deb and Thiele's ZDT1 on a grid; both figures are to be made small, and the front, where
    there is no waste, is known in closed form."""
    first = _first(genotype["x0"], genotype["x1"], genotype["x2"])
    waste = 1.0 + sum(genotype[f"x{index}"] for index in range(3, 12)) / (LEVELS - 1)
    return first, waste * (1.0 - (first / waste) ** 0.5)


def _first(a: int, b: int, c: int) -> float:
    return ((a * LEVELS + b) * LEVELS + c) / (LEVELS**3 - 1)


def test_nsga2_finds_the_front_of_a_known_problem_in_500_evaluations() -> None:
    """Of 16.8 million genotypes 64 are on the front."""
    grid = np.array([[-x, x**0.5 - 1.0] for x in np.linspace(0, 1, LEVELS**3)])
    greatest = hypervolume(grid, (-1.1, -1.1))
    for seed in range(3):
        problem = ToyProblem(
            lambda genotype: -opposed(genotype)[1],
            cost=lambda genotype: opposed(genotype)[0],
            objectives=(AP, GMACS),
            seed=seed,
        )
        shares = []
        for strategy in (Evolution(candidates=500), RandomSearch(candidates=500)):
            trials = run(strategy, problem)[:-1]
            assert len(trials) == 500
            points = values(front(trials, problem.objectives), problem.objectives)[:, ::-1]
            shares.append(hypervolume(points[(points > -1.1).all(axis=1)], (-1.1, -1.1)) / greatest)
        assert shares[0] >= 0.99
        assert shares[1] < 0.2  # so that chance alone does not pass


def test_several_objectives_choose_the_knee_and_the_predictor_counts_costs() -> None:
    problem = ToyProblem(uneven, objectives=(AP, GMACS))
    trials = run(PredictorSearch(candidates=64, first=16), problem)
    found = front(trials[:-1], problem.objectives)
    assert trials[-1].id in {trial.id for trial in found}
    drawn = front(run(RandomSearch(candidates=64), problem)[:-1], problem.objectives)
    reference = (-40.0, 0.0)
    areas = [hypervolume(values(one, problem.objectives)[:, ::-1], reference) for one in (found, drawn)]
    assert areas[0] > 1.1 * areas[1]


def test_fronts_and_crowding_equal_their_definitions() -> None:
    rng = np.random.default_rng(0)
    for objectives in (1, 2, 3):
        points = rng.integers(0, 6, (40, objectives)).astype(float)
        left, expected, number = set(range(40)), {}, 0
        while left:
            best = {
                i
                for i in left
                if not any(all(points[j] >= points[i]) and any(points[j] > points[i]) for j in left)
            }
            expected |= dict.fromkeys(best, number)
            left, number = left - best, number + 1
        assert front_numbers(points).tolist() == [expected[index] for index in range(40)]
    line = np.array([[0.0, 10.0], [1.0, 8.0], [4.0, 6.0], [10.0, 0.0]])
    assert crowding_distances(line).tolist() == [np.inf, 0.4 + 0.4, 0.9 + 0.8, np.inf]
    assert best_first(line)[2:] == [2, 1]
    assert best_first(np.array([[1.0], [3.0], [2.0], [3.0]])) == [1, 3, 2, 0]


def test_mutation_changes_one_dimension_and_reaches_every_value() -> None:
    rng, genotype = Random(0), ToySpace().sample(Random(1))
    seen = set()
    for _ in range(3000):
        child = mutate(genotype, DIMENSIONS, rng)
        changed = [name for name in child if child[name] != genotype[name]]
        assert len(changed) == 1
        seen.add((changed[0], child[changed[0]]))
    assert len(seen) == 12 * (LEVELS - 1)
    other = dict.fromkeys(genotype, LEVELS)
    children = [cross(genotype, other, rng) for _ in range(200)]
    assert all(child[name] in (genotype[name], LEVELS) for child in children for name in child)
    share = np.mean([child[name] == LEVELS for child in children for name in child])
    assert 0.45 < share < 0.55


def test_the_predictor_ranks_what_it_has_not_seen() -> None:
    rng = Random(3)
    known, asked = ([ToySpace().sample(rng) for _ in range(64)] for _ in range(2))
    predicted = predict_scores(known, [uneven(one) for one in known], asked, DIMENSIONS, rng=Random(0))
    truth = np.array([uneven(one) for one in asked])
    assert np.corrcoef(predicted.mean(axis=0), truth)[0, 1] > 0.8
    assert predicted.std(axis=0).max() > 0.01  # members differ
    constant = predict_scores(known, [0.5] * 64, asked, DIMENSIONS, rng=Random(0))
    assert np.allclose(constant, 0.5)


HAND = MetricLimit("toy.hand", 0.6)


class WithHands(ToyProblem):
    """A problem with a second metric, which is good where the first dimensions are small."""

    def _trial(self, genotype: Genotype, stage: str) -> Trial:
        trial = super()._trial(genotype, stage)
        hand = 1 - sum(genotype[f"x{index}"] for index in range(6, 12)) / (6 * (LEVELS - 1))
        return replace(trial, metrics={**trial.metrics, "toy.hand": hand})


@pytest.mark.parametrize(
    "strategy",
    [
        RandomSearch(candidates=64),
        Evolution(candidates=64),
        PredictorSearch(candidates=32, proposals=32),
    ],
)
def test_the_winner_keeps_the_limits_on_metrics(strategy: Any) -> None:
    free, limited = WithHands(uneven), WithHands(uneven)
    limited.metric_limits = (HAND,)
    assert run(strategy, free)[-1].metrics["toy.hand"] < HAND.bound
    *candidates, answer = run(strategy, limited)
    kept = [trial for trial in candidates if trial.metrics["toy.hand"] >= HAND.bound]
    assert kept
    assert answer.metrics["toy.AP"] == max(trial.metrics["toy.AP"] for trial in kept)


@pytest.mark.parametrize("objectives", [(AP,), (AP, GMACS)])
@pytest.mark.parametrize(
    "strategy", [Evolution(candidates=64), PredictorSearch(candidates=40, first=24, proposals=64)]
)
def test_a_search_seeks_what_keeps_the_limits_on_metrics(strategy: Any, objectives: Any) -> None:
    """More candidates keep a limit that the search knows, the later ones above all."""

    def later_that_keep(*limits: MetricLimit) -> int:
        problem = WithHands(uneven, objectives=objectives)
        problem.metric_limits = limits
        later = run(strategy, problem)[24:-1]
        return sum(trial.metrics["toy.hand"] >= HAND.bound for trial in later)

    assert later_that_keep(HAND) >= later_that_keep() + 4


@pytest.mark.parametrize("strategy", [Evolution(candidates=24), PredictorSearch(candidates=24, proposals=32)])
def test_a_limit_on_a_metric_that_nobody_has_chooses_by_the_objective(strategy: Any) -> None:
    problem = ToyProblem(uneven)
    problem.metric_limits = (HAND,)
    *candidates, answer = run(strategy, problem)
    assert answer.metrics["toy.AP"] == max(trial.metrics["toy.AP"] for trial in candidates)


def test_failed_candidates_are_passed_over() -> None:
    class Failing(ToyProblem):
        def _trial(self, genotype: Genotype, stage: str) -> Trial:
            if stage == "candidate" and genotype["x0"] % 2:
                return Trial(genotype, stage, "ranking", {}, {"gmacs": 1.0}, failure="it broke")
            return super()._trial(genotype, stage)

    for strategy in (
        Evolution(candidates=40, population=8),
        PredictorSearch(candidates=40, first=8, proposals=32),
    ):
        trials = run(strategy, Failing(uneven))
        assert len(trials) == 41
        assert trials[-1].genotype["x0"] % 2 == 0


def test_shared_weights_need_a_space_whose_networks_nest() -> None:
    for strategy in (RandomSearch, Evolution, PredictorSearch):
        assert strategy(weights="shared").requires() == (WeightSharing,)
        assert strategy().requires() == strategy(weights="scratch").requires() == ()
