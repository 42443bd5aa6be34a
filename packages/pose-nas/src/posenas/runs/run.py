"""The folder of a run: its recipe, journal, weights, checkpoints and results."""

from __future__ import annotations

import fcntl
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from posenas.contract.errors import PosenasError
from posenas.runs.chain import read_first_record
from posenas.runs.files import disk_errors, partial, write_atomically
from posenas.runs.journal import Journal, effect_key
from posenas.runs.provenance import Accepted, Provenance
from posenas.runs.recipe import Recipe, read_recipe, recipe_digest, recipe_from_tables, recipe_text

BEGUN, ACCEPTED = "run", "changes accepted"
"""The journal's names of a run's beginning, and of going on with other data or code."""

LOCK = "lock"
_TOLD = 3

OWN_CACHE = Path("cache")
"""The place of a run's own cache, in its folder."""


@dataclass(frozen=True)
class Run:
    """The place of everything of one run.

    Attributes:
        path: the run's folder.
        cache: the folder of decoded images and crops that need not be made again, relative to the run's; None
            where none are kept. It is no part of what the run computes.
    """

    path: Path
    cache: Path | None = OWN_CACHE

    @property
    def recipe_file(self) -> Path:
        """The file of the recipe that the run follows."""
        return self.path / "recipe.toml"

    @property
    def journal_file(self) -> Path:
        """The file of the journal."""
        return self.path / "journal.jsonl"

    @property
    def weights(self) -> Path:
        """The folder of weights, each file named by its content."""
        return self.path / "weights"

    @property
    def checkpoints(self) -> Path:
        """The folder of the trainings' and candidates' states, to go on with after an interruption."""
        return self.path / "checkpoints"

    @property
    def cache_folder(self) -> Path | None:
        """The folder of decoded images and crops; None where none are kept."""
        return None if self.cache is None else self.path / self.cache

    @property
    def predictions(self) -> Path:
        """The folder of predictions, each file named by its content."""
        return self.path / "predictions"

    @property
    def best(self) -> Path:
        """The folder of the answer: its weights and what is needed to use them."""
        return self.path / "best"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.path / "report"


def remove_own_cache(run: Run) -> None:
    """Remove the decoded images and crops in the folder of a finished run; a folder elsewhere stays."""
    shutil.rmtree(run.path / OWN_CACHE, ignore_errors=True)  # what stays harms nobody: the run is complete


def create_run(path: Path, recipe: Recipe) -> Run:
    """Return the run in a folder with this recipe; a folder with the same recipe is taken as it is.

    Raises:
        PosenasError: if the folder holds another recipe's run, or something else.
    """
    run = Run(path)
    if run.recipe_file.exists():
        if recipe_digest(open_run(path)[1]) != recipe_digest(recipe):
            raise PosenasError(
                f"{path}: holds a run of another recipe; choose another folder, or continue that one with "
                f"`{shlex.join(('posenas', 'resume', str(path)))}`"
            )
        return run
    if path.exists() and (not path.is_dir() or not _is_unused(run)):
        raise PosenasError(f"{path}: exists and is not a run; choose another folder")
    write_atomically(run.recipe_file, recipe_text(recipe).encode())
    return run


def _is_unused(run: Run) -> bool:
    """Return whether the folder is empty, but for what is left if the writing of the recipe was killed."""
    left = {partial(run.recipe_file).name, LOCK}
    return all(file.name in left for file in run.path.iterdir())


def open_run(path: Path) -> tuple[Run, Recipe]:
    """Return the run in a folder, and its recipe.

    Raises:
        PosenasError: if there is no run, or its recipe was changed since it began.
    """
    run = Run(path)
    if not run.recipe_file.exists():
        seeds = sorted(found.parent.name for found in path.glob("seed-*/recipe.toml"))
        hint = f"; it holds the runs of several seeds: {', '.join(seeds)}" if seeds else ""
        raise PosenasError(f"{path}: no run here (no recipe.toml){hint}")
    recipe = recipe_from_tables(read_recipe(run.recipe_file))
    begun_with = _recipe_at_the_beginning(run)
    if begun_with is not None and begun_with != recipe_digest(recipe):
        raise PosenasError(
            f"{run.recipe_file}: was changed after the run began; undo the change, or begin a new run with "
            f"`posenas compose --recipe {run.recipe_file}`"
        )
    return run, recipe


def _recipe_at_the_beginning(run: Run) -> str | None:
    """Return the digest of the recipe that the run began with; None if the journal does not tell."""
    try:
        first = read_first_record(run.journal_file)
    except PosenasError:  # which everybody who goes on with the journal is told
        return None
    return None if first is None or first.get("key") != BEGUN else str(first["inputs"]["recipe"])


def open_journal(
    run: Run,
    recipe: Recipe,
    now: Provenance,
    *,
    warn: Callable[[str], None],
    accept_changes: bool = False,
) -> Journal:
    """Return the run's journal, begun if it is new. Its first line notes what the run computes on.

    Args:
        run: the run.
        recipe: the run's recipe, noted in the first line.
        now: what the run computes on.
        warn: told if the machine is another one, or if changes are accepted.
        accept_changes: whether to go on with other data or code than before, and to note that.

    Raises:
        PosenasError: if the journal is damaged or lost, or data or code are not those of before.
    """
    journal = Journal(run.journal_file)
    if journal.records:
        _go_on(run, journal, now, warn=warn, accept_changes=accept_changes)
        return journal
    _check_nothing_is_there(run)
    inputs = {"recipe": recipe_digest(recipe)}
    journal.append(BEGUN, BEGUN, inputs=inputs, result=now.as_dict())
    return journal


def _go_on(
    run: Run, journal: Journal, now: Provenance, *, warn: Callable[[str], None], accept_changes: bool
) -> None:
    """Compare what the run computes on now with what it computed on last."""
    noted = [record["result"] for record in journal.records if record["effect"] in (BEGUN, ACCEPTED)]
    before = Provenance(**noted[-1])
    changes, moves = before.changes(now), before.moves(now)
    if changes and not accept_changes:
        raise PosenasError(
            f"{run.path}: changed since the run began: {_first(changes)}; undo that, or continue anyway "
            "with --accept-changes (the report will say so)"
        )
    if moves:
        warn(
            f"the run goes on with another machine or environment: {_first(moves)}: results may differ a "
            "little from now on"
        )
    if changes:
        warn(f"the run goes on with what changed since it began: {_first(changes)}")
        inputs = asdict(Accepted(steps=len(journal.records) - 1, changes=changes))
        journal.append(ACCEPTED, effect_key(ACCEPTED, inputs), inputs=inputs, result=now.as_dict())


def _first(texts: Sequence[str]) -> str:
    """Return the first few texts, in one line."""
    more = f" and {len(texts) - _TOLD} more" if len(texts) > _TOLD else ""
    return ", ".join(texts[:_TOLD]) + more


def _check_nothing_is_there(run: Run) -> None:
    """Refuse a run whose journal is gone: everything else was written after its first line.

    Raises:
        PosenasError: if anything else of the run is there.
    """
    written = (run.weights, run.checkpoints, run.predictions, run.best, *run.path.glob("trials.json*"))
    for path in written:
        if path.exists():
            raise PosenasError(
                f"{run.journal_file}: is empty or gone, and {path} is of this run; restore the journal, or "
                f"begin a new run with `posenas compose --recipe {run.recipe_file}`"
            )


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Hold the run for this process; the lock ends with the process, however that ends.

    Raises:
        PosenasError: if another process holds it, or the lock cannot be written.
    """
    path = run.path / LOCK
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


def new_path(recipe: Recipe) -> Path:
    """Return an unused folder in `runs` for a new run, named after space, strategy and dataset."""
    chosen = (recipe.space, recipe.strategy, recipe.dataset)
    return unused_path(Path("runs"), "-".join(choice.own_name for choice in chosen))


def unused_path(parent: Path, stem: str) -> Path:
    """Return `parent/stem-1`, or the same with the first number that is free."""
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"
