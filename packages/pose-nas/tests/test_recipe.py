"""Recipes: read, merged, completed, written and digested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from posenas.contract.errors import PosenasError
from posenas.runs.recipe import (
    ComponentChoice,
    Recipe,
    merge,
    parse_assignment,
    parse_value,
    read_recipe,
    recipe_digest,
    recipe_from_tables,
    recipe_from_text,
    recipe_text,
)

TEXT = """
seed = 3
limits = ["gmacs<=0.3", "parameters<=2e6"]
[space]
name = "ofa"
backbone = "tiny"
[strategy]
candidates = 50
[training]
epochs = 10
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT)
    return path


def assigned(tables: Mapping[str, Any], *texts: str, **flags: Any) -> Recipe:
    return recipe_from_tables(merge(tables, [parse_assignment(text) for text in texts], flags=flags))


def test_what_a_file_leaves_out_has_its_default(file: Path) -> None:
    assert recipe_from_tables(read_recipe(file)) == Recipe(
        space=ComponentChoice("ofa", {"backbone": "tiny"}),
        strategy=ComponentChoice("sandwich", {"candidates": 50}),
        head=ComponentChoice("heatmap"),
        dataset=ComponentChoice("synthetic"),
        evaluator=ComponentChoice("oks"),
        training={"epochs": 10},
        limits=("gmacs<=0.3", "parameters<=2e6"),
        seed=3,
        device="auto",
        precision="auto",
    )
    assert recipe_from_tables({}) == Recipe()


def test_other_defaults_give_way_by_key_and_by_component() -> None:
    defaults = Recipe(
        space=ComponentChoice("evo", {"width": 2, "depth": 3}), training={"epochs": 1, "rate": 0.1}, seed=7
    )
    recipe = recipe_from_tables({"space": {"depth": 4}, "training": {"epochs": 2}}, defaults)
    assert recipe.space == ComponentChoice("evo", {"width": 2, "depth": 4})
    assert (recipe.training, recipe.seed) == ({"epochs": 2, "rate": 0.1}, 7)
    assert recipe_from_tables({"space": {"name": "cnf"}}, defaults).space == ComponentChoice("cnf")


def test_the_file_gives_way_to_flags_and_flags_to_assignments(file: Path) -> None:
    tables = read_recipe(file)
    recipe = assigned(
        tables,
        "strategy.candidates=7",
        "strategy.candidates=8",
        "seed=9",
        "training.rate=0.5",
        seed=4,
        device="cpu",
        precision=None,
        limits=(),
    )
    assert (recipe.seed, recipe.device, recipe.precision) == (9, "cpu", "auto")
    assert recipe.strategy.options == {"candidates": 8}
    assert recipe.training == {"epochs": 10, "rate": 0.5}
    assert recipe.limits == ("gmacs<=0.3", "parameters<=2e6")
    assert tables == read_recipe(file)


@pytest.mark.parametrize("texts", [("space.width=2", "space.name=evo"), ("space.name=evo", "space.width=2")])
def test_another_component_discards_the_options_of_the_file_only(file: Path, texts: tuple[str, ...]) -> None:
    tables = read_recipe(file)
    assert assigned(tables, *texts).space == ComponentChoice("evo", {"width": 2})
    assert assigned(tables, "space.width=2", space="evo").space == ComponentChoice("evo", {"width": 2})
    assert assigned(tables, space="ofa").space == ComponentChoice("ofa", {"backbone": "tiny"})
    assert assigned(tables, strategy="single").strategy == ComponentChoice("single")
    assert assigned(tables, strategy="sandwich").strategy.options == {"candidates": 50}


def test_limits_are_replaced_as_a_whole(file: Path) -> None:
    tables = read_recipe(file)
    assert assigned(tables, limits=("gmacs<=1",)).limits == ("gmacs<=1",)
    assert assigned(tables, "limits=gmacs<=2").limits == ("gmacs<=2",)
    assert assigned(tables, 'limits=["a<=2", "b<=3"]').limits == ("a<=2", "b<=3")
    assert assigned(tables, "limits=[]").limits == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"seed = 0\nspace = [ }\n", r"is not valid TOML: .*line 2, column 11"),
        (b"seed = 0\nspace = [\n", r"is not valid TOML: .*at end of document"),
        (b"seed 0\n", r"is not valid TOML: .*line 1, column 6"),
        (b"seed = 0\nseed = 1\n", r"is not valid TOML: .*line 2"),
        (b"name = '\xff'\n", "is not UTF-8 text"),
        (b"[strateg]\n", "unknown key 'strateg'; did you mean 'strategy'?"),
        (b"limit = []\n", "unknown key 'limit'; did you mean 'limits'?"),
        (b"space = 'ofa'\n", "space is a table, not a single value: give space.name"),
        (b"training = 1\n", "training is a table, not a single value: give training.option"),
        (b"[[head]]\nname = 'x'\n", "head is a table, not a single value"),
        (b"[seed]\nx = 1\n", "seed is a single value, not a table"),
    ],
)
def test_a_wrong_file_is_named_with_the_reason(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_bytes(content)
    with pytest.raises(PosenasError, match=f"^recipe .*wrong.toml.*{problem}") as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PosenasError, match=r"recipe .*absent.toml cannot be read: No such file"):
        read_recipe(tmp_path / "absent.toml")
    with pytest.raises(PosenasError, match="cannot be read: Is a directory"):
        read_recipe(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50", 50),
        ("-1.5e3", -1500.0),
        ("true", True),
        ("True", "True"),
        ("[128, 96]", [128, 96]),
        ("128,96", [128, 96]),
        ("1,", [1]),
        ('"50"', "50"),
        ("{a = 1}", {"a": 1}),
        ("left,right", "left,right"),
        ("some/folder", "some/folder"),
        ("C:\\data", "C:\\data"),
        ("a=b", "a=b"),
        ("2017-01-01", "2017-01-01"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_values_are_toml_or_else_text(text: str, value: object) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "assignment"),
    [
        ("strategy.candidates=50", (("strategy", "candidates"), 50)),
        (" space . backbone = tiny ", (("space", "backbone"), "tiny")),
        ("seed=1", (("seed",), 1)),
        ("limits=gmacs<=0.3", (("limits",), "gmacs<=0.3")),
        ("dataset.root=", (("dataset", "root"), "")),
    ],
)
def test_assignments(text: str, assignment: object) -> None:
    assert parse_assignment(text) == assignment


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("strategy.candidates", "expected table.key=value, such as strategy.candidates=50"),
        ("strategy.=50", "expected table.key=value"),
        ("=50", "expected table.key=value"),
        ("strategie.candidates=50", "unknown key 'strategie'; did you mean 'strategy'?"),
        ("candidates=50", "unknown key 'candidates'; known: augmentation, cost, dataset, deterministic"),
        ("space=evo", "space is a table, not a single value: give space.name"),
        ("seed.x=1", "seed is a single value, not a table"),
    ],
)
def test_wrong_assignments(text: str, problem: str) -> None:
    with pytest.raises(PosenasError) as caught:
        parse_assignment(text)
    assert str(caught.value).startswith(f"--set {text}: {problem}")


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ({"seed": -1}, "seed = -1: expected a whole number, 0 or more"),
        ({"seed": True}, "seed = True"),
        ({"seed": "one"}, "seed = one"),
        ({"limits": [1]}, r"limits = \[1\]: expected a list of text"),
        ({"limits": 1}, "limits = 1: expected a list of text"),
        ({"device": False}, "device = False: expected text"),
        ({"precision": 1.5}, "precision = 1.5: expected text"),
        ({"space": {"name": ""}}, "space.name = '': expected text"),
        ({"space": 3}, "space is a table"),
        ({"training": []}, "training is a table"),
        ({"sead": 3}, "unknown key 'sead'; did you mean 'seed'?"),
        ({"training": {"rate": float("inf")}}, "training.rate = inf: numbers must be finite"),
        ({"head": {"a": [{"b": None}]}}, "head.a.b = None: expected a number"),
    ],
)
def test_values_of_the_wrong_type(tables: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(PosenasError, match=f"^recipe: {problem}"):
        recipe_from_tables(tables)


def test_precision_may_be_written_as_a_number() -> None:
    assert recipe_from_tables({"precision": 32}).precision == "32"


def test_the_layout_of_the_file() -> None:
    recipe = Recipe(space=ComponentChoice("ofa", {"backbone": "tiny"}), limits=("gmacs<=0.3",))
    text = recipe_text(recipe)
    assert text.startswith('schema = 1\nseed = 0\ndevice = "auto"\nprecision = "auto"\nlimits = [')
    assert '[space]\nname = "ofa"\nbackbone = "tiny"\n\n[strategy]\nname = "sandwich"\n' in recipe_text(
        recipe
    )


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
whole = st.integers(-(2**63), 2**63 - 1)
plain = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
options = st.dictionaries(text.filter(lambda key: key != "name"), plain, max_size=3)
choices = st.builds(ComponentChoice, text.filter(bool), options)
recipes = st.builds(
    Recipe,
    space=choices,
    strategy=choices,
    head=choices,
    dataset=choices,
    evaluator=choices,
    training=options,
    augmentation=options,
    evaluation=options,
    limits=st.lists(text).map(tuple),
    seed=st.integers(0, 2**63 - 1),
    device=text.filter(bool),
    precision=text.filter(bool),
)


@settings(max_examples=40, deadline=None)
@given(recipes)
def test_a_written_recipe_reads_back_the_same(recipe: Recipe) -> None:
    again = recipe_from_text(recipe_text(recipe))
    assert again == recipe
    assert recipe_text(again) == recipe_text(recipe)
    assert recipe_digest(again) == recipe_digest(recipe)


def test_the_digest_tells_recipes_apart_and_ignores_order() -> None:
    first = Recipe(training={"epochs": 1, "rate": 0.1})
    assert recipe_digest(first) == recipe_digest(Recipe(training={"rate": 0.1, "epochs": 1}))
    others = [Recipe(), Recipe(seed=1), Recipe(space=ComponentChoice("evo")), Recipe(limits=("a<=1",))]
    digests = {recipe_digest(recipe) for recipe in (first, *others)}
    assert len(digests) == 5
    assert all(len(digest) == 64 for digest in digests)
