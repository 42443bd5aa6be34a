"""What a space is made for fills what a recipe leaves open, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from posenas.composing.tailoring import tailored
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Dimension, Genotype
from posenas.contract.made_for import MadeFor
from posenas.runs.recipe import ComponentChoice, Recipe

LARGE = MadeFor(
    head={"name": "heatmap", "input_size": (256, 192), "sigma": 2.0},
    training={"optimizer": "adam", "learning_rate": 1e-3},
)


@dataclass(frozen=True)
class Space:
    answer: Any = LARGE

    def dimensions(self) -> Mapping[str, Dimension]:
        return {}

    def sample(self, _rng: Random) -> Genotype:
        return {}

    def build(self, genotype: Genotype) -> Any:
        raise NotImplementedError

    def made_for(self) -> MadeFor | None:
        return self.answer  # type: ignore[no-any-return]


def recipe(**tables: Any) -> Recipe:
    head = tables.pop("head", {})
    name = tables.pop("name", "heatmap")
    return Recipe(space=ComponentChoice("toy"), head=ComponentChoice(name, head), **tables)


def test_what_is_left_open_is_taken_and_told() -> None:
    found = tailored(recipe(), Space())
    assert found.recipe.head.options == {"input_size": (256, 192), "sigma": 2.0}
    assert found.recipe.training == LARGE.training
    assert found.made_for == LARGE
    assert found.told == (
        "taken, since space toy is made for it: head.input_size=256x192, head.sigma=2.0, "
        "training.optimizer=adam, training.learning_rate=0.001; -o sets another value"
    )


def test_tables_that_are_not_used_are_neither_taken_nor_told() -> None:
    found = tailored(recipe(), Space(), tables=("head",))
    assert found.recipe.head.options == {"input_size": (256, 192), "sigma": 2.0}
    assert not found.recipe.training
    assert found.told.endswith("made for it: head.input_size=256x192, head.sigma=2.0; -o sets another value")


def test_what_the_recipe_says_stays() -> None:
    found = tailored(recipe(head={"sigma": 1.5}, training={"learning_rate": 0.1}), Space())
    assert found.recipe.head.options == {"input_size": (256, 192), "sigma": 1.5}
    assert found.recipe.training == {"learning_rate": 0.1, "optimizer": "adam"}


def test_another_optimizer_takes_no_settings_of_the_training() -> None:
    assert tailored(recipe(training={"optimizer": "adamw"}), Space()).recipe.training == {
        "optimizer": "adamw"
    }


def test_a_recipe_that_says_everything_takes_nothing() -> None:
    complete = recipe(head={"input_size": [64, 64], "sigma": 1.0}, training=dict(LARGE.training))
    found = tailored(complete, Space())
    assert (found.recipe, found.told) == (complete, "")


def test_another_head_and_a_small_space_take_nothing() -> None:
    for asked, space in ((recipe(name="zoom"), Space()), (recipe(), Space(None))):
        found = tailored(asked, space)
        assert (found.recipe, found.made_for, found.told) == (asked, None, "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"sigma": 2.0}, "made_for gives dict, expected posenas.MadeFor or None"),
        (MadeFor(head={"sigma": 2.0}), "made_for gives a head without its name"),
        (MadeFor(head={"name": "heatmap", "sgima": 2.0}), "made_for gives head.sgima, which there is not"),
        (MadeFor(LARGE.head, training={"rate": 1}), "made_for gives training.rate, which there is not"),
    ],
)
def test_what_no_recipe_takes_is_refused(answer: Any, words: str) -> None:
    with pytest.raises(PosenasError, match=words):
        tailored(recipe(), Space(answer))
