"""What a search will train is foreseen as it happens, and what is too little for it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from posenas.composing.phases import PhaseSettings
from posenas.contract.errors import PosenasError
from posenas.contract.made_for import MadeFor
from posenas.contract.phases import PlannedTraining
from posenas.contract.trial import Trial
from posenas.data.augment import Augmentation
from posenas.learning.inference import EvaluationSettings
from posenas.learning.settings import TrainingSettings
from posenas.networks.processes import Processes
from posenas.reporting.progress import Lines
from posenas.reporting.time_left import TimeLeft, duration
from posenas.runs.recipe import Recipe
from posenas.searching.doubts import doubts
from posenas.searching.outlook import ForeseenTraining, Outlook, check_shares, outlook_of
from toy_search import WIDE, Heard, Still, Strategy, composed, problem_in


@dataclass(frozen=True)
class Planning:
    """Two passes over `fit` for shared weights, one each for three candidates, three over `train`."""

    candidates: int = 3
    epochs: int = 2
    final_epochs: int = 3

    def requires(self) -> Sequence[type]:
        return ()

    def trainings(self, _space: Any) -> Sequence[PlannedTraining]:
        return (
            PlannedTraining("shared", self.epochs),
            PlannedTraining("candidate", 1, 3),
            PlannedTraining("final", self.final_epochs),
        )

    def search(self, problem: Any) -> Iterator[Trial]:
        problem.train_shared(Still(), epochs=self.epochs)
        for width in (2, 3, 4):
            problem.train({"width": width}, epochs=1, on="fit")
        problem.train(WIDE, epochs=self.final_epochs)
        return iter(())


def test_trainings_are_foreseen_as_they_happen(tmp_path: Path) -> None:
    training = TrainingSettings(batch_size=2, accumulate=2, workers=0, parallel=1)
    changes = {"strategy": Planning(), "training": training}
    heard = Heard()
    Planning().search(problem_in(tmp_path, heard, **changes))
    outlook = outlook_of(composed(**changes))
    assert outlook.trainings is not None
    totals = [total for task, done, total in heard.advances if task.startswith("training") and done == total]
    assert totals == [each.epochs * each.batches for each in outlook.trainings for _ in range(each.number)]
    assert outlook.sentence() == (
        "2 x 9 people for the shared weights (4 steps); 1 x 9 people for each candidate (2 steps, 3 of "
        "them); 3 candidates ranked on 3 people; 3 x 12 people for the final network (9 steps)"
    )


def test_of_a_strategy_that_does_not_tell_the_people_are_known() -> None:
    assert outlook_of(composed(strategy=Strategy(None))).sentence() == (
        "the strategy does not tell what it trains; one pass shows 12 people"
    )


@pytest.mark.parametrize(
    ("batch_size", "processes", "told"),
    [(16, 9, ""), (4, 5, "5 processes cannot share a batch of 4"), (16, 10, "cannot share a batch of 9 ")],
)
def test_processes_need_people_in_each_batch_that_they_share(
    batch_size: int, processes: int, told: str
) -> None:
    settings = TrainingSettings(batch_size=batch_size)
    composition = composed(strategy=Planning(), training=settings)  # 9 people for the shared weights
    with pytest.raises(PosenasError, match=told) if told else nullcontext():
        check_shares(composition, Processes(0, processes))


def test_candidates_need_no_sharing() -> None:
    alone = PhaseSettings(TrainingSettings(batch_size=2), Augmentation())
    whole = TrainingSettings(batch_size=16)
    composition = composed(strategy=Planning(), training=whole, phases={"candidate": alone})
    check_shares(composition, Processes(0, 9))


LARGE = MadeFor({"name": "heatmap", "input_size": (32, 32)}, views=210 * 149_813, recipe="recipes/mine.toml")


def outlook(*trainings: tuple[Any, int, int], ranking: int = 256, views: int = 149_813) -> Outlook:
    """What is foreseen of trainings, each given by phase, passes and steps."""
    made = tuple(
        ForeseenTraining(phase, 1, epochs, views, steps, steps) for phase, epochs, steps in trainings
    )
    return Outlook(made, 16, ranking, views, "people")


def told(foreseen: Outlook, **changes: Any) -> list[str]:
    return doubts(composed(strategy=Planning(), **changes), foreseen)


LONG = ("shared", 2, 18_000), ("final", 210, 1_900_000)


def test_nothing_is_doubted_of_a_long_search() -> None:
    assert told(outlook(*LONG, ranking=5_000), made_for=replace(LARGE, head={"name": "heatmap"})) == []


def test_few_passes_over_many_people() -> None:
    few = outlook(("shared", 2, 18_000), ("final", 13, 120_000), ranking=5_000)
    assert told(few) == []  # a space that is made for nothing
    assert told(few, made_for=replace(LARGE, head={"name": "heatmap"})) == [
        "the trainings show 2,247,195 views of people, 7.1% of the 31,460,730 that published networks of "
        "space ofa saw: scores will be far lower; raise strategy.epochs, strategy.final_epochs; "
        "recipes/mine.toml trains as published"
    ]


def test_many_passes_over_few_people() -> None:
    few = outlook(("shared", 250, 300), ("final", 210, 250), ranking=100, views=139)
    (note,) = told(few, made_for=replace(LARGE, head={"name": "heatmap"}))
    assert note.endswith("lower; so few people need published weights to begin with (--init FILE)")


def test_few_ranking_people() -> None:
    # the standard deviation of scores from 0 to 1 is 0.5 at most: 0.5 / 16 and 0.5 / sqrt(3000)
    assert told(outlook(*LONG)) == [
        "candidates are ranked on 256 of 149,813 people: chance moves a score by up to 0.031 (standard "
        "error); evaluation.ranking_people=3000 makes it 0.009"
    ]
    assert told(outlook(*LONG, views=4_000)) == []


@pytest.mark.parametrize("people", [30, 5_120, 5_140, 20_000, 59_990, 60_010, 149_813])
def test_those_who_rank_by_default_are_never_few(people: int) -> None:
    assert told(outlook(*LONG, ranking=EvaluationSettings().most_ranking(people), views=people)) == []


def test_a_small_view() -> None:
    assert told(outlook(*LONG, ranking=5_000), made_for=LARGE) == [
        "a view of 16x16 has 25% of the pixels that space ofa is made for; head.input_size=32,32 has them all"
    ]


def test_few_steps() -> None:
    few = outlook(("shared", 2, 49), ("candidate", 1, 3), ("final", 2, 50), views=100)
    assert told(few) == [
        "phase shared has 49 steps (2 x 100 people), and in fewer than 50 hardly anything is learnt; raise "
        "strategy.epochs, strategy.final_epochs, or lower training.batch_size"
    ]
    assert told(few, recipe=Recipe(init="weights.pt")) == []


class Clock:
    """A clock that runs one second for each batch of a training."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def left(*events: tuple[str, int, int] | None) -> list[float]:
    """What is told to be left of 100 + 3 x 10 + 200 batches.

    None is a trial; anything else is a task, its first batch here, and its batches in all.
    """
    plan = outlook(("shared", 1, 100), ("candidate", 1, 10), ("final", 1, 200)).trainings
    assert plan is not None
    shared, candidate, final = plan
    found: list[float] = []
    listener = TimeLeft([shared, replace(candidate, number=3), final], found.append, clock=Clock())
    for event in events:
        if event is None:
            listener.trial_finished()
        else:
            task, begin, total = event
            for done in range(begin, total + 1):
                listener.advanced(task, done, total)
    return found


def test_after_a_minute_the_time_is_told_once() -> None:
    assert left(("training super-network", 1, 100)) == [(100 - 61) + 3 * 10 + 200]


def test_the_next_kind_of_training_has_a_pace_of_its_own() -> None:
    trainings = ("training super-network", 1, 100), None, ("training network", 1, 200)
    assert left(*trainings) == [(100 - 61) + 3 * 10 + 200, 200 - 61]


@pytest.mark.parametrize("begin", [21, 38])
def test_of_a_resumed_training_only_what_was_done_since_counts(begin: int) -> None:
    assert left(("training super-network", begin, 100)) == [100 - (begin + 60) + 30 + 200]


def test_of_a_resumed_run_the_trials_say_what_is_over() -> None:
    assert left(None, None, None, ("training network", 1, 200)) == [200 - 61]


def test_several_candidates_at_a_time_and_other_tasks() -> None:
    assert left(("training 3 candidates", 1, 30)) == []  # half a minute
    assert left(("reading the people", 1, 100), ("training network", 1, 99)) == []


def test_the_display_tells_it() -> None:
    said: list[str] = []
    Lines(said.append).time_left(12_000)
    assert said == ["about 3 h 20 min of training to the end of the search, at the present pace"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(10, "1 min"), (3540, "59 min"), (12_000, "3 h 20 min"), (200_000, "2 d 7 h")]
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
