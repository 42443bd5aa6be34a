"""A recipe with comments reads back as the same recipe, and its comments say what is unusual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from annotated_types import Gt
from hypothesis import given, settings, strategies as st
from posenas.composing.explained import explained_recipe, with_comments
from posenas.learning.inference import EvaluationSettings
from posenas.learning.settings import TrainingSettings
from posenas.runs.recipe import COMPONENT_KINDS, ComponentChoice, Recipe, recipe_from_text
from toy_search import KEYPOINTS, Strategy, composed


@dataclass(frozen=True)
class Searching:
    """Search for a while.

    This paragraph is not told.
    """

    epochs: Annotated[int, "passes over\nthe people \x1b", Gt(0)] = 3
    genotype: Annotated[Mapping[str, Any], "one value for each dimension"] = field(default_factory=dict)
    word: Annotated[str, "any text"] = ""


KINDS: Mapping[str, Any] = {
    **dict.fromkeys(COMPONENT_KINDS, Searching),
    "training": TrainingSettings,
    "augmentation": Searching,
    "evaluation": EvaluationSettings,
    "latency": Searching,
    "cost.noise": Searching,
}


def written(recipe: Recipe, **told: list[str]) -> str:
    return with_comments(recipe, KINDS, told=told)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5)
GENOTYPES = st.dictionaries(TEXTS, VALUES, max_size=3)


@given(genotype=GENOTYPES, word=TEXTS, init=TEXTS, rate=st.floats(1e-30, 1e30), limits=st.lists(TEXTS))
@settings(max_examples=30, deadline=None)
def test_it_reads_back_as_the_same_recipe(
    genotype: dict[str, Any], word: str, init: str, rate: float, limits: list[str]
) -> None:
    recipe = Recipe(
        strategy=ComponentChoice("mine", {"genotype": genotype, "word": word, "epochs": 3}),
        training={"learning_rate": rate, "final": {"learning_rate": rate / 2}},
        latency={"genotype": genotype},
        cost={"noise": {"word": word}},
        limits=tuple(limits),
        init=init,
    )
    text = written(recipe, strategy=[word])
    assert recipe_from_text(text) == recipe
    assert text == written(recipe_from_text(text), strategy=[word])


def test_every_line_is_explained() -> None:
    recipe = Recipe(
        strategy=ComponentChoice("mine", {"epochs": 5, "word": ""}),
        training={"batch_size": 16, "final": {"batch_size": 8}},
        seed=7,
    )
    assert """
# everything random derives from it
seed = 7  # differs from the default, 0
""" in written(recipe)
    assert """
# Search for a while.
# It is Monday.
[strategy]
name = "mine"

# passes over the people \\x1b (int, > 0)
epochs = 5  # differs from the default, 3

# any text (text)
word = ""

""" in written(recipe, strategy=["It is Monday."])
    assert """
# people in a batch, or whole images (int, >= 1)
batch_size = 16

# What differs in phase final
[training.final]

# people in a batch, or whole images (int, >= 1)
batch_size = 8  # differs from [training], 16
""" in written(recipe)


def test_it_tells_what_the_data_are_like() -> None:
    unpaired = replace(KEYPOINTS, unpaired=("left", "right"))
    text = explained_recipe(composed(strategy=Strategy(None), keypoints=unpaired))
    assert "\n# It has 2 keypoints: left, right.\n[dataset]" in text
    assert "\n# Its keypoints know no left and right, so nothing is mirrored.\n[evaluation]" in text
    told = text[text.index("# A view of 16x16") : text.index("[head]")].replace("\n# ", " ")
    assert "boxes are higher than 8 and half are wider than 8 pixels" in told
