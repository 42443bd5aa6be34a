"""What a training begins with: this run's weights, the recipe's initial ones, or fresh ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from posenas.composing.initial_weights import check_final_weights
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Beginning, Weights, final_init
from posenas.networks.initial_weights import InitialWeights
from posenas.reporting.comparison.origins import training_of
from posenas.runs.journal import Journal
from posenas.runs.recipe import Recipe
from posenas.runs.run import Run
from posenas.searching import resources as resources_module
from posenas.searching.loading import fresh_network
from posenas.standard.strategies.evolution import Evolution
from posenas.standard.strategies.predictor import PredictorSearch
from posenas.standard.strategies.random_search import RandomSearch
from toy_search import SMALL, WIDE, Heard, Still, composed, problem_in, resources_in

STRATEGIES = [RandomSearch, Evolution, PredictorSearch]


def initial_ones(folder: Path) -> InitialWeights:
    """Weights of ones for every tensor of the small network."""
    network = resources_in(folder).composition.build(SMALL)
    tensors = {name: tensor * 0 + 1 for name, tensor in network.state_dict().items()}
    return InitialWeights(folder / "ones", "a digest", tensors)


@pytest.fixture
def with_initial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Changes of a composition that give it initial weights."""
    ones = initial_ones(tmp_path)
    monkeypatch.setattr(resources_module, "load_initial_weights", lambda _init: ones)
    return {"recipe": replace(composed().recipe, init="ones")}


def inputs_of(folder: Path) -> list[Any]:
    """What the journal knows of each training's beginning."""
    records = Journal(Run(folder).journal_file).records
    keys = ("init", "initial")
    return [{key: each["inputs"][key] for key in keys if key in each["inputs"]} for each in records]


def test_fresh_weights_are_those_of_a_recipe_without_initial_ones(
    tmp_path: Path, with_initial: dict[str, Any]
) -> None:
    without = problem_in(tmp_path / "without").train(SMALL, epochs=1)
    problem = problem_in(tmp_path / "with", **with_initial)
    assert problem.train(SMALL, epochs=1, init=Beginning.FRESH) == without, "the same file, bit for bit"
    assert problem.train(SMALL, epochs=1) == problem.train(SMALL, epochs=1, init=Beginning.INITIAL) != without
    assert inputs_of(tmp_path / "with") == [{"init": None}, {"init": None, "initial": "a digest"}]


def test_a_network_begins_with_what_is_asked_for(tmp_path: Path, with_initial: dict[str, Any]) -> None:
    told: list[str] = []
    resources = replace(resources_in(tmp_path, **with_initial), tell_initial=told.append)
    for init in (None, Beginning.INITIAL):
        weights = fresh_network(resources, SMALL, init=init).state_dict().values()
        assert all(bool((tensor == 1).all()) for tensor in weights)
    assert len(told) == 2
    fresh = fresh_network(resources, SMALL, init=Beginning.FRESH)
    assert not all(bool((tensor == 1).all()) for tensor in fresh.state_dict().values())
    assert len(told) == 2


def test_initial_weights_that_nobody_gave_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PosenasError, match="the recipe has none; add --init"):
        problem_in(tmp_path).train(SMALL, epochs=1, init=Beginning.INITIAL)
    chosen = RandomSearch(final_weights="init")
    with pytest.raises(PosenasError, match=r"final_weights=init needs initial weights; add --init FILE"):
        check_final_weights(Recipe(), chosen)
    check_final_weights(Recipe(init="file"), chosen)
    check_final_weights(Recipe(), RandomSearch())


@pytest.mark.parametrize("choice", ["auto", "shared", "fresh", "init"])
def test_a_search_trains_its_winner_from_what_the_option_says(
    tmp_path: Path, with_initial: dict[str, Any], choice: Any
) -> None:
    problem = problem_in(tmp_path / "run", **with_initial)
    strategy = RandomSearch(candidates=1, epochs=1, final_epochs=1, final_weights=choice, weights="auto")
    list(strategy.search(problem))
    shared, *_, last = [each for each in inputs_of(tmp_path / "run") if each]
    assert shared == {"init": None, "initial": "a digest"}
    (file,) = problem._shared
    expected = {"fresh": {"init": None}, "init": shared}
    assert last == expected.get(choice, {"init": file})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_shared_weights_that_there_are_not_are_refused(strategy: Any) -> None:
    with pytest.raises(ValueError, match="final_weights is shared, and with weights=scratch there are none"):
        strategy(weights="scratch", final_weights="shared")
    assert strategy(final_weights="shared").requires() == strategy(weights="shared").requires()


def test_shared_weights_that_do_not_fit_are_told(tmp_path: Path) -> None:
    heard = Heard()
    problem = problem_in(tmp_path, heard)
    learnt = Weights("file", shared=True)
    assert (
        final_init(problem, "shared", learnt=learnt) == final_init(problem, "auto", learnt=learnt) == learnt
    )
    assert final_init(problem, "auto", learnt=None) is None
    assert not heard.warnings
    assert final_init(problem, "shared", learnt=None) is None
    assert heard.warnings == [
        "final_weights=shared: the space derives another network from the winner, which the shared weights "
        "do not fit; its training begins without them"
    ]


def test_a_comparison_trains_as_the_winner_was(tmp_path: Path, with_initial: dict[str, Any]) -> None:
    problem = problem_in(tmp_path / "run", **with_initial)
    journal = Journal(Run(tmp_path / "run").journal_file)
    for init, expected in ((Beginning.FRESH, Beginning.FRESH), (None, Beginning.INITIAL)):
        weights = problem.train(WIDE, epochs=1, init=init)
        journal = Journal(Run(tmp_path / "run").journal_file)
        assert training_of(journal, weights.file).init is expected
    shared = problem.train_shared(Still(), epochs=1)
    weights = problem.train(WIDE, epochs=1, init=shared)
    journal = Journal(Run(tmp_path / "run").journal_file)
    assert training_of(journal, weights.file).init == shared


def test_plans_tell_what_is_trained() -> None:
    space = cast(Any, composed().space)
    plan = RandomSearch(epochs=2, final_epochs=3).trainings(space)
    assert [(each.phase, each.epochs, each.number) for each in plan] == [("shared", 2, 1), ("final", 3, 1)]
    plan = RandomSearch(weights="scratch", candidates=5).trainings(space)
    assert [(each.phase, each.number) for each in plan] == [("candidate", 5), ("final", 1)]
