"""Commands that begin, continue or look at a run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from posenas.cli.launching import check_devices, devices_option, present, together
from posenas.cli.shared_options import (
    Command,
    accept_option,
    cache_options,
    engine_option,
    json_last_option,
    log_option,
    set_option,
)
from posenas.cli.terminal import say, tell
from posenas.cli.weights_options import check_weights, weights_options
from posenas.contract.errors import PosenasError
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.runs.stopping import stop_requested

if TYPE_CHECKING:
    from posenas.composing.composition import Composition
    from posenas.reporting.comparison.repeats import Repeats
    from posenas.runs.recipe import Recipe
    from posenas.runs.run import Run
    from posenas.searching.search import Outcome

_RECIPE_FLAGS = ("limits", "maximize", "minimize", "seed", "device", "precision", "deterministic", "init")


@dataclass(frozen=True)
class How:
    """The way in which a command searches, which is no part of the recipe."""

    accept_changes: bool
    cache: Path | None
    engine: str = "local"
    logs: tuple[str, ...] = ()

    def continuing(self, command: str, *, devices: int) -> str:
        """Return the command with the options that make it search in the same way."""
        engine = f" --engine {quote(self.engine)}" if self.engine != "local" else ""
        several = f" --devices {devices}" if devices > 1 else ""
        logs = "".join(f" --log {name}" for name in self.logs)
        return f"{command}{engine}{self._caching()}{several}{logs}"

    def _caching(self) -> str:
        if self.cache is None:
            return " --no-cache"
        return f" --cache {quote(str(self.cache))}" if self.cache.is_absolute() else ""


def recipe_options(command: Command) -> Command:
    """Add to a command the flags from which a recipe is made; they win over a recipe file."""
    options: list[Callable[[Command], Command]] = [
        click.option(
            "--recipe", type=click.Path(path_type=Path), help="Read the recipe from this TOML file."
        ),
        *(
            click.option(f"--{kind}", metavar="NAME", help=f"The {kind}; see `posenas plugins`.")
            for kind in COMPONENT_KINDS
        ),
        set_option("Set an option, such as strategy.candidates=50; see `posenas show`."),
        click.option(
            "--limit",
            "limits",
            multiple=True,
            metavar="COST<=NUMBER",
            help='Bound a cost or a metric, such as "gmacs<=0.3" or "oks.AP>=0.5"; repeatable.',
        ),
        click.option(
            "--maximize",
            multiple=True,
            metavar="METRIC",
            help="Maximise a metric, such as oks.AP; repeatable.  [default: the evaluator's first metric]",
        ),
        click.option(
            "--minimize",
            multiple=True,
            metavar="COST",
            help="Minimise a cost or a metric, such as gmacs; repeatable.",
        ),
        click.option(
            "--seed", type=click.IntRange(min=0), help="Everything random derives from it.  [default: 0]"
        ),
        click.option("--device", help="auto, cpu or cuda.  [default: auto]"),
        click.option("--precision", help="auto, 32, tf32, bf16 or fp16.  [default: auto]"),
        click.option(
            "--deterministic",
            is_flag=True,
            default=None,
            help="Have a GPU give the same bits each time, which may take longer.",
        ),
        click.option(
            "--init",
            metavar="FILE",
            help="Weights to begin trainings with: safetensors, a torch file, or a run's folder.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


run_option = click.option(
    "--run", "path", type=click.Path(path_type=Path), help="The run's folder.  [default: a new one in runs/]"
)


@click.command()
@recipe_options
@run_option
@accept_option
@engine_option
@click.option("--dry-run", is_flag=True, help="Only check that everything fits.")
@click.option(
    "--save", type=click.Path(path_type=Path), help="Write the complete recipe, explained, to this file."
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="Search this many times, with the seed and the next ones, and report the spread.",
)
@cache_options
@log_option
@devices_option
@json_last_option
@together
def compose(
    path: Path | None,
    accept_changes: bool,
    cache: Path | None,
    logs: tuple[str, ...],
    engine: str,
    dry_run: bool,
    save: Path | None,
    seeds: int | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Check that the five components fit together, then search with them."""
    from posenas.composing.compose import compose as check
    from posenas.composing.goals.reachable_limits import check_measured_limits, without_limit
    from posenas.reporting.logs import check_logs
    from posenas.runs.run import new_path
    from posenas.searching.engines import check_engine

    check_engine(engine)
    check_logs(logs)
    composition = check(_recipe_from_flags(flags))
    check_measured_limits(composition)
    check_processes(composition)
    _tell_foreseen(composition)
    if note := without_limit(composition):
        tell(f"note: {note}", err=True)
    if not _go_on(composition, dry_run=dry_run, save=save, as_json=as_json):
        return
    path = path or new_path(composition.recipe)
    how = How(accept_changes, cache, engine, logs)
    if seeds is None:
        _begin(composition, path, how=how, as_json=as_json)
    else:
        _repeat(composition.recipe, path, seeds=seeds, how=how, as_json=as_json)


@click.command()
@click.argument("network")
@recipe_options
@run_option
@accept_option
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training people.")
@click.option("--dry-run", is_flag=True, help="Only check that everything fits.")
@cache_options
@log_option
@devices_option
@json_last_option
@together
def train(
    network: str,
    path: Path | None,
    accept_changes: bool,
    cache: Path | None,
    logs: tuple[str, ...],
    epochs: int | None,
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Train NETWORK alone: a zoo entry, a genotype's JSON file, or a run's folder (its best genotype)."""
    from posenas.composing.compose import compose as check
    from posenas.composing.goals.reachable_limits import check_measured_limits
    from posenas.composing.named_networks import find_network
    from posenas.contract.genotype import check_genotype
    from posenas.reporting.logs import check_logs
    from posenas.runs.run import new_path

    check_logs(logs)
    if flags.pop("strategy") not in (None, "single"):
        raise PosenasError("train is strategy 'single'; to search with another one, use `posenas compose`")
    space = flags.pop("space")
    found = find_network(network, space=space)
    if space not in (None, found.space.name):
        raise PosenasError(
            f"--space {space}: {network} is a network of space {found.space.name!r}; leave it out"
        )
    if epochs is not None:
        flags["assignments"] = (f"strategy.epochs={epochs}", *flags["assignments"])
    recipe = _recipe_from_flags(
        flags | {"space": None, "strategy": None}, found.recipe_tables(init=flags["init"])
    )
    composition = check(recipe)
    check_genotype(found.genotype, composition.space.dimensions())
    check_measured_limits(composition)
    check_processes(composition)
    _tell_foreseen(composition)
    if _go_on(composition, dry_run=dry_run, save=None, as_json=as_json):
        path = path or new_path(composition.recipe)
        _begin(composition, path, how=How(accept_changes, cache, logs=logs), as_json=as_json)


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@accept_option
@engine_option
@cache_options
@log_option
@devices_option
@json_last_option
@together
def resume(
    run: Path, accept_changes: bool, cache: Path | None, logs: tuple[str, ...], engine: str, as_json: bool
) -> None:
    """Continue RUN from where it was stopped."""
    from posenas.composing.compose import compose as check
    from posenas.reporting.comparison.repeats import read_repeats, seed_folder
    from posenas.reporting.logs import check_logs
    from posenas.runs.run import open_run
    from posenas.searching.engines import check_engine

    check_engine(engine)
    check_logs(logs)
    how = How(accept_changes, cache, engine, logs)
    repeats = read_repeats(run)
    if repeats is not None:
        recipe = open_run(seed_folder(run, repeats.seeds[0]))[1]
        _repeat(recipe, run, seeds=len(repeats.seeds), how=how, as_json=as_json)
        return
    opened, recipe = open_run(run)
    composition = check(recipe)
    check_processes(composition)
    _search(composition, opened, how=how, as_json=as_json)


def _recipe_from_flags(flags: dict[str, Any], network: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe of the file and the flags, over that of a network where one is given.

    Space and genotype are the network's. Options of the file's strategy `single` stay, such as its epochs.
    """
    from posenas.composing.defaults import complete_recipe
    from posenas.runs.recipe import overlay, parse_assignment, read_recipe

    tables = read_recipe(flags["recipe"]) if flags["recipe"] is not None else {}
    if network is not None:
        own = {
            "space": _space(tables.get("space", {}), network["space"]),
            "strategy": _single(tables.get("strategy", {}), network["strategy"]),
        }
        tables = overlay(network, tables) | own
    chosen = {name: flags[name] for name in (*COMPONENT_KINDS, *_RECIPE_FLAGS)}
    assignments = [parse_assignment(text) for text in flags["assignments"]]
    recipe, note = complete_recipe(tables, assignments, flags=chosen)
    if note:
        tell(f"note: {note}", err=True)
    return recipe


def _space(of_file: Mapping[str, Any], of_network: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the network's table; where the file's says something else a note tells that it is left out."""
    for name, value in of_file.items():
        own = of_network.get(name, value)
        if value != own:
            tell(f"note: the recipe's space.{name} = {value} is left out: the network's is {own}", err=True)
    return of_network


def _single(of_file: Mapping[str, Any], of_network: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of strategy `single`; of another strategy's table a note says that it is left out."""
    name = of_file.get("name", of_network["name"])
    if name == of_network["name"]:
        return {**of_file, **of_network}
    tell(
        f"note: the recipe's table [strategy] is of {name!r}, and is left out; set the passes with --epochs",
        err=True,
    )
    return dict(of_network)


def check_processes(composition: Composition) -> None:
    """Refuse more processes than there are devices, or people in a batch, before anything is written."""
    from posenas.searching.outlook import check_shares

    processes = present()
    check_devices(composition.compute.device.type, processes)
    if not processes.alone:
        check_shares(composition, processes)


def _tell_foreseen(composition: Composition) -> None:
    from posenas.composing.checks.data_checks import foreseen
    from posenas.searching.doubts import doubts
    from posenas.searching.outlook import outlook_of

    outlook = outlook_of(composition)
    for note in filter(None, (composition.taken, outlook.sentence(), *doubts(composition, outlook))):
        tell(f"note: {note}", err=True)
    for warning in (*composition.warnings, *foreseen(composition)):
        tell(f"warning: {warning}", err=True)


def _go_on(composition: Composition, *, dry_run: bool, save: Path | None, as_json: bool) -> bool:
    """Save the recipe if asked, and return whether a run is to begin.

    Without a run, what was found in the data is told here; a run tells it itself.
    """
    from posenas.composing.explained import explained_recipe
    from posenas.runs.files import write_atomically

    if save is not None:
        write_atomically(save, explained_recipe(composition).encode())
    if dry_run:
        for finding in composition.findings():
            tell(f"warning: {finding}", err=True)
        if composition.initial:
            tell(composition.initial + composition.fed, err=True)
        say("the five components fit together", err=True)
        if as_json:
            click.echo(json.dumps({"fits": True}))
    return not dry_run


def _begin(composition: Composition, path: Path, *, how: How, as_json: bool) -> None:
    from posenas.runs.run import create_run

    run = create_run(path, composition.recipe)
    _search(composition, run, how=how, as_json=as_json)


def _repeat(recipe: Recipe, path: Path, *, seeds: int, how: How, as_json: bool) -> None:
    repeats = search_again(recipe, path, seeds=seeds, how=how, command=f"posenas resume {path}")
    say(repeats.sentence(), err=as_json)
    if as_json:
        click.echo(json.dumps({"run": str(path)} | repeats.as_dict()))


def search_again(recipe: Recipe, path: Path, *, seeds: int, how: How, command: str) -> Repeats:
    """Make one run for each seed in the folder, each resumed where it was stopped, and return them all.

    Args:
        recipe: with the first seed.
        path: the folder.
        seeds: how many, from the recipe's on.
        how: to search.
        command: what continues a search that is stopped.
    """
    from posenas.composing.compose import compose as check
    from posenas.reporting.comparison.repeats import Repeats, next_seeds, seed_folder, write_repeats
    from posenas.reporting.report import write_report
    from posenas.runs.run import create_run

    if (path / "recipe.toml").exists():
        raise PosenasError(f"{path}: is a run of one seed; choose another folder")
    numbers = tuple(next_seeds(recipe.seed, seeds))
    repeats = Repeats(numbers, "", {})
    for seed in numbers:
        composition = check(replace(recipe, seed=seed))
        check_processes(composition)
        run = create_run(seed_folder(path, seed), composition.recipe)
        objective = next(one.name for one in composition.objectives if not one.is_cost)
        repeats = replace(repeats, objective=objective)
        write_repeats(path, repeats)
        say(f"seed {seed}", err=True)
        outcome = search_here(composition, run, how=how, command=command)
        repeats = replace(repeats, answers=repeats.answers | {seed: outcome.best})
        write_repeats(path, repeats)
    for seed in numbers:  # each report tells the spread
        write_report(seed_folder(path, seed))
    return repeats


def _search(composition: Composition, run: Run, *, how: How, as_json: bool) -> None:
    started = time.monotonic()
    outcome = search_here(composition, run, how=how, command=f"posenas resume {run.path}")
    best = outcome.best
    page = run.report / "report.html"
    say(f"report: {page}" if page.exists() else f"no report yet: `posenas report {run.path}`", err=True)
    if as_json:
        result = {
            "run": str(run.path),
            "best": {
                "genotype": dict(best.genotype),
                "metrics": dict(best.metrics),
                "costs": dict(best.costs),
            },
            "trials": len(outcome.trials),
            "seconds": round(time.monotonic() - started, 1),
        }
        click.echo(json.dumps(result))
        sys.stdout.flush()


def search_here(composition: Composition, run: Run, *, how: How, command: str) -> Outcome:
    """Begin or continue a run with the processes that are present, and return what it ends with.

    Args:
        composition: what is searched.
        run: the folder.
        how: to search.
        command: what continues the search if it is stopped.
    """
    from posenas.networks.devices import keep_freed_memory, processes_here, use_threads
    from posenas.reporting.listeners import run_events
    from posenas.searching.outlook import outlook_of
    from posenas.searching.search import search

    processes = present()
    run = replace(run, cache=how.cache)
    processes.broadcast(run)
    use_threads(composition.loading_processes(beside=processes_here()))
    keep_freed_memory()
    trainings = outlook_of(composition).trainings or ()
    with (
        stoppable(how.continuing(command, devices=processes.count)),
        run_events(trainings, logs=how.logs) as events,
    ):
        return search(
            composition,
            run,
            events=events,
            accept_changes=how.accept_changes,
            processes=processes,
            engine=how.engine,
        )


@contextmanager
def stoppable(continued_by: str) -> Iterator[None]:
    """End Ctrl-C, a signal to stop and want of memory in one line that says what to do."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError, PosenasError, RuntimeError) as error:
        # A signal to the whole group of processes takes those that read images too, which would be told.
        if isinstance(error, KeyboardInterrupt) or stop_requested():
            raise PosenasError(f"stopped; nothing is lost: `{continued_by}` continues") from None
        advice = None if isinstance(error, PosenasError) else _advice(error)
        if advice is None:
            raise
        reason = " ".join(str(error).split())
        raise PosenasError(f"{advice} ({reason:.120})") from error


def _advice(error: MemoryError | RuntimeError) -> str | None:
    """Return what to do about want of memory; None for a bug."""
    from torch import OutOfMemoryError

    if "DataLoader worker (pid" in str(error):
        return (
            "a process that reads images was killed, often for want of memory: resume the run, or begin one "
            "with a lower training.workers or training.cache"
        )
    # On the CPU torch has no type for it.
    if isinstance(error, MemoryError | OutOfMemoryError) or "can't allocate memory" in str(error):
        return (
            "out of memory: begin a new run with a lower training.batch_size, evaluation.batch_size, "
            "head.input_size, training.workers or training.cache"
        )
    return None


@click.command()
@click.argument("network")
@weights_options
@click.option("--split", default="val", show_default=True, help="The people to score on.")
@set_option("Set an option, such as evaluation.boxes=FILE or dataset.root=FOLDER.")
@click.option("--dataset", metavar="NAME", help="Another dataset with the same keypoints.")
@click.option("--evaluator", metavar="NAME", help="Another evaluator.")
@json_last_option
def evaluate(
    network: str,
    init: str | None,
    space: str | None,
    split: str,
    assignments: tuple[str, ...],
    dataset: str | None,
    evaluator: str | None,
    as_json: bool,
) -> None:
    """Score NETWORK: a finished run's folder (its best network), on its own data or on other data.

    With --init FILE any network is scored with the weights of FILE: a zoo entry, a genotype's JSON file or a
    run's folder.
    """
    from posenas.reporting.listeners import run_events
    from posenas.reporting.rescoring import evaluate_filled, evaluate_run

    check_weights(network, init=init, space=space)
    chosen: dict[str, Any] = {
        "split": split,
        "assignments": assignments,
        "flags": {"dataset": dataset, "evaluator": evaluator},
    }
    with run_events() as events:
        evaluation = (
            evaluate_run(Path(network), **chosen, events=events)
            if init is None
            else evaluate_filled(
                network, init=init, space=space, **chosen, tell=partial(say, err=True), events=events
            )
        )
    width = 1 + max(15, *map(len, evaluation.metrics))
    for name, value in evaluation.metrics.items():
        say(f"{name:<{width}}{value:.4f}", err=as_json)
    if as_json:
        # JSON has no NaN, which a metric is where nobody counts for it.
        metrics = {name: value if isfinite(value) else None for name, value in evaluation.metrics.items()}
        scored = {"run": network} if init is None else {"network": network, "init": init}
        click.echo(json.dumps({**scored, "split": split, "metrics": metrics}))


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page of several runs; `runs.html` in the current folder without it.",
)
@json_last_option
def report(runs: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    """Write the report of RUN, finished or not, and say where it is.

    Several runs become one page, side by side: their fronts in one chart, their winners and their candidates.
    They must have the same metric and the same costs.
    """
    from posenas.reporting.report import write_report
    from posenas.reporting.together import write_report_of_runs

    if len(runs) == 1 and output is not None:
        raise PosenasError("--output is for the page of several runs; one run's is RUN/report/report.html")
    if output is not None and output.suffix != ".html":
        raise PosenasError(f"--output {output}: the name must end in .html; a page there is written anew")
    page = (
        write_report(runs[0]) if len(runs) == 1 else write_report_of_runs(runs, output or Path("runs.html"))
    )
    if as_json:
        click.echo(json.dumps({"report": str(page)}))
    else:
        say(page)
