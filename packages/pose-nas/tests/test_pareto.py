"""The Pareto front against its definition, pair by pair."""

from __future__ import annotations

from operator import ge
from random import Random

import pytest
from posenas.composing.goals.objectives import front
from posenas.contract.goals import Objective
from posenas.contract.scores import Metric
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.results import front_against, make_results
from posenas.runs.recipe import recipe_from_tables


def front_by_definition(points: list[tuple[float, float]], higher_is_better: bool) -> set[int]:
    def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
        as_good = one[0] >= other[0] if higher_is_better else one[0] <= other[0]
        return as_good and one[1] <= other[1] and one != other

    return {index for index, point in enumerate(points) if not any(dominates(each, point) for each in points)}


@pytest.mark.parametrize("higher_is_better", [True, False])
@pytest.mark.parametrize("values", [3, 8, 1000])
def test_front_is_what_nothing_dominates(values: int, higher_is_better: bool) -> None:
    rng = Random(values)
    for _ in range(200):
        points = [(rng.randrange(values) / 8, rng.randrange(values) / 8) for _ in range(rng.randrange(12))]
        places = places_on_front(points, higher_is_better=higher_is_better)
        assert set(places) == front_by_definition(points, higher_is_better)
        assert len(set(places)) == len(places)
        assert [points[index][1] for index in places] == sorted(points[index][1] for index in places)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("values", [3, 1000])
def test_the_front_of_objectives_is_what_nothing_dominates(number: int, values: int) -> None:
    objectives = [
        Objective(name, maximize=name == "AP", is_cost=name != "AP")
        for name in ("AP", "gmacs", "macs")[:number]
    ]
    rng = Random(values)
    for _ in range(100):
        trials = [
            Trial(
                {"n": index},
                "candidate",
                "ranking",
                {} if index == 5 else {"AP": rng.randrange(values)},
                {"gmacs": rng.randrange(values), "macs": rng.randrange(values)},
            )
            for index in range(rng.randrange(14))
        ]
        points = [
            None if not trial.metrics else [objective.value(trial) for objective in objectives]
            for trial in trials
        ]
        known = [point for point in points if point is not None]
        expected = [
            trial
            for trial, point in zip(trials, points, strict=True)
            if point is not None and not any(other != point and all(map(ge, other, point)) for other in known)
        ]
        assert front(trials, objectives) == expected


def results_of(points: list[tuple[float, float]], higher_is_better: bool) -> Results:
    trials = [
        Trial({"n": index}, "candidate", "ranking", {"oks.AP": metric}, {"gmacs": cost})
        for index, (metric, cost) in enumerate(points)
    ]
    metrics = (Metric("oks.AP", higher_is_better=higher_is_better),)
    return make_results(recipe_from_tables({}), metrics, tuple(trials), finished=False)


def places_on_front(points: list[tuple[float, float]], *, higher_is_better: bool) -> list[int]:
    return [trial.genotype["n"] for trial in front_against(results_of(points, higher_is_better), "gmacs")]


def test_equal_points_are_all_kept_in_their_order() -> None:
    points = [(0.5, 2.0), (0.3, 1.0), (0.5, 2.0), (0.5, 3.0), (0.2, 1.0), (0.3, 1.0)]
    assert places_on_front(points, higher_is_better=True) == [1, 5, 0, 2]


def test_direction_of_the_metric() -> None:
    points = [(1.0, 1.0), (2.0, 2.0), (0.5, 3.0)]
    assert places_on_front(points, higher_is_better=True) == [0, 1]
    assert places_on_front(points, higher_is_better=False) == [0, 2]
