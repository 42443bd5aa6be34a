"""Locks: one TOML file with everything that is needed to repeat a run and to judge the repetition.

schema = 1

[recipe]                   # as in recipe.toml, every option spelled out
[computed_on.data]         # digests of the annotations and the image files, with counts
[computed_on.code]         # versions of posenas, of torch and of the plugins' packages
[computed_on.machine]      # device, precision, threads, instructions; processes where there were several
[computed_on.environment]  # Python, the processor, and the packages below
[[outcome]]                # what a run ended with, one for each seed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomli_w

from posenas.contract.errors import PosenasError
from posenas.contract.migrations import LOCK, RECIPE
from posenas.contract.records import check_record
from posenas.runs.files import disk_errors, write_atomically
from posenas.runs.provenance import Provenance
from posenas.runs.recipe import Recipe, current_tables, read_toml, recipe_from_tables, recipe_tables


@dataclass(frozen=True)
class Outcome:
    """What a run ended with.

    Attributes:
        seed: of the run.
        genotype: the winner's id.
        weights: SHA-256 of the file of the winner's weights.
        predictions: SHA-256 of the file of the winner's predictions.
        steps: of each step of the search its name and a digest of the journal's record, such as
            `train 8a73b0c1d2e3f405`; without what is measured, such as a latency.
        metrics: the winner's, by name.
        costs: the winner's, by name.
    """

    seed: int
    genotype: str
    weights: str
    predictions: str
    steps: tuple[str, ...]
    metrics: Mapping[str, float]
    costs: Mapping[str, float]

    @property
    def figures(self) -> dict[str, float]:
        """The winner's metrics and costs by name."""
        return {**self.metrics, **self.costs}


@dataclass(frozen=True)
class Lock:
    """What is needed to repeat a run, and to judge the repetition.

    Attributes:
        recipe: of the run; of several seeds that of the first.
        computed_on: the data, the code and the machine of the run.
        outcomes: one for each seed, in their order; at least one.
    """

    recipe: Recipe
    computed_on: Provenance
    outcomes: tuple[Outcome, ...]


def write_lock(path: Path, lock: Lock) -> bool:
    """Write a lock to a new file, and return True; return False where the file is there and holds just that.

    Raises:
        PosenasError: if anything else is there, or the file cannot be written.
    """
    tables = {
        "recipe": RECIPE.written(recipe_tables(lock.recipe)),
        "computed_on": lock.computed_on.as_dict(),
        "outcome": [asdict(outcome) for outcome in lock.outcomes],
    }
    content = tomli_w.dumps(LOCK.written(tables)).encode()
    with disk_errors(path):
        there = path.exists()
        if there and path.is_file() and path.read_bytes() == content:
            return False
    if there:
        raise PosenasError(f"{path}: exists already; choose another --output, or delete it")
    write_atomically(path, content)
    return True


def read_lock(path: Path) -> Lock:
    """Return the lock of a file, of any version up to this posenas's.

    Raises:
        PosenasError: if it cannot be read, is no lock, has no outcome of its recipe's seed, or is a newer
            posenas's; it names the file.
    """
    what = f"lock {path}"
    try:
        tables = LOCK.read(read_toml(path, what))
        check_record(_Tables, tables)
        if not tables["outcome"]:
            raise ValueError("it holds no outcome")
        recipe = recipe_from_tables(current_tables(tables["recipe"], f"{what}, table [recipe]"))
        outcomes = tuple(map(_outcome, tables["outcome"]))
        if recipe.seed not in {outcome.seed for outcome in outcomes}:
            raise ValueError(f"[recipe] has seed = {recipe.seed}, and no [[outcome]] has that seed")
        return Lock(recipe, Provenance(**tables["computed_on"]), outcomes)
    except (TypeError, ValueError) as error:
        raise PosenasError(f"{what} cannot be used: {error}; write it anew with `posenas lock RUN`") from None


@dataclass(frozen=True)
class _Tables:
    """The tables of a lock's file, to check their types."""

    recipe: dict[str, Any]
    computed_on: Provenance
    outcome: list[Outcome]


def _outcome(table: Mapping[str, Any]) -> Outcome:
    return Outcome(**{**table, "steps": tuple(table["steps"])})
