"""What a space is made for, taken into a recipe where that leaves it open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from posenas.composing.checks.conformity import blamed, refuse
from posenas.composing.loading import load
from posenas.composing.options import describe_options
from posenas.composing.plugins import Owner
from posenas.contract.components import SearchSpace, Tailored
from posenas.contract.made_for import MadeFor
from posenas.learning.settings import TrainingSettings
from posenas.runs.recipe import ComponentChoice, Recipe


@dataclass(frozen=True)
class TailoredRecipe:
    """A recipe with the settings that its space is made for.

    Attributes:
        made_for: the settings of the published networks; None where they are for another head, or none are.
        told: what was taken, in a sentence; empty where nothing was.
    """

    recipe: Recipe
    made_for: MadeFor | None = None
    told: str = ""


def tailored(
    recipe: Recipe, space: SearchSpace, *, tables: Sequence[str] = ("head", "dataset", "training")
) -> TailoredRecipe:
    """Return the recipe with what its space is made for, where the recipe leaves it open.

    Args:
        recipe: names the components.
        space: the recipe's.
        tables: those that something is taken for.

    Raises:
        PosenasError: where the space names options that there are not; it names the plugin.
    """
    made = made_for(space, owner=Owner("space", recipe.space.name))
    if made is None or made.head["name"] != recipe.head.own_name:
        return TailoredRecipe(recipe)
    is_meant = made.dataset.get("name") == recipe.dataset.own_name
    open_ones = {
        "head": _left_open(_options(made.head), recipe.head.options),
        "dataset": _left_open(_options(made.dataset), recipe.dataset.options) if is_meant else {},
        "training": {} if "optimizer" in recipe.training else _left_open(made.training, recipe.training),
    }
    used = {table: values if table in tables else {} for table, values in open_ones.items()}
    taken = [
        f"{table}.{name}={_spelled(value)}"
        for table, values in used.items()
        for name, value in values.items()
    ]
    filled = replace(
        recipe,
        head=ComponentChoice(recipe.head.name, {**recipe.head.options, **used["head"]}),
        dataset=ComponentChoice(recipe.dataset.name, {**recipe.dataset.options, **used["dataset"]}),
        training={**recipe.training, **used["training"]},
    )
    told = f"taken, since space {recipe.space.name} is made for it: {', '.join(taken)}; -o sets another value"
    return TailoredRecipe(filled, made, told if taken else "")


def made_for(space: SearchSpace, *, owner: Owner) -> MadeFor | None:
    """Return what a space is made for, once its options are known to exist; None where it does not say.

    Raises:
        PosenasError: where they do not.
    """
    if not isinstance(space, Tailored):
        return None
    with blamed(owner, "made_for"):
        made = space.made_for()
    if made is None:
        return None
    refuse(owner, _problem(made))
    return made


def _problem(made: object) -> str:
    """Return what is wrong with the answer of `made_for`, in words; empty where nothing is."""
    if not isinstance(made, MadeFor):
        return f"made_for gives {type(made).__name__}, expected posenas.MadeFor or None"
    if "name" not in made.head:
        return "made_for gives a head without its name"
    given = {"head": _options(made.head), "training": made.training, "dataset": _options(made.dataset)}
    for table, options in given.items():
        component = getattr(made, table)
        kind = (
            TrainingSettings if table == "training" else load(table, component["name"]) if component else None
        )
        unknown = sorted(options.keys() - {option.name for option in describe_options(kind)} if kind else ())
        if unknown:
            return f"made_for gives {table}.{unknown[0]}, which there is not"
    return ""


def _options(component: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in component.items() if name != "name"}


def _left_open(made: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made.items() if name not in given}


def _spelled(value: object) -> str:
    """Return a value in a few words, such as 256x192."""
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
