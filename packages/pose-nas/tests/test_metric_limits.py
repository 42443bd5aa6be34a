"""Limits on metrics: what users write, which trials keep them, and who is preferred."""

from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
from posenas.composing.goals.dominance import best_first, feasible_first
from posenas.composing.goals.installed_costs import installed_costs
from posenas.composing.goals.limit_texts import parse_limit, parse_limits, spelled_out
from posenas.composing.goals.metric_limits import final_figures, preferred, unkept, violation
from posenas.composing.goals.objectives import best_trial, choose_objectives, front
from posenas.contract.errors import PosenasError
from posenas.contract.goals import Limit, MetricLimit, Objective
from posenas.contract.scores import Metric
from posenas.contract.trial import Trial

COSTS = installed_costs()
METRICS = (
    Metric("whole.AP"),
    Metric("whole.body.AP"),
    Metric("whole.hand.AP"),
    Metric("whole.hand.EPE", "px", higher_is_better=False),
    Metric("whole.gmacs"),
)
BODY, HAND = "whole.body.AP", "whole.hand.AP"
KEEPS = MetricLimit(HAND, 0.2)


def trial(number: int, **metrics: float | None) -> Trial:
    """A trial with the figures that are given, of body, hand and gmacs."""
    names = {"body": BODY, "hand": HAND, "error": "whole.hand.EPE"}
    known = {names[name]: value for name, value in metrics.items() if name in names and value is not None}
    gmacs = metrics.get("gmacs") or 1.0
    return Trial({"n": number}, "candidate", "ranking", known, {"gmacs": gmacs})


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("whole.hand.AP>=0.2", KEEPS),
        (" hand.AP >= 0.2 ", KEEPS),
        ("hand.AP>=0", MetricLimit(HAND, 0.0)),
        ("AP>=-1", MetricLimit("whole.AP", -1.0)),
        ("hand.EPE<=4.5", MetricLimit("whole.hand.EPE", 4.5, higher_is_better=False)),
        ("gmacs<=0.3", Limit("gmacs", most=0.3)),
    ],
)
def test_a_limit_is_of_a_metric_by_either_name_unless_a_cost_has_it(
    text: str, limit: Limit | MetricLimit
) -> None:
    assert parse_limit(text, COSTS, metrics=METRICS) == limit


def test_a_name_that_is_one_metrics_in_full_and_anothers_in_short_is_the_first_ones() -> None:
    metrics = (Metric("hand.hand.AP"), Metric("hand.AP"))
    assert parse_limit("hand.AP>=0.2", COSTS, metrics=metrics) == MetricLimit("hand.AP", 0.2)
    chosen = choose_objectives(metrics, COSTS, maximize=["hand.AP"], minimize=[])
    assert [objective.name for objective in chosen] == ["hand.AP"]


def test_names_may_hold_any_sign_but_those_of_a_comparison() -> None:
    metrics = (Metric("pck.PCK@0.2"),)
    assert parse_limit("PCK@0.2>=0.5", COSTS, metrics=metrics) == MetricLimit("pck.PCK@0.2", 0.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hand.AP<=0.2", "higher is better; write whole.hand.AP>=0.2"),
        ("hand.EPE>=4", "lower is better; write whole.hand.EPE<=4"),
        ("hnad.AP>=0.2", "unknown cost or metric 'hnad.AP'; did you mean 'hand.AP'?"),
        ("whole.hnd.AP>=0.2", "did you mean 'whole.hand.AP'?"),
        ("zzz>=0.2", "known: AP, body.AP, .*gmacs, .*hand.AP"),
        ("hand.AP>=nan", "write COST<=NUMBER"),
        ("hand.AP>=1e999", "give a finite number"),
        ("gmac>=1", "did you mean 'gmacs'?"),
    ],
)
def test_a_wrong_limit_is_one_line(text: str, says: str) -> None:
    with pytest.raises(PosenasError, match=says):
        parse_limit(text, COSTS, metrics=METRICS)


def test_limits_are_told_apart_and_spelled_out() -> None:
    texts = ["gmacs<= 0.30", "hand.AP>=0.2", "whole.hand.EPE<=4"]
    on_costs, on_metrics = parse_limits(texts, COSTS, metrics=METRICS)
    assert on_costs == (Limit("gmacs", most=0.3),)
    assert on_metrics == (KEEPS, MetricLimit("whole.hand.EPE", 4.0, higher_is_better=False))
    spelled = spelled_out(texts, COSTS, metrics=METRICS)
    assert spelled == ("gmacs<= 0.30", "whole.hand.AP>=0.2", "whole.hand.EPE<=4")
    assert spelled_out(spelled, COSTS, metrics=METRICS) == spelled


@pytest.mark.parametrize("bound", [0.1 + 0.2, 1e-7, 3.0, 12345678.9])
def test_a_bound_is_written_as_it_is_judged(bound: float) -> None:
    assert parse_limit(str(MetricLimit(HAND, bound)), COSTS, metrics=METRICS) == MetricLimit(HAND, bound)


def test_objectives_have_short_names_too() -> None:
    chosen = choose_objectives(METRICS, COSTS, maximize=["hand.AP", BODY], minimize=["hand.EPE", "gmacs"])
    assert [(objective.name, objective.maximize, objective.is_cost) for objective in chosen] == [
        (HAND, True, False),
        (BODY, True, False),
        ("whole.hand.EPE", False, False),
        ("gmacs", False, True),
    ]


@pytest.mark.parametrize(
    ("maximize", "says"),
    [
        (["hand.AP", HAND], "each may be named once"),
        (["hand.EPE"], "lower is better; write --minimize hand.EPE"),
        (["hnad.AP"], "neither a metric nor a cost; did you mean 'hand.AP'?"),
    ],
)
def test_wrong_objectives_are_one_line(maximize: list[str], says: str) -> None:
    with pytest.raises(PosenasError, match=says):
        choose_objectives(METRICS, COSTS, maximize=maximize, minimize=[])


def test_violation_is_relative_to_the_bound() -> None:
    errors = MetricLimit("whole.hand.EPE", 4.0, higher_is_better=False)
    assert KEEPS.violation(0.2) == KEEPS.violation(0.9) == errors.violation(4.0) == 0
    assert KEEPS.violation(0.15) == pytest.approx(0.25)
    assert errors.violation(5.0) == pytest.approx(0.25)
    assert MetricLimit(HAND, -0.5).violation(-1.0) == pytest.approx(1.0)
    assert MetricLimit("whole.hand.EPE", 0.0, higher_is_better=False).violation(0.3) == 0.3
    assert violation(trial(1, hand=0.1, error=5.0), [KEEPS, errors]) == pytest.approx(0.5)
    assert violation(trial(1, body=0.1), [KEEPS]) == math.inf
    assert violation(trial(1, body=0.1), []) == 0


def test_a_bound_of_nothing_is_kept_by_whoever_has_a_figure() -> None:
    limit = MetricLimit(HAND, 0.0)
    assert preferred([trial(1), trial(2, hand=0.0)], [limit]) == [trial(2, hand=0.0)]


def drawn_trials(rng: Random) -> list[Trial]:
    def figure() -> float | None:
        return None if rng.random() < 0.2 else rng.randrange(6) / 10

    return [trial(n, body=figure(), hand=figure(), gmacs=1.0 + rng.randrange(3)) for n in range(8)]


def test_the_best_trial_and_the_front_are_those_of_constrained_domination() -> None:
    """Against the definition: keeping beats missing, missing less beats missing more, then domination."""
    rng = Random(3)
    objectives = (Objective(BODY, True, is_cost=False), Objective("gmacs", False, is_cost=True))
    limits = [MetricLimit(HAND, 0.5)]

    def beats(one: Trial, other: Trial) -> bool:
        missed, its = violation(one, limits), violation(other, limits)
        if missed != its:
            return missed < its
        ours, theirs = [[objective.value(each) for objective in objectives] for each in (one, other)]
        return ours != theirs and all(a >= b for a, b in zip(ours, theirs, strict=True))

    none_keeps = 0
    for _ in range(300):
        trials = [each for each in drawn_trials(rng) if BODY in each.metrics]
        none_keeps += all(violation(each, limits) > 0 for each in trials)
        expected = [one for one in trials if not any(beats(other, one) for other in trials)]
        assert front(trials, objectives, limits=limits) == expected
        if trials:
            assert best_trial(trials, objectives, limits=limits) in expected
            single = best_trial(trials, objectives[:1], limits=limits)
            least = min(violation(each, limits) for each in trials)
            alike = [each for each in trials if violation(each, limits) == least]
            assert single is not None
            assert single in alike
            assert single.metrics[BODY] == max(each.metrics[BODY] for each in alike)
    assert none_keeps > 20


def test_whoever_violates_nothing_comes_first_in_every_order() -> None:
    rng = np.random.default_rng(5)
    for objectives in (1, 2):
        for _ in range(50):
            points = rng.integers(0, 4, (9, objectives)).astype(float)
            violations = rng.integers(0, 3, 9) / 2
            order = feasible_first(points, violations)
            assert sorted(order) == list(range(9))
            assert list(violations[order]) == sorted(violations)
            kept = [index for index in order if violations[index] == 0]
            places = np.flatnonzero(violations == 0)
            assert kept == [places[index] for index in best_first(points[places])]
        assert feasible_first(points, np.zeros(9)) == best_first(points)


def test_it_is_told_how_near_the_candidates_came() -> None:
    error = MetricLimit("whole.hand.EPE", 4.0, higher_is_better=False)
    trials = [trial(1, hand=0.1, error=3.0), trial(2, hand=0.15, error=9.0), trial(3)]
    assert unkept([KEEPS], trials) == (
        "none of 3 candidates keeps the limit on a metric: "
        "whole.hand.AP>=0.2 (the nearest has 0.15, 1 without a figure)"
    )
    assert unkept([KEEPS, error], trials) == (
        "none of 3 candidates keeps all limits on metrics: "
        "whole.hand.AP>=0.2 (the nearest has 0.15, 1 without a figure); "
        f"whole.hand.EPE<=4 (1 keeps it, 1 without a figure); {trials[0].id} misses least"
    )
    assert unkept([KEEPS], [trial(1), trial(2)]).endswith("(2 without a figure)")
    for kept, candidates in itertools.product([[], [KEEPS]], [[], [trial(4, hand=0.2)]]):
        assert unkept(kept, candidates) == ""


def test_it_is_told_whether_the_answer_keeps_the_limits() -> None:
    answers = [trial(1, hand=0.3), trial(1, hand=0.123456), trial(1)]
    assert [sentence for answer in answers for _, sentence in final_figures([KEEPS], answer)] == [
        "the final network keeps whole.hand.AP>=0.2 with 0.3 on ranking",
        "the final network misses whole.hand.AP>=0.2 with 0.1235 on ranking",
        "the final network has no figure for whole.hand.AP>=0.2 on ranking",
    ]
