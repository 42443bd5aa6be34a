"""The strategies on a search in small: what they ask for, in which order, and what bad rewards do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from nas_autopose.bilevel import Bilevel
from nas_autopose.gumbel import Gumbel
from nas_autopose.gumbel_step import Annealing, GumbelStep, Networks
from nas_autopose.mixture import NOTHING
from nas_autopose.policy import Policy
from nas_autopose.reinforce import Reinforce
from posenas import Choice, Dimension, Genotype, Learning, Objective, PosenasError, Trial
from posenas.contract.goals import Limit
from posenas.contract.problem import Span, Weights
from posenas.runs.journal import Journal
from posenas.runs.notes import read_notes
from posenas.runs.run import Run
from posenas.searching.problem import JournaledProblem
from posenas.standard.strategies.random_search import RandomSearch
from safetensors.torch import load_file
from toy_search import METRIC, Heard, MixedSpace, ToySpace, effects_of, problem_in

SMALL = Bilevel(
    epochs=3, networks=2, controller_from=2, updates=2, controller_size=8, candidates=2,
    calibration_people=4, final_epochs=1,
)  # fmt: skip


@dataclass(frozen=True)
class Gated:
    """The toys' relaxed space with a choice more, and a factor that only derived networks have 2 of."""

    def dimensions(self) -> dict[str, Dimension]:
        return {**MixedSpace().dimensions(), "gate": Choice((False, True)), "times": Choice((1, 2))}

    def sample(self, rng: Random) -> Genotype:
        return {**MixedSpace().sample(rng), "gate": rng.random() < 0.5, "times": 1}

    def largest(self) -> Genotype:
        return {**MixedSpace().largest(), "gate": True, "times": 1}

    def smallest(self) -> Genotype:
        return {**MixedSpace().smallest(), "gate": False, "times": 1}

    def build(self, genotype: Genotype) -> Any:
        return MixedSpace().build({**genotype, "width": genotype["width"] * genotype["times"]})

    def relax(self, backbone: Any) -> Mapping[str, torch.Tensor]:
        return MixedSpace().relax(backbone)

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        MixedSpace().set_values(backbone, genotype)

    def derived(self, genotype: Genotype) -> Genotype:
        return {**genotype, "times": 2}


def searched(folder: Path, strategy: Any, heard: Heard | None = None, **changes: Any) -> list[Trial]:
    problem = problem_in(folder, heard, **{"space": Gated(), "strategy": strategy, **changes})
    return list(strategy.search(problem))


def test_bilevel_trains_in_slices_scores_draws_and_trains_its_answer_anew(tmp_path: Path) -> None:
    heard = Heard()
    trials = searched(tmp_path, SMALL, heard)
    effects = effects_of(tmp_path)
    assert Counter(effects)["train relaxed"] == 3
    assert effects[-2:] == ["train", "evaluate"]
    assert trials[-1].genotype["times"] == 2
    for trial in trials:
        (row,) = trial.genotype["alpha"]
        assert sorted(row) == [NOTHING, 0.0]
    assert {trial.stage for trial in trials[:-1]} == {"candidate"}
    records = Journal(Run(tmp_path).journal_file).records
    spans = [each["inputs"]["span"] for each in records if each["effect"] == "train relaxed"]
    assert spans == [{"begin": begin, "of": 3} for begin in range(3)]
    assert all(
        each["inputs"]["learning"]["on"] == "halves" for each in records if "learning" in each["inputs"]
    )
    (answer,) = [each for each in records if each["effect"] == "train"]
    assert answer["inputs"]["init"] is None
    assert heard.warnings == []


class Undivided(Gated):
    """The same space, whose networks are trained as they were found."""

    def derived(self, genotype: Genotype) -> Genotype:
        return genotype


def test_the_winner_may_begin_with_the_shared_weights(tmp_path: Path) -> None:
    shared = replace(SMALL, final_weights="shared")
    searched(tmp_path / "fits", shared, space=Undivided())
    records = Journal(Run(tmp_path / "fits").journal_file).records
    (answer,) = [each for each in records if each["effect"] == "train"]
    learnt = [each["result"]["weights"] for each in records if each["effect"] == "train relaxed"]
    assert answer["inputs"]["init"] == learnt[-1]
    heard = Heard()
    searched(tmp_path / "derived", shared, heard)
    assert [text.partition(":")[0] for text in heard.warnings] == ["final_weights=shared"]


@pytest.mark.parametrize("strategy", [SMALL, Gumbel(epochs=2, final_epochs=3)])
def test_the_plan_is_a_shared_and_a_final_training(strategy: Any) -> None:
    plan = strategy.trainings(Gated())
    assert [(each.phase, each.epochs, each.number) for each in plan] == [
        ("shared", strategy.epochs, 1),
        ("final", strategy.final_epochs, 1),
    ]


def test_the_weights_of_earlier_epochs_are_deleted(tmp_path: Path) -> None:
    searched(tmp_path, SMALL)
    records = Journal(Run(tmp_path).journal_file).records
    slices = [each["result"] for each in records if each["effect"] == "train relaxed"]
    kept = {path.name for path in Run(tmp_path).weights.iterdir()}
    assert slices[-1]["weights"] in kept
    assert not {name for each in slices[:-1] for name in (each["weights"], each["state"])} & kept


def test_each_epoch_is_noted_and_the_controller_learns_from_its_own_first_epoch_on(tmp_path: Path) -> None:
    searched(tmp_path, SMALL)
    noted = read_notes(Run(tmp_path))["bilevel"]
    assert list(noted) == [1, 2, 3]
    always = {"cell entropy", "controller entropy", "likeliest"}
    assert set(noted[1]) == always
    assert set(noted[2]) == set(noted[3]) == {*always, "reward", "baseline"}
    assert 0 < noted[3]["cell entropy"] <= 1


def test_the_display_counts_through_the_whole_search(tmp_path: Path) -> None:
    heard = Heard()
    searched(tmp_path, SMALL, heard)
    training = [(done, total) for task, done, total in heard.advances if "architecture" in task]
    assert [done for done, _ in training] == [*range(1, len(training) + 1)]
    assert {total for _, total in training} == {len(training)}
    scored = [(done, total) for task, done, total in heard.advances if task == "evaluating candidates"]
    draws = [each for each in scored if each[1] == 11]
    # Two epochs of 2 updates by 2 draws, and the likeliest draw after each of the three epochs.
    assert draws == [(done, 11) for done in range(1, 12)]


class Killed(BaseException):
    """Ends a search as a signal would."""


def test_a_search_that_stops_before_an_effect_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two draws of an update of the controller too."""
    whole = searched(tmp_path / "whole", SMALL)
    expected = Run(tmp_path / "whole").journal_file.read_bytes()
    append = Journal.append
    for stop in range(2, len(effects_of(tmp_path / "whole")), 3):
        left = [stop]

        def stopped(journal: Journal, *arguments: Any, left: list[int] = left, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return append(journal, *arguments, **named)

        folder = tmp_path / f"stopped {stop}"
        with monkeypatch.context() as patched:
            patched.setattr(Journal, "append", stopped)
            with pytest.raises(Killed):
                searched(folder, SMALL)
        assert len(effects_of(folder)) == stop
        assert searched(folder, SMALL) == whole
        assert Run(folder).journal_file.read_bytes() == expected


def test_slices_give_the_weights_of_one_training(tmp_path: Path) -> None:
    """The same draws in each epoch, on the step of `bilevel`, without a controller."""
    step = GumbelStep(
        MixedSpace(),
        "soft",
        Annealing(5.0, 0.5),
        Networks(rest=(("alpha", [[0.0, 0.0]]),), names=("width",), values=((2,), (4,))),
    )
    learning = Learning(3e-3, on="halves")
    one = problem_in(tmp_path / "one", space=MixedSpace(), strategy=SMALL)
    whole = one.train_relaxed(step, epochs=4, learning=learning, shared=True)
    sliced = problem_in(tmp_path / "sliced", space=MixedSpace(), strategy=SMALL)
    before: Weights | None = None
    for epoch in range(4):
        found = sliced.train_relaxed(
            step, epochs=1, learning=learning, shared=True, init=before, span=Span(epoch, 4)
        )
        before = found.weights
    assert found.genotype == whole.genotype
    expected = load_file(Run(tmp_path / "one").weights / whole.weights.file)
    for name, tensor in load_file(Run(tmp_path / "sliced").weights / found.weights.file).items():
        assert torch.equal(tensor, expected[name])


def test_a_controller_that_could_never_learn_is_refused() -> None:
    with pytest.raises(ValueError, match="controller_from is 4 and epochs is 1"):
        Bilevel(epochs=1)
    assert Bilevel(epochs=1, updates=0)


@pytest.mark.parametrize("strategy", [SMALL, Reinforce()])
def test_a_space_without_choices_is_refused(strategy: Any) -> None:
    @dataclass(frozen=True)
    class Decided(MixedSpace):
        def sample(self, rng: Random) -> Genotype:
            return {**super().sample(rng), "width": 4}

    strategy.check_space(MixedSpace())
    with pytest.raises(PosenasError, match="decides discrete dimensions, and the space has none"):
        strategy.check_space(Decided())


SHORT = Reinforce(epochs=1, updates=3, controller_size=8, calibration_people=4, final_epochs=1)


def test_reinforce_freezes_a_super_network_and_trains_its_best_draw_on(tmp_path: Path) -> None:
    trials = searched(tmp_path, SHORT, space=ToySpace())
    records = Journal(Run(tmp_path).journal_file).records
    shared, answer = [each for each in records if each["effect"] == "train"]
    assert shared["inputs"]["network"] == "shared"
    assert answer["inputs"]["init"] == shared["result"]
    *draws, final = trials
    assert len({trial.id for trial in draws}) == len(draws) <= 3
    best = max(draws, key=lambda trial: trial.metrics[METRIC])
    assert final.genotype == best.genotype
    assert list(read_notes(Run(tmp_path))["reinforce"]) == [1, 2, 3]


def test_reinforce_trains_each_draw_where_weights_are_not_shared(tmp_path: Path) -> None:
    searched(tmp_path, replace(SHORT, weights="scratch"), space=ToySpace())
    effects = Counter(effects_of(tmp_path))
    assert 1 <= effects["train and evaluate"] <= 3
    assert effects["train"] == 1


@pytest.mark.parametrize(
    "strategy", [SHORT, RandomSearch(candidates=2, epochs=1, calibration_people=4, final_epochs=1)]
)
def test_a_derived_network_of_another_width_begins_anew(tmp_path: Path, strategy: Any) -> None:
    trials = searched(tmp_path, strategy)
    assert trials[-1].genotype["times"] == 2
    records = Journal(Run(tmp_path).journal_file).records
    assert [each["inputs"]["init"] for each in records if each["effect"] == "train"] == [None, None]


def test_gumbel_learns_values_and_takes_the_heaviest(tmp_path: Path) -> None:
    strategy = Gumbel(epochs=2, final_epochs=1)
    (trial,) = searched(tmp_path, strategy)
    (row,) = trial.genotype["alpha"]
    assert sorted(row) == [NOTHING, 0.0]
    assert trial.genotype["times"] == 2
    noted = read_notes(Run(tmp_path))["gumbel"]
    assert [*noted] == [1, 2]
    assert all(0 < figures["cell entropy"] < 1 for figures in noted.values())


def test_limits_hold_for_every_draw_and_the_controllers_own_picks_are_what_learns(tmp_path: Path) -> None:
    toys: dict[str, Any] = {"space": MixedSpace(), "strategy": SMALL}
    least = problem_in(tmp_path / "a", **toys).costs(MixedSpace().smallest())["macs"]
    limits = (Limit("macs", most=least),)
    problem = problem_in(tmp_path / "b", limits=limits, **toys)
    policy = Policy(problem, SMALL)
    assert policy.choices == {"width": (2, 4)}
    drawn = policy.draw(12, fixed={"alpha": [[0.0, 0.0]]}, purpose="test")
    assert {each.genotype["width"] for each in drawn} == {2}
    assert {each.picks for each in drawn} == {(0,), (1,)}
    assert all(problem.within_limits(each.genotype) for each in drawn)
    trials = searched(tmp_path / "c", SMALL, space=MixedSpace(), limits=limits)
    assert {trial.genotype["width"] for trial in trials} == {2}


def patched_scores(monkeypatch: pytest.MonkeyPatch, figure: float | None) -> None:
    """All draws score this; None fails them. The candidates at the end score as they do."""
    original = JournaledProblem.evaluate_many

    def evaluate_many(
        problem: Any, genotypes: Any, weights: Any, *, stage: str, **named: Any
    ) -> Iterator[Trial]:
        for trial in original(problem, genotypes, weights, stage=stage, **named):
            if stage != "draw":
                yield trial
            elif figure is None:
                yield replace(trial, metrics={}, failure="no memory")
            else:
                yield replace(trial, metrics={**trial.metrics, METRIC: figure})

    monkeypatch.setattr(JournaledProblem, "evaluate_many", evaluate_many)


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        (None, "does not learn from draws without a reward, such as .*: no memory"),
        (float("nan"), f"does not learn from draws without a reward, such as .*: {METRIC} is not a number"),
        (0.25, f"the reward, {METRIC}, is 0.25 for all . different draws"),
    ],
)
def test_bad_rewards_are_told_in_one_line_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: float | None, reason: str
) -> None:
    heard = Heard()
    patched_scores(monkeypatch, figure)
    trials = searched(tmp_path, replace(SMALL, updates=4), heard)
    assert trials[-1].stage == "final"
    assert METRIC in trials[-1].metrics
    (warning,) = heard.warnings
    assert re.search(reason, warning)
    noted = read_notes(Run(tmp_path))["bilevel"]
    assert ("reward" in noted[3]) == (figure == 0.25)


def test_a_metric_to_minimise_is_a_reward_with_its_sign_turned(tmp_path: Path) -> None:
    objective = Objective(METRIC, maximize=False, is_cost=False)
    searched(tmp_path, SMALL, objectives=(objective,))
    noted = read_notes(Run(tmp_path))["bilevel"]
    assert all(figures["likeliest"] < 0 for figures in noted.values())
