"""Checks of a recipe's data: its folder, its splits, and the first image of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posenas.cli.doctor.finding import Finding
from posenas.contract.errors import PosenasError
from posenas.contract.samples import UnreadableImageError

if TYPE_CHECKING:
    from posenas.contract.components import Dataset

AREA = "data"


def check_data(*, recipe: Path | None, dataset: str | None, assignments: Sequence[str]) -> Iterator[Finding]:
    """Yield one finding for each split of the recipe's dataset, or one that says that none was checked.

    Args:
        recipe: the recipe's file; None for a recipe of the other two alone.
        dataset: name of a dataset, in place of the recipe's.
        assignments: texts such as `dataset.root=FOLDER`, which win over the recipe.

    Raises:
        PosenasError: where the recipe cannot be read, or names a dataset that does not exist.
    """
    from posenas.composing.loading import load
    from posenas.composing.options import make_component
    from posenas.runs.recipe import merge, parse_assignment, read_recipe, recipe_from_tables

    if recipe is None and dataset is None and not assignments:
        yield Finding(
            AREA,
            "ok",
            "none checked; --recipe FILE, or --dataset NAME with -o dataset.root=FOLDER, says which to check",
        )
        return
    tables = read_recipe(recipe) if recipe is not None else {}
    assigned = [parse_assignment(text) for text in assignments]
    choice = recipe_from_tables(merge(tables, assigned, flags={"dataset": dataset})).dataset
    where = f"dataset {choice.name}"
    chosen: Dataset = make_component(load("dataset", choice.name), choice.options, where=where)
    for split in chosen.splits():
        yield _split(chosen, split, where=where)


def _split(dataset: Dataset, name: str, *, where: str) -> Finding:
    try:
        samples = dataset.split(name)
    except PosenasError as error:
        return Finding(AREA, "mend", f"{where}, split {name}: {error}")
    if not samples:
        return Finding(AREA, "mend", f"{where}, split {name}: no images", dataset.instructions())
    first = samples[0].source
    try:
        height, width, _ = first.read().shape
    except UnreadableImageError as error:
        remedy = "restore the file; `posenas data check` looks for others"
        return Finding(
            AREA, "mend", f"{where}, split {name}: its first image cannot be read: {error}", remedy
        )
    return Finding(
        AREA, "ok", f"{where}, split {name}: {len(samples)} images, the first {width} x {height} ({first})"
    )
