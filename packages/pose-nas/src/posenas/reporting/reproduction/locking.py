"""What finished runs ended with, read from their files, and the lock that repeats them."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from posenas.composing.goals.installed_costs import installed_costs
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import canonical_json
from posenas.contract.trial import Trial
from posenas.reporting.comparison.repeats import read_repeats, seed_folder
from posenas.reporting.results import read_results
from posenas.runs.checksums import read_result
from posenas.runs.files import content_name
from posenas.runs.journal import read_records
from posenas.runs.lock_file import Lock, Outcome
from posenas.runs.provenance import Provenance
from posenas.runs.recipe import Recipe
from posenas.runs.remade import REMADE
from posenas.runs.run import ACCEPTED, BEGUN, Run, open_run


def lock_of(path: Path) -> Lock:
    """Return the lock of a finished run, or of the finished runs of several seeds in a folder.

    Raises:
        PosenasError: where a run is not finished, or was not computed in one piece, or where the runs were
            computed on different data, code or machines.
    """
    repeats = read_repeats(path)
    folders = [path] if repeats is None else [seed_folder(path, seed) for seed in repeats.seeds]
    opened = [open_run(folder) for folder in folders]
    computed_on = [_computed_on(run) for run, _ in opened]
    for (run, _), each in zip(opened, computed_on, strict=True):
        differing = computed_on[0].changes(each) + computed_on[0].moves(each)
        if differing:
            raise PosenasError(
                f"{run.path}: differs from {folders[0]} in {len(differing)} things, such as {differing[0]}; "
                "lock one of them alone, or begin all seeds anew"
            )
    return Lock(opened[0][1], computed_on[0], tuple(outcome_of(run, recipe) for run, recipe in opened))


def outcome_of(run: Run, recipe: Recipe) -> Outcome:
    """Return what a finished run ended with.

    Raises:
        PosenasError: where it has not ended, or its final network failed.
    """
    answer = read_results(run, recipe).answer
    if answer is None:
        command = shlex.join(("posenas", "resume", str(run.path)))
        raise PosenasError(f"{run.path}: the search has not ended; `{command}` continues it")
    if answer.failure is not None or answer.predictions is None:
        raise PosenasError(f"{run.path}: the final network failed, so there is no result to repeat")
    return Outcome(
        seed=recipe.seed,
        genotype=answer.id,
        weights=_digest(run, "best/weights.safetensors"),
        predictions=_digest(run, f"predictions/{answer.predictions}"),
        steps=tuple(_steps(read_records(run.journal_file), answer, measured=_measured())),
        metrics=answer.metrics,
        costs=answer.costs,
    )


def counted_costs() -> Collection[str]:
    """Return the names of the costs that follow from a genotype and the recipe, so none that is measured."""
    return {figure.name for cost in installed_costs().costs if not cost.dear for figure in cost.figures}


def _computed_on(run: Run) -> Provenance:
    """Return what a run was computed on from beginning to end."""
    records = read_records(run.journal_file)
    begun = [record for record in records if record["effect"] == BEGUN]
    patched = [record for record in records if record["effect"] in (ACCEPTED, REMADE)]
    if patched or not begun:
        why = f"its journal notes: {patched[0]['effect']}" if patched else "its journal does not say on what"
        command = shlex.join(("posenas", "compose", "--recipe", str(run.recipe_file)))
        raise PosenasError(
            f"{run.path}: was not computed in one piece ({why}), so nothing can repeat it; "
            f"begin a new run with `{command}` and lock that"
        )
    return Provenance(**begun[0]["result"])


def _digest(run: Run, name: str) -> str:
    try:
        return hashlib.sha256(read_result(run.path, name)).hexdigest()
    except OSError as error:
        raise PosenasError(f"{run.path / name}: cannot be read: {error.strerror}") from error


def _measured() -> Collection[str]:
    """Return the names of steps that measure something, which no machine gives twice."""
    return {cost.name for cost in installed_costs().costs if cost.dear}


def _steps(
    records: Sequence[Mapping[str, Any]], answer: Trial, *, measured: Collection[str]
) -> Iterator[str]:
    """Yield each step of a search up to its answer's score; a comparison's steps may stand behind it."""
    for record in records:
        name, result = record["effect"], record["result"]
        if name not in (BEGUN, *measured):
            content = [name, record["key"], record["inputs"], result]
            yield f"{name} {content_name(canonical_json(content).encode())}"
        if isinstance(result, Mapping) and result.get("predictions") == answer.predictions:
            return
