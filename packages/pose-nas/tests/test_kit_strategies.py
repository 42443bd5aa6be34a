"""Each check of strategies and costs finds the one that is wrong in what it asks, and no other does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from posenas.composing.plugins import Plugin
from posenas.contract.components import Relaxed
from posenas.contract.costs import CostFigure, Networks
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, genotype_id, middle
from posenas.contract.phases import PlannedTraining
from posenas.contract.problem import Problem
from posenas.contract.trial import Trial
from posenas.kit import results
from posenas.kit.kinds import refusal_of
from posenas.kit.results import results_of
from posenas.kit.toy_problem import BEST, StoppedError, ToyProblem, ToySpace
from posenas.runs.journal import Journal
from posenas.testing import checks_for
from toy_kit import failures

ALL = [{"depth": depth, "width": width} for depth in (1, 2, 3, 4, 5) for width in (8, 16, 24, 32, 40)]


@dataclass(frozen=True)
class Drawn:
    """Trains and scores drawn genotypes, and trains the best one again."""

    def requires(self) -> Sequence[type]:
        return ()

    def search(self, problem: Problem) -> Iterator[Trial]:
        trials = []
        for genotype in self.candidates(problem):
            weights = problem.train(genotype, epochs=1, on="fit")
            trials += problem.evaluate_many([genotype], weights, stage="candidate", calibration_people=0)
        yield from trials
        yield from self.finish(problem, trials)

    def candidates(self, problem: Problem) -> list[Genotype]:
        return problem.draw(14)

    def finish(self, problem: Problem, trials: list[Trial]) -> Iterator[Trial]:
        best = self.best(problem, trials).genotype
        yield problem.evaluate(best, problem.train(best, epochs=2), stage="final")

    def best(self, problem: Problem, trials: list[Trial]) -> Trial:
        return problem.best(trials)


class Misspelt(Drawn):
    def section(self, results: object) -> Sequence[Any]:  # noqa: ARG002
        return ()


class TakesTheFirst(Drawn):
    def best(self, problem: Problem, trials: list[Trial]) -> Trial:  # noqa: ARG002
        return next(trial for trial in trials if trial.failure is None)


class EndsWithACandidate(Drawn):
    def finish(self, problem: Problem, trials: list[Trial]) -> Iterator[Trial]:
        yield from super().finish(problem, trials)
        yield problem.best(trials)


@dataclass(frozen=True)
class CountsItsSearches(Drawn):
    searches: Iterator[int] = field(default_factory=itertools.count)

    def finish(self, problem: Problem, trials: list[Trial]) -> Iterator[Trial]:
        number = next(self.searches)
        for trial in super().finish(problem, trials):
            yield replace(trial, notes={"search": number})


class OwnSeed(Drawn):
    def candidates(self, problem: Problem) -> list[Genotype]:  # noqa: ARG002
        return Random(0).sample(ALL, len(ALL))


class NeverFails(Drawn):
    def best(self, problem: Problem, trials: list[Trial]) -> Trial:  # noqa: ARG002
        return max(trials, key=lambda trial: trial.metrics["toy.AP"])


class TriesSix(Drawn):
    def candidates(self, problem: Problem) -> list[Genotype]:
        return [*super().candidates(problem), {"depth": 6, "width": 16}]


@dataclass(frozen=True)
class Remembers(Drawn):
    """Tries the last one first in a search after one that was stopped."""

    stops: list[str] = field(default_factory=list)

    def search(self, problem: Problem) -> Iterator[Trial]:
        try:
            yield from super().search(problem)
        except StoppedError:
            self.stops.append("stopped")
            raise
        self.stops.clear()

    def candidates(self, problem: Problem) -> list[Genotype]:
        drawn = super().candidates(problem)
        return drawn[::-1] if self.stops else drawn


class PlansOneEpochLess(Drawn):
    def trainings(self, space: object) -> Sequence[PlannedTraining]:  # noqa: ARG002
        return PlannedTraining("candidate", 1, 14), PlannedTraining("final", 1)


STRATEGIES: dict[str, Any] = {
    "methods_are_the_contracts": Misspelt(),
    "the_best_is_found": TakesTheFirst(),
    "the_last_trial_is_the_answer": EndsWithACandidate(),
    "the_same_seed_gives_the_same_trials": CountsItsSearches(),
    "another_seed_gives_other_trials": OwnSeed(),
    "failing_trials_are_survived": NeverFails(),
    "genotypes_lie_inside": TriesSix(),
    "a_stopped_search_is_resumed": Remembers(),
    "the_plan_is_kept": PlansOneEpochLess(),
}


@dataclass(frozen=True)
class Meter:
    """What `Weighed` measures; subclasses of both break one thing."""

    networks: Networks

    def measure(self, genotype: Genotype) -> Mapping[str, Any]:
        network = self.networks.outline(genotype)
        return {"tensors": sum(each.numel() for each in network.parameters())}

    def parts(self, genotype: Genotype) -> Mapping[str, float]:
        network = self.networks.outline(genotype)
        return {
            f"tensors.{name}": sum(each.numel() for each in child.parameters())
            for name, child in network.named_children()
        }


@dataclass(frozen=True)
class Weighed:
    """Counts the numbers in all tensors."""

    meter: type[Meter] = Meter
    more: tuple[CostFigure, ...] = ()

    @property
    def dear(self) -> bool:
        return False

    def figures(self) -> Sequence[CostFigure]:
        return (CostFigure("tensors", "numbers", divisible=True), *self.more)

    def bind(self, networks: Networks) -> Meter:
        return self.meter(networks)


class Explains(Weighed):
    def caveats(self) -> str:
        return "Counted."


class Narrow(Meter):
    def measure(self, genotype: Genotype) -> Mapping[str, Any]:
        return {name: np.float64(figure) for name, figure in super().measure(genotype).items()}


@dataclass(frozen=True)
class Ages(Meter):
    asked: Iterator[int] = field(default_factory=itertools.count)

    def measure(self, genotype: Genotype) -> Mapping[str, Any]:
        return {**super().measure(genotype), "asked": next(self.asked)}


class Headless(Meter):
    def parts(self, genotype: Genotype) -> Mapping[str, float]:
        return {name: each for name, each in super().parts(genotype).items() if name != "tensors.head"}


COSTS: dict[str, Any] = {
    "methods_are_the_contracts": Explains(),
    "figures_are_declared": Weighed(more=(CostFigure("joules", "joules"),)),
    "figures_are_plain_numbers": Weighed(Narrow),
    "figures_stay_the_same": Weighed(Ages),
    "parts_add_up": Weighed(Headless),
}


@pytest.mark.parametrize(
    ("kind", "sound", "broken"),
    [("strategy", Drawn(), STRATEGIES), ("cost", Weighed(), COSTS)],
    ids=["strategy", "cost"],
)
def test_a_sound_one_passes_every_check(kind: str, sound: Any, broken: dict[str, Any]) -> None:
    assert failures(kind, sound) == {}
    assert {check.name for check in checks_for(kind, sound)} == set(broken)


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_check_alone_finds_what_is_wrong_with_a_strategy(name: str) -> None:
    assert list(failures("strategy", STRATEGIES[name])) == [name]


@pytest.mark.parametrize("name", COSTS)
def test_one_check_alone_finds_what_is_wrong_with_a_cost(name: str) -> None:
    assert list(failures("cost", COSTS[name])) == [name]


class Relaxes(Drawn):
    def requires(self) -> Sequence[type]:
        return (Relaxed,)


class Demands(Drawn):
    def check_space(self, space: object) -> None:  # noqa: ARG002
        raise PosenasError("no dimension begins with `cell.`")


class Trained(Drawn):
    """Refuses nothing: it fails after its first training."""

    def best(self, problem: Problem, trials: list[Trial]) -> Trial:  # noqa: ARG002
        raise PosenasError("nothing was found")


class OfTables(Weighed):
    def bind(self, networks: Networks) -> Meter:
        raise PosenasError(f"no table for {networks.description['space']}")


@pytest.mark.parametrize(
    ("kind", "component", "words"),
    [
        ("strategy", Relaxes(), "needs Relaxed, which the kit's toy space lacks"),
        ("strategy", Demands(), "refuses the kit's toy space: no dimension begins with `cell.`"),
        ("cost", OfTables(), "refuses the kit's toy networks: no table for the kit's toy"),
    ],
    ids=["capability", "demand", "table"],
)
def test_what_the_toy_lacks_is_told_and_methods_are_checked_alone(
    kind: str, component: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refusal_of(kind, component) == words
    assert [check.name for check in checks_for(kind, component)] == ["methods_are_the_contracts"]
    monkeypatch.setattr("posenas.kit.components.load_class", lambda _plugin: type(component))
    monkeypatch.setattr(results, "plugins_of", lambda _name: [Plugin(kind, "toy", "toys", "1", "toys:Toy")])
    found = [(each.check, each.status) for each in results_of("toys", {})]
    assert found == [("methods_are_the_contracts", "ok"), ("works_with_a_toy", "not run")]


def test_a_search_that_fails_after_its_first_training_is_no_refusal() -> None:
    assert refusal_of("strategy", Trained()) == ""
    assert "the_best_is_found" in failures("strategy", Trained())


def score(genotype: Genotype, *, failing: bool = False) -> float | None:
    problem = ToyProblem(failing=failing)
    weights = problem.train(genotype, epochs=1)
    return problem.evaluate(genotype, weights, stage="final").metrics.get("toy.AP")


def test_the_toys_best_is_the_only_one_and_neither_an_end_nor_the_middle() -> None:
    figures = {genotype_id(each): score(each) or 0.0 for each in ALL}
    assert [name for name, figure in figures.items() if figure == max(figures.values())] == [
        genotype_id(BEST)
    ]
    space = ToySpace()
    assert BEST not in (space.largest(), space.smallest(), middle(space.dimensions()))


def test_one_toy_in_four_fails_but_neither_the_best_nor_the_middle() -> None:
    failed = [each for each in ALL if score(each, failing=True) is None]
    assert 0.2 <= len(failed) / len(ALL) <= 0.3
    assert BEST not in failed
    assert middle(ToySpace().dimensions()) not in failed


def test_a_toy_search_is_stopped_after_so_many_new_effects(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for lines in (3, 6, 9):
        with pytest.raises(StoppedError):
            list(Drawn().search(ToyProblem(journal=Journal(path), stop_after=3)))
        assert len(Journal(path).records) == lines


class YieldsRows(Drawn):
    def finish(self, problem: Problem, trials: list[Trial]) -> Iterator[Any]:
        yield from (trial.as_dict() for trial in super().finish(problem, trials))


class RequiresWords(Drawn):
    def requires(self) -> Sequence[Any]:
        return ("WeightSharing",)


class NotDear(Weighed):
    @property
    def dear(self) -> bool:
        raise AttributeError


@pytest.mark.parametrize(
    ("kind", "component", "check", "words"),
    [
        ("strategy", YieldsRows(), "the_best_is_found", "search yields dict, expected what problem.evaluate"),
        (
            "strategy",
            RequiresWords(),
            "methods_are_the_contracts",
            "requires names 'WeightSharing', expected",
        ),
        ("cost", NotDear(), "methods_are_the_contracts", "dear is missing"),
    ],
)
def test_the_kit_finds_what_composing_finds(kind: str, component: Any, check: str, words: str) -> None:
    assert words in failures(kind, component)[check]
