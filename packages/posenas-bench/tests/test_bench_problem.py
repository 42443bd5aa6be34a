from __future__ import annotations

from collections.abc import Callable

import pytest
from made_up_tables import BEST, made_up_table
from posenas import Candidate, Limit, PosenasError, Problem, Weights, WeightSharing
from posenas_bench.problem import TabularProblem
from posenas_bench.space import TabularSpace


def made_up_problem(*, seed: int = 0, limits: tuple[Limit, ...] = ()) -> TabularProblem:
    return TabularProblem(made_up_table(), seed=seed, limits=limits)


def test_it_is_a_problem_of_the_contract() -> None:
    problem: Problem = made_up_problem()
    assert all(hasattr(problem, name) for name in dir(Problem) if not name.startswith("_"))
    assert problem.offers(WeightSharing)


def test_a_candidate_has_the_score_of_one_of_its_trainings_the_same_each_time() -> None:
    problem, row = made_up_problem(), made_up_table().row(BEST)
    weights = problem.train(BEST, epochs=3, on="fit")
    scores = [
        trial.metrics["oks.AP"]
        for trial in problem.evaluate_many([BEST, BEST], weights, stage="candidate", calibration_people=0)
    ]
    assert scores[0] == scores[1]
    assert scores[0] in {training.ranking for training in row.trainings}


def test_seeds_draw_different_trainings() -> None:
    found = set()
    for seed in range(20):
        (trial,) = made_up_problem(seed=seed).train_and_evaluate_many(
            [Candidate(BEST)], epochs=1, stage="candidate"
        )
        found.add(trial.loss)
    assert found == {training.loss for training in made_up_table().row(BEST).trainings}


def test_each_training_is_counted_once() -> None:
    problem = made_up_problem()
    for _ in range(2):
        problem.train(BEST, epochs=1, on="fit")
    assert problem.trained
    assert problem.seconds == 10.0 + 4 * 24
    problem.train(BEST, epochs=9)  # the winner's
    assert len(problem.trained) == 1


def test_shared_weights_have_their_own_score_and_no_training() -> None:
    problem = made_up_problem()
    shared = Weights("shared", shared=True)
    (trial,) = problem.evaluate_many([BEST], shared, stage="candidate", calibration_people=8)
    assert trial.metrics["oks.AP"] == 0.3
    assert not problem.trained
    assert list(problem.seen.values()) == [(BEST, 0.3)]


def test_the_answer_has_the_mean_of_the_trainings() -> None:
    problem = made_up_problem()
    trial = problem.evaluate(BEST, problem.train(BEST, epochs=1), stage="final")
    assert trial.split == "val"
    assert trial.metrics["oks.AP"] == made_up_table().row(BEST).val


def test_draws_are_different_and_within_the_limits() -> None:
    problem = made_up_problem(limits=(Limit("gmacs", most=0.004),))
    drawn = problem.draw(100, first=[BEST])
    assert 0 < len(drawn) < 40
    assert len({str(each) for each in drawn}) == len(drawn)
    assert all(problem.costs(each)["gmacs"] <= 0.004 for each in drawn)
    assert BEST not in drawn
    assert problem.draw(3) == drawn[:3]


def test_draws_begin_with_the_first_and_keep_fixed_values() -> None:
    drawn = made_up_problem().draw(4, first=[BEST], fixed={"depth": 2})
    assert drawn[0] == {**BEST, "depth": 2}
    assert [each["depth"] for each in drawn] == [2, 2, 2, 2]


def test_a_sampler_draws_in_place_of_the_table() -> None:
    assert made_up_problem().draw(5, sample=lambda _rng: BEST) == [BEST]


def test_limits_that_nothing_keeps_are_refused() -> None:
    with pytest.raises(PosenasError, match="no genotype of the table is within gmacs<=1e-06"):
        made_up_problem(limits=(Limit("gmacs", most=1e-6),)).draw(1)
    with pytest.raises(PosenasError, match="no cost volts; it has parameters"):
        made_up_problem(limits=(Limit("volts", most=1.0),)).draw(1)


@pytest.mark.parametrize(
    "ask",
    [
        lambda problem: problem.weights_of("runs/other", BEST),
        lambda problem: problem.leave_out(BEST, Weights("x", shared=False), whole=BEST),
        lambda problem: problem.train_relaxed(None, epochs=1, learning=None),
        lambda _problem: TabularSpace(made_up_table()).build(BEST),
    ],
    ids=["weights of another run", "pruning", "real values", "a network"],
)
def test_what_a_table_lacks_is_refused(ask: Callable[[TabularProblem], object]) -> None:
    with pytest.raises(PosenasError, match="a table has no"):
        ask(made_up_problem())


def test_notes_are_checked_and_warnings_kept() -> None:
    problem = made_up_problem()
    problem.note("controller", 1, {"reward": 0.4})
    with pytest.raises(PosenasError, match="epoch 2 has no figure"):
        problem.note("controller", 2, {})
    problem.warn("few people")
    assert problem.warnings == ["few people"]
