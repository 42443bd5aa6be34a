"""What is taken where neither a space nor a strategy is named; what is told of absent components."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from posenas.composing import defaults, loading
from posenas.composing.defaults import complete_recipe
from posenas.composing.loading import check_installed
from posenas.composing.plugins import Plugin, offered
from posenas.contract.errors import PosenasError
from posenas.runs.recipe import Recipe, parse_assignment, recipe_from_tables
from posenas.standard.fixed.space import FixedSpace


def core_alone(kinds: Sequence[str]) -> tuple[Plugin, ...]:
    return tuple(plugin for plugin in offered(tuple(kinds)) if plugin.distribution == "pose-nas")


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "offered", core_alone)
    monkeypatch.setattr(defaults, "find_plugin", lambda *_: None)


def completed(*assignments: str, **flags: str) -> tuple[Recipe, str]:
    return complete_recipe({}, [parse_assignment(text) for text in assignments], flags=flags)


def test_the_usual_defaults_where_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "find_plugin", lambda *_: object())
    assert completed("seed=3") == (recipe_from_tables({"seed": 3}), "")


@pytest.mark.usefixtures("without_packages")
def test_the_core_alone_trains_a_network_of_its_own() -> None:
    recipe, note = completed("strategy.epochs=2", "space.width=0.5")
    assert recipe.space.name == "fixed"
    assert recipe.strategy.name == "single"
    assert recipe.strategy.options == {"genotype": {"name": "mobilenetv2"}, "epochs": 2}
    FixedSpace(**recipe.space.options).build(recipe.strategy.options["genotype"])
    assert "space ofa is not installed (pip install pose-nas[ofa])" in note


@pytest.mark.usefixtures("without_packages")
@pytest.mark.parametrize("flags", [{"space": "evo"}, {"strategy": "random"}, {"space": "ofa"}])
def test_what_is_named_is_kept(flags: dict[str, str]) -> None:
    recipe, note = completed(**flags)
    assert recipe == recipe_from_tables({kind: {"name": name} for kind, name in flags.items()})
    assert not note


@pytest.mark.usefixtures("without_packages")
def test_all_absent_components_are_named_at_once() -> None:
    choices = [("space", "cnf"), ("strategy", "sandwich"), ("head", "heatmap"), ("dataset", "wbh")]
    with pytest.raises(PosenasError) as caught:
        check_installed(choices)
    assert str(caught.value) == (
        "space cnf, strategy sandwich and dataset wbh are not installed: "
        "pip install pose-nas[cnf,ofa,wholebody]"
    )
    check_installed([("space", "fixed"), ("head", "misspelt")])  # which loading tells of
