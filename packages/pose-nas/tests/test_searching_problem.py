"""What a strategy may ask of a search: each answer from a search in small."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.components import Evolvable, WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Dimension, Genotype
from posenas.contract.goals import Limit, Objective
from posenas.contract.problem import Candidate, Learning, Weights
from posenas.contract.trial import Trial
from posenas.learning.settings import TrainingSettings
from posenas.runs.notes import read_notes
from posenas.runs.run import Run
from posenas.searching import candidate, problem as searching_problem, scoring, training_effects
from posenas.searching.problem import JournaledProblem
from toy_search import (
    FAST,
    METRIC,
    SMALL,
    UNDECIDED,
    WIDE,
    ArgMaxSpace,
    Heard,
    Still,
    ToyLatency,
    ToySpace,
    effects_of,
    problem_in,
)

MIDDLE = {"width": 3}
SCORE = Objective(METRIC, maximize=True, is_cost=False)
MACS = Objective("macs", maximize=False, is_cost=True)


def macs(problem: JournaledProblem, genotype: Genotype) -> float:
    return problem.costs(genotype)["macs"]


def below(problem: JournaledProblem, genotype: Genotype) -> Any:
    """A limit that a genotype just meets."""
    return (Limit("macs", most=macs(problem, genotype)),)


def test_it_tells_of_space_objectives_and_capabilities(tmp_path: Path) -> None:
    problem = problem_in(tmp_path)
    assert problem.space == ToySpace()
    assert problem.objectives == (SCORE,)
    assert problem.offers(WeightSharing)
    assert not problem.offers(Evolvable)


def test_random_numbers_depend_on_seed_and_purpose_alone(tmp_path: Path) -> None:
    problem = problem_in(tmp_path)
    assert problem.rng("a").random() == problem_in(tmp_path / "other").rng("a").random()
    assert problem.rng("a").random() != problem.rng("b").random()


def trial(genotype: Genotype, closeness: float | None) -> Trial:
    scores = {} if closeness is None else {METRIC: closeness}
    failure = "it broke" if closeness is None else None
    return Trial(genotype, "candidate", "ranking", scores, {"gmacs": 1.0}, failure=failure)


def test_the_best_trial_has_the_best_score_and_failed_ones_have_none(tmp_path: Path) -> None:
    problem = problem_in(tmp_path)
    trials = [trial(WIDE, None), trial(SMALL, 0.3), trial(MIDDLE, 0.2)]
    assert problem.best(trials) == trials[1]
    with pytest.raises(PosenasError, match="all 1 candidates failed; the first said: it broke"):
        problem.best(trials[:1])


def test_costs_have_latency_only_where_it_is_asked_for(tmp_path: Path) -> None:
    latency = ToyLatency()
    problem = problem_in(tmp_path, latency=latency)
    assert "latency_ms" not in problem.costs(WIDE)
    assert problem.costs(SMALL)["parameters"] < problem.costs(WIDE)["parameters"]
    assert not latency.measured
    asking = problem_in(tmp_path, latency=latency, limits=(FAST,))
    assert asking.costs(SMALL)["latency_ms"] == 2.0
    assert asking.cost_by_name(SMALL, "latency_ms") == 2.5
    assert not asking.within_limits(WIDE)
    assert latency.measured == [SMALL, WIDE]
    resumed = problem_in(tmp_path, latency=latency, limits=(FAST,))
    assert resumed.costs(SMALL)["latency_ms"] == 2.0
    assert latency.measured == [SMALL, WIDE], "measured once in a run"
    assert effects_of(tmp_path) == ["latency"] * 2


def test_draws_are_different_within_the_limits_and_begin_with_the_first(tmp_path: Path) -> None:
    everything = problem_in(tmp_path)
    assert sorted(genotype["width"] for genotype in everything.draw(3)) == [2, 3, 4]
    assert everything.draw(2, first=[WIDE])[0] == WIDE
    heard = Heard()
    limited = problem_in(tmp_path, heard, limits=below(everything, MIDDLE))
    assert limited.draw(3, first=[WIDE], purpose="proposals") == [MIDDLE, SMALL], "the near one first"
    assert not heard.warnings
    assert [limited.within_limits(each) for each in (SMALL, MIDDLE, WIDE)] == [True, True, False]
    assert [limited.near_budget(each) for each in (SMALL, MIDDLE)] == [False, True]
    limited.draw(9)
    (text,) = heard.warnings
    assert text.startswith("9 candidates are asked for, and no more than 2 different ones")


def test_where_a_cost_is_an_objective_nothing_need_be_near_the_budget(tmp_path: Path) -> None:
    limits = below(problem_in(tmp_path), MIDDLE)
    problem = problem_in(tmp_path, limits=limits, objectives=(SCORE, MACS))
    assert problem.near_budget(SMALL)
    assert sorted(genotype["width"] for genotype in problem.draw(2)) == [2, 3]


@dataclass(frozen=True)
class DeepSpace(ToySpace):
    """Another dimension beside the width, on which nothing depends but the name."""

    def dimensions(self) -> Mapping[str, Dimension]:
        return {"width": Choice((2, 3, 4)), "name": Choice(tuple(range(8)), ordered=False)}

    def largest(self) -> Genotype:
        return {**WIDE, "name": 0}

    def smallest(self) -> Genotype:
        return {**SMALL, "name": 0}


@pytest.mark.parametrize("limited", [False, True])
def test_fixed_values_are_in_every_genotype_drawn(tmp_path: Path, limited: bool) -> None:
    """Without a limit, and near a budget, where the walk would leave them."""
    limits = below(problem_in(tmp_path), MIDDLE) if limited else ()
    problem = problem_in(tmp_path, space=DeepSpace(), limits=limits)
    around = problem.draw(3, first=[{**WIDE, "name": 1}], fixed={"name": 5}, purpose="around")
    assert {genotype["name"] for genotype in around} == {5}
    assert sorted(genotype["width"] for genotype in around) == ([2, 3] if limited else [2, 3, 4])
    free = {genotype["name"] for genotype in problem.draw(8, purpose="around")}
    assert len(free) > 1
    with pytest.raises(PosenasError, match="unknown dimension 'depth'"):
        problem.draw(1, fixed={"depth": 1})
    with pytest.raises(PosenasError, match="name = 8 is not one of its values"):
        problem.draw(1, fixed={"name": 8})


def test_fixed_values_out_of_the_limits_are_refused(tmp_path: Path) -> None:
    problem = problem_in(tmp_path, space=DeepSpace(), limits=below(problem_in(tmp_path), SMALL))
    with pytest.raises(PosenasError, match="no genotype found within the limits"):
        problem.draw(1, fixed=WIDE)


@dataclass(frozen=True)
class Controller:
    """What a policy would choose: the second name far more often than others, and wide networks."""

    def __call__(self, rng: Random) -> Genotype:
        return {**WIDE, "name": 1 if rng.random() < 0.9 else rng.randrange(8)}


def test_a_callers_own_sampler_stands_in_for_the_space(tmp_path: Path) -> None:
    problem = problem_in(tmp_path, space=DeepSpace())
    drawn = problem.draw(2, sample=Controller(), purpose="controller")
    assert {genotype["width"] for genotype in drawn} == {4}
    assert 1 in [genotype["name"] for genotype in drawn]
    assert problem.draw(2, sample=Controller(), purpose="controller") == drawn
    fixed = problem.draw(2, sample=Controller(), fixed=SMALL, purpose="controller")
    assert {genotype["width"] for genotype in fixed} == {2}
    limited = problem_in(tmp_path, space=DeepSpace(), limits=below(problem_in(tmp_path), MIDDLE))
    repaired = limited.draw(2, sample=Controller(), purpose="controller")
    assert {genotype["width"] for genotype in repaired} == {2}, "the values of the smallest are taken"


def test_costs_and_limits_are_those_of_what_a_genotype_derives(tmp_path: Path) -> None:
    space = ArgMaxSpace()
    problem = problem_in(tmp_path, space=space)
    derived = problem.derived(UNDECIDED)
    assert derived == {"chance2": 1.0, "chance3": 0.0, "chance4": 0.0}
    assert problem.derived(derived) == derived
    assert problem.costs(UNDECIDED) == problem.costs(derived)
    assert macs(problem, UNDECIDED) < macs(problem, {**UNDECIDED, "chance4": 1.0, "chance2": 0.0})
    limited = problem_in(tmp_path, space=space, limits=below(problem, UNDECIDED))
    assert limited.within_limits(UNDECIDED)
    assert not limited.within_limits({**UNDECIDED, "chance2": 0.0})
    for genotype in limited.draw(6):
        assert space.derived(genotype) == derived


class CountingLatency(ToyLatency):
    def measure(self, genotype: Genotype) -> dict[str, float]:
        self.measured.append(genotype)
        return {"latency_ms": 1.0, "latency_upper_ms": 2.0}


def test_dear_costs_are_measured_once_for_all_that_derive_the_same(tmp_path: Path) -> None:
    latency, space = CountingLatency(), ArgMaxSpace()
    problem = problem_in(tmp_path, space=space, latency=latency, limits=(FAST,))
    for chance in (0.0, 0.5):
        assert problem.costs({**UNDECIDED, "chance4": chance})["latency_ms"] == 1.0
    assert latency.measured == [space.derived(UNDECIDED)]
    assert effects_of(tmp_path) == ["latency"]


def test_without_the_capability_a_genotype_derives_itself(tmp_path: Path) -> None:
    assert problem_in(tmp_path).derived(WIDE) is WIDE


def test_notes_are_written_once_and_keep_their_place(tmp_path: Path) -> None:
    for _ in range(2):  # the second time as a resumed run
        problem = problem_in(tmp_path)
        for epoch in (1, 2):
            problem.note("controller", epoch, {"reward": epoch / 4, "weights": 1})
    assert effects_of(tmp_path) == ["note", "note"]
    for figure in (float("nan"), float("inf")):
        with pytest.raises(PosenasError, match=r"note 'controller': reward is (nan|inf) in epoch 3"):
            problem.note("controller", 3, {"reward": figure})
    assert effects_of(tmp_path) == ["note", "note"]


@pytest.mark.parametrize(
    ("drawn", "reason"), [({"width": 99}, "width = 99 is not one of its values"), ({}, "'width' is missing")]
)
def test_what_a_sampler_draws_is_a_genotype_of_the_space(
    tmp_path: Path, drawn: Genotype, reason: str
) -> None:
    with pytest.raises(PosenasError, match=reason):
        problem_in(tmp_path).draw(2, sample=lambda _rng: drawn)


def test_an_epoch_noted_twice_with_other_figures_is_told(tmp_path: Path) -> None:
    heard = Heard()
    problem = problem_in(tmp_path, heard)
    problem.note("controller", 1, {"reward": 0.5})
    problem.note("controller", 1, {"reward": 0.5})
    assert heard.warnings == []
    problem.note("controller", 1, {"reward": 0.75})
    (warning,) = heard.warnings
    assert "note 'controller': epoch 1 was noted before with other figures" in warning
    assert read_notes(Run(tmp_path)) == {"controller": {1: {"reward": 0.5}}}


def test_a_strategy_warns_the_user(tmp_path: Path) -> None:
    heard = Heard()
    problem_in(tmp_path, heard).warn("the reward is always the same")
    assert heard.warnings == ["the reward is always the same"]
    assert effects_of(tmp_path) == []


def test_trained_networks_are_evaluated_and_resumed_without_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(problem: JournaledProblem) -> Sequence[Any]:
        shared = problem.train_shared(Still(), epochs=1)
        alone = problem.train(WIDE, epochs=2, init=shared)
        ranked = list(problem.evaluate_many([SMALL, WIDE], shared, stage="rank", calibration_people=4))
        return shared, alone, *ranked, problem.evaluate(WIDE, alone, stage="final")

    first = problem_in(tmp_path)
    shared, alone, small, wide, final = found = answers(first)
    assert (shared.shared, alone.shared) == (True, False)
    assert first.is_shared(shared.file)
    assert not first.is_shared(alone.file)
    assert [each.genotype for each in (small, wide, final)] == [SMALL, WIDE, WIDE]
    assert {small.split, wide.split} == {"ranking"}
    assert (final.split, final.stage, final.weights) == ("val", "final", alone.file)
    assert list(final.metrics) == [METRIC], "what is no number is left out"
    assert final.costs == first.costs(WIDE)
    assert (tmp_path / "predictions" / str(final.predictions)).exists()
    assert effects_of(tmp_path) == ["train", "train", "evaluate", "evaluate", "evaluate"]
    monkeypatch.setattr(training_effects, "train", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr(scoring, "predict", lambda *_, **__: pytest.fail("predicted again"))
    resumed = problem_in(tmp_path)
    assert answers(resumed) == found
    assert resumed.is_shared(shared.file)


def test_each_repeat_is_a_training_of_its_own(tmp_path: Path) -> None:
    problem = problem_in(tmp_path)
    files = [problem.train(SMALL, epochs=1, repeat=repeat).file for repeat in (0, 1, 1)]
    assert files[0] != files[1] == files[2]


def test_deleted_weights_are_trained_again_when_they_are_read(tmp_path: Path) -> None:
    heard = Heard()
    problem = problem_in(tmp_path, heard)
    weights = problem.train(SMALL, epochs=1)
    content = problem.read_weights(weights.file)
    problem.discard(weights)
    assert not list((tmp_path / "weights").iterdir())
    assert problem.evaluate(SMALL, weights, stage="final").failure is None
    assert problem.read_weights(weights.file) == content
    assert len(heard.warnings) == 1


def test_lost_or_damaged_predictions_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_in(tmp_path)
    weights = problem.train(SMALL, epochs=1)
    expected = problem.evaluate(SMALL, weights, stage="final")
    file = tmp_path / "predictions" / str(expected.predictions)
    content = file.read_bytes()
    for damage in (file.unlink, lambda: file.write_bytes(content[:-2])):
        damage()
        heard = Heard()
        resumed = problem_in(tmp_path, heard)
        assert resumed.evaluate(SMALL, weights, stage="final") == expected
        assert file.read_bytes() == content
        assert [text.split(": ")[1] for text in heard.warnings] == ["is missing or damaged; predicting again"]
    file.unlink()
    monkeypatch.setattr(scoring, "predict_ablated", fail)
    with pytest.raises(PosenasError, match="predicting again gave other predictions"):
        problem_in(tmp_path).evaluate(SMALL, weights, stage="final")


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no room")


def test_a_network_that_cannot_be_run_is_a_failed_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_in(tmp_path)
    weights = problem.train(SMALL, epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(scoring, "predict_ablated", fail)
        failed = problem.evaluate(SMALL, weights, stage="final")
    assert (failed.failure, failed.metrics) == ("RuntimeError: no room", {})
    assert problem_in(tmp_path).evaluate(SMALL, weights, stage="final") == failed


def test_progress_counts_the_candidates_before(tmp_path: Path) -> None:
    heard = Heard()
    problem = problem_in(tmp_path, heard)
    shared = problem.train_shared(Still(), epochs=1, name="phase 1")
    list(problem.evaluate_many([SMALL, WIDE], shared, stage="rank", calibration_people=0, progress=(3, 9)))
    counts = [(done, total) for task, done, total in heard.advances if task == "evaluating candidates"]
    assert counts == [(4, 9), (5, 9)]
    assert heard.epochs == [("training phase 1", 1, 1)]


def test_candidates_are_trained_alone_and_inherit(tmp_path: Path) -> None:
    problem = problem_in(tmp_path)
    (parent,) = problem.train_and_evaluate_many([Candidate(SMALL)], epochs=1, stage="first")
    init = Weights(str(parent.weights), shared=False)
    children = list(problem.train_and_evaluate_many([Candidate(WIDE, init)], epochs=1, stage="next"))
    assert (parent.inherited, parent.split, parent.stage) == (None, "ranking", "first")
    assert 0 < (children[0].inherited or 0) < 1
    problem.discard(init)
    file = problem_in(tmp_path)
    assert list(file.train_and_evaluate_many([Candidate(SMALL)], epochs=1, stage="first")) == [parent]
    assert file.read_weights(init.file), "trained again by a resumed run"


def test_the_same_candidate_twice_does_not_shift_the_others_results(tmp_path: Path) -> None:
    alone = problem_in(tmp_path / "alone")
    (small,) = alone.train_and_evaluate_many([Candidate(SMALL)], epochs=1, stage="candidate")
    (wide,) = alone.train_and_evaluate_many([Candidate(WIDE)], epochs=1, stage="candidate")
    candidates = [Candidate(SMALL), Candidate(SMALL), Candidate(WIDE)]
    found = list(
        problem_in(tmp_path / "all").train_and_evaluate_many(candidates, epochs=1, stage="candidate")
    )
    assert found == [small, small, wide]
    assert effects_of(tmp_path / "all") == ["train and evaluate"] * 2


def test_a_failed_candidate_is_a_trial_and_known_when_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(candidate, "train_network", fail)
        (failed,) = problem_in(tmp_path).train_and_evaluate_many(
            [Candidate(SMALL)], epochs=1, stage="candidate"
        )
    assert (failed.failure, failed.weights) == ("RuntimeError: no room", None)
    assert list(
        problem_in(tmp_path).train_and_evaluate_many([Candidate(SMALL)], epochs=1, stage="candidate")
    ) == [failed]


def test_learning_that_is_not_spelt_out_is_refused_before_a_training(tmp_path: Path) -> None:
    class Loose(Learning):
        pass

    with pytest.raises(PosenasError, match=r"learning .*Loose"):
        problem_in(tmp_path).train_relaxed(Still(), epochs=1, learning=Loose(on=torch.zeros(1)))  # type: ignore[arg-type]


def test_processes_that_have_nothing_to_do_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crew's processes load their own images, and wait for nothing while this process trains."""
    done: list[str] = []

    class Crew:
        def __init__(self, *_: Any, size: int) -> None:
            done.append(f"crew of {size}")

        def finish(self, jobs: Sequence[Any], **_: Any) -> Iterator[Any]:
            done.append(f"loading {len(multiprocessing.active_children())}")
            return iter([{"metrics": {}, "failure": "is not tried"} for _ in jobs])

        def close(self) -> None:
            done.append("crew ended")

    monkeypatch.setattr(searching_problem, "Crew", Crew)
    settings = TrainingSettings(batch_size=4, workers=1, parallel=2)
    problem = problem_in(tmp_path, training=settings)
    candidates = [Candidate(SMALL), Candidate(WIDE)]
    with closing(problem):
        problem.train(SMALL, epochs=1)
        assert len(multiprocessing.active_children()) == 1
        list(problem.train_and_evaluate_many(candidates, epochs=1, stage="candidate"))
        problem.train(SMALL, epochs=1)  # known: nothing is trained
        assert done == ["crew of 2", "loading 0"]
        problem.train(WIDE, epochs=1)
        assert done[2:] == ["crew ended"]
    assert not multiprocessing.active_children()
