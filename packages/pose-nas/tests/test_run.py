"""A run's folder: how it begins, and what is told where a part of it is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.computed_on import provenance_of
from posenas.contract.errors import PosenasError
from posenas.runs.files import write_atomically
from posenas.runs.provenance import Provenance
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run, locked, open_journal, open_run


@pytest.fixture(scope="module")
def composition() -> Composition:
    recipe = Recipe(
        space=ComponentChoice("fixed", {"width": 0.125}),
        strategy=ComponentChoice("random"),
        dataset=ComponentChoice("synthetic", {"train_images": 4, "val_images": 2}),
    )
    return compose(recipe)


def test_a_folder_that_a_kill_left_before_there_was_a_recipe_is_taken(
    tmp_path: Path, composition: Composition
) -> None:
    for names in ((), ("recipe.toml.partial",), ("recipe.toml.partial", "lock")):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        for name in names:
            (folder / name).write_text("half a rec")
        run = create_run(folder, composition.recipe)
        with locked(run):
            open_journal(run, composition.recipe, provenance_of(composition), warn=print)
        assert open_run(folder)[1] == composition.recipe
        assert not (folder / "recipe.toml.partial").exists()


def test_a_folder_with_anything_else_is_not_taken(tmp_path: Path, composition: Composition) -> None:
    (tmp_path / "thesis.partial").touch()
    with pytest.raises(PosenasError, match=r"exists and is not a run; choose another folder$"):
        create_run(tmp_path, composition.recipe)
    other = create_run(tmp_path / "run of mine", replace(composition.recipe, seed=1)).path
    with pytest.raises(PosenasError, match=r"choose another folder, or .*`posenas resume '.*run of mine'`$"):
        create_run(other, composition.recipe)


@pytest.mark.parametrize("left", ["weights/a", "checkpoints/b", "predictions/c", "best/d", "trials.jsonl"])
@pytest.mark.parametrize("content", [b"", b'{"half a l', None])
def test_a_run_whose_journal_is_gone_is_no_new_run(
    tmp_path: Path, composition: Composition, left: str, content: bytes | None
) -> None:
    run = create_run(tmp_path / "run", composition.recipe)
    write_atomically(run.path / left, b"")
    if content is not None:
        run.journal_file.write_bytes(content)
    with pytest.raises(PosenasError, match=r"journal\.jsonl: is empty or gone.*compose --recipe"):
        open_journal(run, composition.recipe, provenance_of(composition), warn=print)


def test_a_recipe_that_was_edited_is_told_by_every_command(tmp_path: Path, composition: Composition) -> None:
    run = create_run(tmp_path / "run", composition.recipe)
    open_journal(run, composition.recipe, provenance_of(composition), warn=print)
    run.recipe_file.write_text(run.recipe_file.read_text().replace("seed = 0", "seed = 1", 1))
    with pytest.raises(PosenasError, match=r"recipe\.toml: was changed after the run began"):
        open_run(run.path)


def test_another_environment_is_told_where_one_was_noted(tmp_path: Path, composition: Composition) -> None:
    now = Provenance({}, {}, {}, {"numpy": "2.5"})
    for number, environment in enumerate(({"numpy": "2.4"}, {"numpy": "2.5"}, {})):
        run = create_run(tmp_path / str(number), composition.recipe)
        told: list[str] = []
        open_journal(run, composition.recipe, Provenance({}, {}, {}, environment), warn=told.append)
        open_journal(run, composition.recipe, now, warn=told.append)
        assert len(told) == (number == 0)
        assert all("numpy (2.4, now 2.5): results may differ" in text for text in told)
