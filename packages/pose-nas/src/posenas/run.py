"""A run's directory: the recipe, the journal, weights, checkpoints and results."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posenas import __version__
from posenas.errors import PosenasError
from posenas.files import disk_errors, write_atomically
from posenas.journal import Journal
from posenas.recipe import Recipe, read_recipe, recipe_digest, recipe_from_tables, recipe_text


@dataclass(frozen=True)
class Run:
    """Where everything of one run lies."""

    path: Path

    @property
    def recipe_file(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def journal_file(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @property
    def best(self) -> Path:
        return self.path / "best"

    @property
    def report(self) -> Path:
        return self.path / "report"


def create_run(path: Path, recipe: Recipe) -> Run:
    """The directory with its recipe; one that is there with the same recipe is taken as it is.

    Raises:
        PosenasError: where the directory holds another recipe's run, or something else.
    """
    run = Run(path)
    if run.recipe_file.exists():
        if recipe_digest(open_run(path)[1]) != recipe_digest(recipe):
            raise PosenasError(
                f"{path}: holds a run of another recipe; choose another folder with --run, "
                f"or `posenas resume {path}`"
            )
        return run
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise PosenasError(f"{path}: exists and is not a run; choose another folder with --run")
    write_atomically(run.recipe_file, recipe_text(recipe).encode())
    return run


def open_run(path: Path) -> tuple[Run, Recipe]:
    """Raises PosenasError where there is no run, or its recipe was changed since it began."""
    run = Run(path)
    if not run.recipe_file.exists():
        seeds = sorted(found.parent.name for found in path.glob("seed-*/recipe.toml"))
        hint = f"; it holds the runs of several seeds: {', '.join(seeds)}" if seeds else ""
        raise PosenasError(f"{path}: no run here (no recipe.toml){hint}")
    return run, recipe_from_tables(read_recipe(run.recipe_file))


def open_journal(run: Run, recipe: Recipe) -> Journal:
    """The journal, begun where it is new.

    Raises:
        PosenasError: where it was begun by another recipe.
    """
    journal = Journal(run.journal_file)
    digest = recipe_digest(recipe)
    if not journal.records:
        journal.append("run", "run", inputs={"recipe": digest}, result={"posenas": __version__})
    elif journal.records[0]["key"] != "run":
        raise PosenasError(f"{run.journal_file}: its first line is missing; restore the file or start anew")
    elif journal.records[0]["inputs"]["recipe"] != digest:
        raise PosenasError(
            f"{run.recipe_file}: was changed after the run began; undo the change, or begin a new run with "
            f"`posenas compose --recipe {run.recipe_file}`"
        )
    return journal


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Holds the run for this process; the lock ends with it, however it ends."""
    path = run.path / "lock"
    with disk_errors(path):
        opened = path.open("w")
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PosenasError(
                f"{run.path}: another process is running it; wait for it or stop it"
            ) from error
        yield


def unused_path(parent: Path, stem: str) -> Path:
    """`parent/stem-1`, or the first number that is free."""
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"
