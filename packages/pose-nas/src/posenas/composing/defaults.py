"""The recipe of what is named, and what is taken where neither a space nor a strategy is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from posenas.composing.distributions import CORE
from posenas.composing.loading import KNOWN_EXTRAS
from posenas.composing.plugins import find_plugin
from posenas.runs.recipe import DEFAULTS, ComponentChoice, Recipe, merge, recipe_from_tables

CORE_ALONE = replace(
    DEFAULTS,
    space=ComponentChoice("fixed"),
    strategy=ComponentChoice("single", {"genotype": {"name": "mobilenetv2"}}),
)
"""The defaults where the default space is not installed: one hand-made network is trained."""


def complete_recipe(
    tables: Mapping[str, Any],
    assignments: Iterable[tuple[tuple[str, ...], Any]],
    *,
    flags: Mapping[str, Any],
) -> tuple[Recipe, str]:
    """Return the recipe of a file, flags and assignments, and a note where its defaults are the core's own.

    The note is empty else.

    Args:
        tables: of a recipe file.
        assignments: as `parse_assignment` gives them; the last one wins.
        flags: by the recipe's keys; None and () are flags not given.

    Raises:
        PosenasError: for an unknown key, or a value of the wrong type.
    """
    parsed = list(assignments)
    alone = merge(tables, parsed, flags=flags, defaults=CORE_ALONE)
    usual = merge(tables, parsed, flags=flags)
    if not _leaves_open(alone, usual) or find_plugin("space", DEFAULTS.space.name):
        return recipe_from_tables(usual), ""
    space = DEFAULTS.space.name
    extra = KNOWN_EXTRAS["space", space]
    return recipe_from_tables(alone, CORE_ALONE), (
        f"space {space} is not installed (pip install {CORE}[{extra}]), so nothing is searched: "
        f"{CORE_ALONE.strategy.options['genotype']['name']} of space {CORE_ALONE.space.name} is trained"
    )


def _leaves_open(alone: Mapping[str, Any], usual: Mapping[str, Any]) -> bool:
    """Return whether neither space nor strategy is named, judged by two sets of defaults."""
    return all(alone[kind]["name"] != usual[kind]["name"] for kind in ("space", "strategy"))
