"""Commands that lock a finished run, and that repeat a locked one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posenas.cli.launching import devices_option, present, together
from posenas.cli.run_commands import How, check_processes, search_again, search_here
from posenas.cli.shared_options import cache_options, engine_option, json_last_option, set_option
from posenas.cli.terminal import say, tell
from posenas.contract.errors import PosenasError

if TYPE_CHECKING:
    from posenas.composing.composition import Composition
    from posenas.reporting.reproduction.verdict import Reproduction
    from posenas.runs.lock_file import Lock, Outcome
    from posenas.runs.recipe import Recipe

NEITHER = 4
"""The status of `posenas reproduce` where neither the bytes nor the figures came out again."""
_FILES = ("dataset", "evaluation.boxes", "latency.table", "init")
"""The table and the options that say where files lie."""


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--output", "file", type=click.Path(path_type=Path), help="The lock's file.  [default: RUN.lock.toml]"
)
@json_last_option
def lock(run: Path, file: Path | None, as_json: bool) -> None:
    """Write what is needed to repeat the finished RUN, or the RUN of several seeds, and to judge that."""
    from posenas.reporting.reproduction.locking import lock_of
    from posenas.runs.lock_file import write_lock

    path = file or run.absolute().with_name(f"{run.absolute().name}.lock.toml")
    made = lock_of(run)
    written = write_lock(path, made)
    seeds = [outcome.seed for outcome in made.outcomes]
    if as_json:
        click.echo(json.dumps({"lock": str(path), "seeds": seeds}))
    else:
        number = f"{len(seeds)} seeds" if len(seeds) > 1 else "1 seed"
        command = shlex.join(("posenas", "reproduce", str(path), "--output", "FOLDER"))
        there = "" if written else " (the file was there already, with the same content)"
        tell(f"{path}: {number} of {run}{there}; `{command}` repeats it")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder of the repetition; one that was stopped goes on.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=2),
    help="Search with this many seeds, from the lock's first on, for the spread.  [default: the first alone]",
)
@set_option("Say where files lie here, such as dataset.root=FOLDER.")
@click.option("--accept-changes", is_flag=True, help="Go on though the data are not those of the lock.")
@engine_option
@cache_options
@devices_option
@json_last_option
@together
def reproduce(
    file: Path,
    folder: Path,
    seeds: int | None,
    assignments: tuple[str, ...],
    accept_changes: bool,
    cache: Path | None,
    engine: str,
    as_json: bool,
) -> int:
    """Repeat the run of a lock's FILE, and say whether it came out again.
    The status is 0 for equal bytes, or figures within the spread, and 4 for neither."""
    from posenas.composing.compose import compose
    from posenas.composing.goals.reachable_limits import check_measured_limits
    from posenas.reporting.reproduction.locking import counted_costs
    from posenas.reporting.reproduction.verdict import judge
    from posenas.runs.lock_file import read_lock
    from posenas.searching.engines import check_engine

    check_engine(engine)
    locked = read_lock(file)
    recipe = _located(locked.recipe, assignments)
    composition = compose(recipe)
    check_measured_limits(composition)
    check_processes(composition)
    _tell_differences(locked, composition, file=file, accept_changes=accept_changes)
    options = [word for text in assignments for word in ("-o", text)]
    options += ["--accept-changes"] * accept_changes + ([] if seeds is None else ["--seeds", str(seeds)])
    command = shlex.join(("posenas", "reproduce", str(file), "--output", str(folder), *options))
    how = How(accept_changes, cache, engine)
    here = _search(composition, folder, seeds=seeds, how=how, command=command)
    found = judge(locked.outcomes, here, counted=counted_costs())
    for line in (*found.differing, *_table(found), found.sentence()):
        say(line, err=as_json)
    if as_json:
        click.echo(json.dumps({"lock": str(file), "run": str(folder)} | found.as_dict()))
    return NEITHER if found.verdict == "neither" else 0


def _located(recipe: Recipe, assignments: Sequence[str]) -> Recipe:
    """Return the lock's recipe with the places of files here.

    Raises:
        PosenasError: for an assignment to anything else.
    """
    from posenas.runs.recipe import merge, parse_assignment, recipe_from_tables, recipe_tables

    parsed = [parse_assignment(text) for text in assignments]
    for path, _ in parsed:
        if (path[0] not in _FILES and ".".join(path) not in _FILES) or path[1:] == ("name",):
            raise PosenasError(
                f"--set {'.'.join(path)}: a repetition changes nothing but where files lie: options of "
                f"{', '.join(_FILES)}"
            )
    return recipe_from_tables(merge(recipe_tables(recipe), parsed, flags={}))


def _tell_differences(locked: Lock, composition: Composition, *, file: Path, accept_changes: bool) -> None:
    """Tell what is not as it was locked, a line for each.

    Raises:
        PosenasError: where the data differ, and that is not accepted.
    """
    from posenas.composing.computed_on import provenance_of
    from posenas.networks.devices import processes_here, use_threads

    use_threads(composition.loading_processes(beside=processes_here()))
    moved = list(_moved(locked.recipe, composition.recipe))
    now = provenance_of(composition, processes=present().count, moved=moved)
    differences = locked.computed_on.changes(now) + locked.computed_on.moves(now)
    for text in differences:
        tell(f"differs from the lock: {text}", err=True)
    if not differences:
        say("data, code and machine are those of the lock", err=True)
    data = locked.computed_on.data_changes(now)
    if data and not accept_changes:
        raise PosenasError(
            f"{file}: {len(data)} of {len(now.data)} digests of the data differ here, such as {data[0]}; "
            "bring the same data, say where they lie with -o, or go on with --accept-changes"
        )


def _moved(before: Recipe, now: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the folders of the dataset that lie elsewhere, each with where it lies now and where it lay."""
    for name, place in now.dataset.options.items():
        locked = before.dataset.options.get(name)
        if isinstance(place, str) and isinstance(locked, str) and place != locked:
            yield str(Path(place).expanduser()), str(Path(locked).expanduser())


def _search(
    composition: Composition, folder: Path, *, seeds: int | None, how: How, command: str
) -> list[Outcome]:
    """Return what the searches end with, of one seed or of several."""
    from posenas.reporting.comparison.repeats import seed_folder
    from posenas.reporting.reproduction.locking import outcome_of
    from posenas.runs.run import create_run, open_run

    if seeds is None:
        run = create_run(folder, composition.recipe)
        search_here(composition, run, how=how, command=command)
        return [outcome_of(run, composition.recipe)]
    repeats = search_again(composition.recipe, folder, seeds=seeds, how=how, command=command)
    return [outcome_of(*open_run(seed_folder(folder, seed))) for seed in repeats.seeds]


def _table(found: Reproduction) -> Iterator[str]:
    """Yield the lines of a table of the figures that moved."""
    if not found.moved:
        return
    yield _row("figure", "seed", "locked", "here", "moved by", "within")
    for figure in found.moved:
        expected = figure.expected
        within = f"{_number(expected.low)} to {_number(expected.high)}" if expected else "?"
        mark = "  outside" if expected and figure in found.outside else ""
        yield _row(
            figure.name,
            str(figure.seed),
            _number(figure.locked),
            _number(figure.here),
            _number(figure.difference, sign="+"),
            within + mark,
        )


def _row(name: str, seed: str, *columns: str) -> str:
    return f"{name:<24}{seed:>6}" + "".join(f"  {column:>12}" for column in columns)


def _number(value: float | None, *, sign: str = "") -> str:
    return "none" if value is None else f"{value:{sign}.6g}"
