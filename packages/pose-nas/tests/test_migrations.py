"""The versions of files: what older ones become, and what is said of newer ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from posenas.composing.compose import compose
from posenas.composing.named_networks import find_network
from posenas.contract.errors import PosenasError
from posenas.contract.migrations import GENOTYPE, RECIPE, Format
from posenas.contract.trial import Trial, trial_from_dict
from posenas.runs.events import Events
from posenas.runs.recipe import Recipe, read_recipe, recipe_from_tables, recipe_text
from posenas.runs.run import open_run
from posenas.searching.search import search

UNVERSIONED = Path(__file__).parent / "unversioned_run"
"""A run that was killed after its first candidate, from before files said their version."""


def renamed(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"broad" if key == "wide" else key: value for key, value in data.items()}


def doubled(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "broad": 2 * data["broad"]}


TOY = Format("toy", (renamed, doubled))


@pytest.mark.parametrize(
    "content",
    [{"wide": 2}, {"schema": 1, "wide": 2}, {"schema": 2, "broad": 2}, {"schema": 3, "broad": 4}],
)
def test_each_version_becomes_the_newest(content: dict[str, Any]) -> None:
    assert TOY.read(content) == {"broad": 4}
    assert TOY.written(TOY.read(content)) == {"schema": 3, "broad": 4}


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        (4, "schema = 4: a toy of a newer posenas; this one reads up to version 3"),
        (0, "schema = 0: expected a whole number, 1 or more"),
        ("1", "schema = '1': expected a whole number"),
        (True, "schema = True: expected a whole number"),
    ],
)
def test_other_versions_are_refused(version: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TOY.read({"schema": version})


def test_recipes_say_their_version_and_those_that_do_not_are_read(tmp_path: Path) -> None:
    text = recipe_text(Recipe(seed=3))
    (first, _, rest), file = text.partition("\n"), tmp_path / "recipe.toml"
    assert first == f"schema = {RECIPE.version}"
    for content in (text, rest):
        file.write_text(content)
        assert recipe_from_tables(read_recipe(file)) == Recipe(seed=3)
    file.write_text(f"schema = {RECIPE.version + 1}\nseed = 3\n")
    with pytest.raises(PosenasError, match=r"recipe\.toml: schema = \d+: a recipe of a newer posenas"):
        read_recipe(file)


def test_genotypes_of_both_versions_are_networks(tmp_path: Path) -> None:
    file = tmp_path / "genotype.json"
    for content in ({"name": "mobilenetv2"}, GENOTYPE.written({"genotype": {"name": "mobilenetv2"}})):
        file.write_text(json.dumps(content))
        assert find_network(str(file), space="fixed").genotype == {"name": "mobilenetv2"}
    for wrong, complaint in (({"schema": 2, "name": "a"}, "holds no genotype"), ({"schema": 9}, "newer")):
        file.write_text(json.dumps(wrong))
        with pytest.raises(PosenasError, match=rf"genotype\.json: not a genotype's JSON file.*{complaint}"):
            find_network(str(file), space="fixed")


def test_a_newer_trial_is_refused() -> None:
    record = Trial({}, stage="final", split="val", metrics={}, costs={}).as_dict()
    with pytest.raises(ValueError, match="a trial of a newer posenas"):
        trial_from_dict({**record, "schema": 9})


def test_a_run_from_before_there_were_versions_goes_on(tmp_path: Path) -> None:
    """Its keys are still those that are asked for: the first candidate is not trained again."""
    shutil.copytree(UNVERSIONED, tmp_path / "run")
    run, recipe = open_run(tmp_path / "run")
    before = run.journal_file.read_bytes()
    events = Events({}, complain=lambda _message: None)
    outcome = search(compose(recipe), run, events=events, accept_changes=True)
    assert run.journal_file.read_bytes().startswith(before)
    effects = [json.loads(line)["effect"] for line in run.journal_file.read_text().splitlines()]
    assert [name for name in effects[3:] if name != "changes accepted"] == ["train", "evaluate"] * 2
    assert len(outcome.trials) == 3
