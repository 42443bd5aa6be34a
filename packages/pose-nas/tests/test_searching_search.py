"""Whole searches in small: which answers are accepted, what is written, and what a resumed search repeats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from posenas.composing.phases import PhaseSettings
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import genotype_id
from posenas.contract.goals import MetricLimit, Objective
from posenas.contract.problem import Problem
from posenas.contract.trial import Trial
from posenas.data.augment import Augmentation
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import SupervisedStep
from posenas.reporting import results as reported
from posenas.reporting.comparison import compare as comparing
from posenas.runs.events import Events
from posenas.runs.provenance import Provenance
from posenas.runs.run import Run, create_run
from posenas.searching import scoring, search, training_effects
from posenas.searching.search import Outcome
from posenas.standard.strategies.random_search import RandomSearch
from posenas.standard.strategies.single import Single
from toy_search import (
    METRIC,
    SMALL,
    UNDECIDED,
    WIDE,
    ArgMaxSpace,
    Heard,
    Still,
    Strategy,
    ToyEvaluator,
    ToyHead,
    composed,
    problem_in,
    refuse,
)


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toys are no plugins: nobody asks for their versions, and results take them as they are."""
    toys = {"evaluator": ToyEvaluator(), "space": ArgMaxSpace(), "head": ToyHead()}
    for module in (search, comparing):
        monkeypatch.setattr(module, "provenance_of", lambda _composition, **_: Provenance({}, {}, {}))
    monkeypatch.setattr(reported, "make", lambda kind, _choice: toys[kind])


def searched(folder: Path, strategy: Any, heard: Any = None, **changes: Any) -> Outcome:
    """The outcome of a search in a folder: a new one, or one that goes on."""
    composition = composed(strategy=strategy, **changes)
    run = create_run(folder, composition.recipe)
    events = Events({"test": heard or Heard()}, complain=refuse)
    return search.search(composition, run, events=events)


def honest(problem: Problem) -> Iterator[Trial]:
    """Tries a small network and answers with a wide one."""
    small = problem.train(SMALL, epochs=1, on="fit")
    yield from problem.evaluate_many([SMALL], small, stage="candidate", calibration_people=0)
    wide = problem.train(WIDE, epochs=1)
    yield problem.evaluate(WIDE, wide, stage="final")


def test_settings_of_a_phase_that_was_not_trained_are_told_at_the_end(tmp_path: Path) -> None:
    own = PhaseSettings(TrainingSettings(batch_size=2, workers=0), Augmentation())
    heard = Heard()
    searched(tmp_path / "run", Strategy(honest), heard, phases={"shared": own, "final": own})
    assert [text for text in heard.warnings if "phase" in text] == [
        "the settings of phase shared had no effect: there was no such training"
    ]


def test_the_compiler_is_tried_before_a_search_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(search, "check_compiler", lambda device: tried.append(device.type))
    monkeypatch.setattr(training_effects, "compiled_step", lambda *_: nullcontext(SupervisedStep()))
    searched(tmp_path / "plain", Strategy(honest))
    assert tried == []
    compiled = {"training": TrainingSettings(batch_size=4, workers=0, parallel=1, compile=True)}
    searched(tmp_path / "run", Strategy(honest), **compiled)
    searched(tmp_path / "run", Strategy(honest), **compiled)
    assert tried == ["cpu"], "a finished run needs no compiler"


def test_that_nothing_was_compiled_is_told_at_the_end(tmp_path: Path) -> None:
    compiled = TrainingSettings(batch_size=4, workers=0, parallel=1, compile=True)
    problem = problem_in(tmp_path / "run", training=compiled)
    problem.train_shared(Still(), epochs=1)
    told = "training.compile had no effect: no network was trained alone"
    assert list(search._without_effect(composed(training=compiled), problem)) == [told]
    assert not list(search._without_effect(composed(), problem))


def test_the_answer_and_all_trials_are_written(tmp_path: Path) -> None:
    outcome = searched(tmp_path / "run", Strategy(honest))
    assert [trial.genotype for trial in outcome.trials] == [SMALL, WIDE]
    assert outcome.best == outcome.trials[-1]
    best = tmp_path / "run" / "best"
    assert json.loads((best / "genotype.json").read_text()) == {"schema": 2, "genotype": WIDE}
    assert json.loads((best / "trial.json").read_text()) == outcome.best.as_dict()
    weights = tmp_path / "run" / "weights" / str(outcome.best.weights)
    assert (best / "weights.safetensors").read_bytes() == weights.read_bytes()
    written = json.loads((tmp_path / "run" / "trials.json").read_text())
    assert written == [trial.as_dict() for trial in outcome.trials]
    assert not (tmp_path / "run" / "trials.jsonl").exists()
    assert not (tmp_path / "run" / "front.json").exists()


def test_of_several_objectives_the_front_of_the_candidates_is_written(tmp_path: Path) -> None:
    objectives = Objective(METRIC, maximize=True, is_cost=False), Objective("macs", False, True)
    outcome = searched(tmp_path / "run", Strategy(honest), objectives=objectives)
    front = json.loads((tmp_path / "run" / "front.json").read_text())
    assert front == [outcome.trials[0].as_dict()]


def several(problem: Problem) -> Iterator[Trial]:
    """Tries three widths with weights of their own, and answers with the best one."""
    trials = []
    for width in (2, 3, 4):
        weights = problem.train({"width": width}, epochs=1, on="fit")
        trials += problem.evaluate_many([{"width": width}], weights, stage="candidate", calibration_people=0)
        yield trials[-1]
    genotype = problem.best(trials).genotype
    yield problem.evaluate(genotype, problem.train(genotype, epochs=1), stage="final")


def test_a_limit_on_a_metric_decides_who_wins_and_who_is_on_the_front(tmp_path: Path) -> None:
    free = searched(tmp_path / "free", Strategy(several)).trials[:-1]
    worst, middle, _ = sorted(trial.metrics[METRIC] for trial in free)
    limit = MetricLimit(METRIC, (worst + middle) / 2, higher_is_better=False)
    heard = Heard()
    objectives = Objective(METRIC, maximize=True, is_cost=False), Objective("macs", False, True)
    outcome = searched(
        tmp_path / "run", Strategy(several), heard, metric_limits=(limit,), objectives=objectives
    )
    (kept,) = [trial for trial in outcome.candidates if trial.metrics[METRIC] == worst]
    assert outcome.best.id == kept.id
    assert json.loads((tmp_path / "run" / "front.json").read_text()) == [kept.as_dict()]
    final = outcome.best.metrics[METRIC]
    missed = f"the final network misses {limit} with {final:.4g} on val"
    assert (missed in heard.warnings) == (final > limit.bound)
    assert not [warning for warning in heard.warnings if "none of" in warning]


@pytest.mark.parametrize("again", [False, True])
def test_a_limit_on_a_metric_that_nobody_keeps_is_told(tmp_path: Path, again: bool) -> None:
    limits = MetricLimit(METRIC, 2.0), MetricLimit("toy.void", 0.1)
    if again:
        searched(tmp_path / "run", Strategy(several), Heard(), metric_limits=limits)
    heard = Heard()
    outcome = searched(tmp_path / "run", Strategy(several), heard, metric_limits=limits)
    figures = [trial.metrics[METRIC] for trial in outcome.candidates]
    least = outcome.candidates[figures.index(max(figures))].id
    assert outcome.best.id == least
    assert heard.warnings[-3:] == [
        "none of 3 candidates keeps all limits on metrics: "
        f"toy.closeness>=2 (the nearest has {max(figures):.4g}); toy.void>=0.1 (3 without a figure)",
        f"the final network misses toy.closeness>=2 with {outcome.best.metrics[METRIC]:.4g} on val",
        "the final network has no figure for toy.void>=0.1 on val",
    ]


class Killed(BaseException):
    """As Ctrl-C would end a search, at a known instant."""


def test_a_resumed_search_ends_as_one_that_was_not_killed(tmp_path: Path) -> None:
    def killed(problem: Problem) -> Iterator[Trial]:
        yield next(honest(problem))
        raise Killed

    expected = searched(tmp_path / "whole", Strategy(honest))
    with pytest.raises(Killed):
        searched(tmp_path / "run", Strategy(killed))
    assert (tmp_path / "run" / "trials.jsonl").read_text().count("\n") == 1
    assert searched(tmp_path / "run", Strategy(honest)) == expected
    for file in (tmp_path / "whole").rglob("*"):
        if file.is_file():
            assert (tmp_path / "run" / file.relative_to(tmp_path / "whole")).read_bytes() == file.read_bytes()


def nothing(_problem: Problem) -> Iterator[Trial]:
    return iter(())


def no_iterator(_problem: Problem) -> Any:
    return 3


def strings(_problem: Problem) -> Any:
    return iter(["trial"])


def without_weights(problem: Problem) -> Iterator[Trial]:
    yield Trial(SMALL, "final", "val", {METRIC: 0.5}, problem.costs(SMALL))


def with_shared_weights(problem: Problem) -> Iterator[Trial]:
    shared = problem.train_shared(Still(), epochs=1)
    yield from problem.evaluate_many([SMALL], shared, stage="final", calibration_people=0)


def a_candidate(problem: Problem) -> Iterator[Trial]:
    weights = problem.train(SMALL, epochs=1)
    yield from problem.evaluate_many([SMALL], weights, stage="final", calibration_people=0)


def beyond_the_space(problem: Problem) -> Iterator[Trial]:
    beyond = {"width": 99}
    yield problem.evaluate(beyond, problem.train(beyond, epochs=1), stage="final")


@pytest.mark.parametrize(
    ("trials", "says"),
    [
        (nothing, "strategy 'random' ended without a trial"),
        (no_iterator, "strategy 'random': search gives int, expected trials"),
        (strings, "strategy 'random': search yields str, expected Trial"),
        (without_weights, "its last trial, which is the answer, has no weights of its own"),
        (with_shared_weights, "its last trial, which is the answer, has no weights of its own"),
        (a_candidate, "its last trial, which is the answer, was scored on ranking as a candidate"),
        (beyond_the_space, "width = 99"),
    ],
)
def test_a_search_without_an_answer_ends_with_one_line(
    tmp_path: Path, trials: Callable[..., Any], says: str
) -> None:
    with pytest.raises(PosenasError) as told:
        searched(tmp_path / "run", Strategy(trials))
    assert says in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run" / "best").exists()


def test_an_answer_that_failed_is_written_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no room")

    monkeypatch.setattr(scoring, "predict_ablated", fail)
    with pytest.raises(PosenasError, match="the final network failed: RuntimeError: no room"):
        searched(tmp_path / "run", Strategy(honest))
    assert json.loads((tmp_path / "run" / "best" / "trial.json").read_text())["failure"]


def test_two_processes_do_not_run_one_search(tmp_path: Path) -> None:
    def twice(problem: Problem) -> Iterator[Trial]:
        with pytest.raises(PosenasError, match="another process is running it"):
            searched(tmp_path / "run", Strategy(honest))
        yield from honest(problem)

    assert len(searched(tmp_path / "run", Strategy(twice)).trials) == 2


def underived(problem: Problem) -> Iterator[Trial]:
    weights = problem.train(UNDECIDED, epochs=1)
    yield problem.evaluate(UNDECIDED, weights, stage="final")


def test_an_answer_that_derives_another_genotype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PosenasError, match=r"it must train and evaluate problem\.derived of it"):
        searched(tmp_path / "run", Strategy(underived), space=ArgMaxSpace())


@pytest.mark.parametrize("weights", ["scratch", "shared"])
def test_the_winner_of_a_space_that_derives_is_trained_as_what_it_derives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Any
) -> None:
    """A strategy that knows nothing of deriving; then the comparison with random networks of equal cost."""
    monkeypatch.setattr("posenas.learning.sandwich_step.SandwichStep", lambda *_: Still())
    space, folder = ArgMaxSpace(), tmp_path / "run"
    strategy = RandomSearch(weights, candidates=4, epochs=1, final_epochs=1, calibration_people=4)
    monkeypatch.setattr(Still, "__call__", widest)
    outcome = searched(folder, strategy, space=space)
    best = outcome.best
    assert best.genotype == space.derived(best.genotype)
    candidates = outcome.trials[:-1]
    if weights == "scratch":
        assert all(trial.genotype == space.derived(trial.genotype) for trial in candidates)
    else:
        assert any(trial.genotype != space.derived(trial.genotype) for trial in candidates)
    composition = composed(strategy=strategy, space=space)
    for trial in candidates:
        assert trial.costs == composition.costs.counted(space.derived(trial.genotype))
    found = reported.read_results(Run(folder), composition.recipe)
    winner = found.as_candidate(best)
    assert winner is not None
    assert genotype_id(space.derived(winner.genotype)) == best.id
    size = comparing.Size(random=1, trained=1, alone=0, alone_epochs=None, tolerance=0.0)
    comparison = comparing.compare(
        composition, Run(folder), size, events=Events({"test": Heard()}, complain=refuse)
    )
    (trained,) = comparison.trained
    assert trained.genotype == space.derived(trained.genotype)
    assert trained.costs == best.costs


def deriving(problem: Problem) -> Iterator[Trial]:
    """Ranks what is undecided, and answers with what it derives."""
    shared = problem.train_shared(Still(), epochs=1)
    yield from problem.evaluate_many([UNDECIDED], shared, stage="candidate", calibration_people=4)
    derived = problem.derived(UNDECIDED)
    weights = problem.train(derived, epochs=1, init=shared)
    yield problem.evaluate(derived, weights, stage="final")


def test_an_answer_is_known_by_the_candidate_that_it_is_derived_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Still, "__call__", widest)
    strategy, space = Strategy(deriving), ArgMaxSpace()
    outcome = searched(tmp_path / "run", strategy, space=space)
    recipe = composed(strategy=strategy, space=space).recipe
    found = reported.read_results(Run(tmp_path / "run"), recipe).as_candidate(outcome.best)
    assert found == outcome.trials[0]
    assert found.id != outcome.best.id


def widest(_step: Still, network: Any, batch: Any, _rng: Any, **_: Any) -> Any:
    (network.activate(ArgMaxSpace().largest())(batch.images).sum() * 0).backward()
    return {"loss": 0.0}


def test_one_network_is_trained_as_what_it_derives(tmp_path: Path) -> None:
    outcome = searched(tmp_path / "run", Single(UNDECIDED, epochs=1), space=ArgMaxSpace())
    assert outcome.best.genotype == ArgMaxSpace().derived(UNDECIDED)
