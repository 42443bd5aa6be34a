"""Searches from Python: what `posenas.compose`, `posenas.search`, `posenas.open_run` and
`posenas.load_strategy` do.

A search is three lines:

    run = posenas.search(space="ofa", strategy="sandwich", limits=["gmacs<=0.02"])
    print(run.best.metrics)
    network = run.network()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from posenas.composing.building import make
from posenas.composing.checks.data_checks import foreseen
from posenas.composing.compose import compose as compose_recipe
from posenas.composing.composition import Composition
from posenas.composing.defaults import complete_recipe
from posenas.composing.goals.reachable_limits import check_measured_limits
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Strategy
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.networks.devices import keep_freed_memory, use_threads
from posenas.networks.pose_network import PoseNetwork
from posenas.prediction.trained import load_trained
from posenas.reporting.listeners import run_events
from posenas.reporting.logs import check_logs
from posenas.reporting.report import write_report
from posenas.reporting.results import read_results
from posenas.runs.recipe import COST, ComponentChoice, read_recipe
from posenas.runs.run import create_run, new_path, open_run as open_run_folder
from posenas.searching.doubts import doubts
from posenas.searching.engines import LOCAL, check_engine
from posenas.searching.outlook import outlook_of
from posenas.searching.search import search as search_run


def compose(
    *,
    recipe: Path | str | None = None,
    space: str | None = None,
    strategy: str | None = None,
    head: str | None = None,
    dataset: str | None = None,
    evaluator: str | None = None,
    options: Mapping[str, Any] | None = None,
    limits: Sequence[str] = (),
    maximize: Sequence[str] = (),
    minimize: Sequence[str] = (),
    seed: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    deterministic: bool | None = None,
    init: str | None = None,
) -> Composition:
    """Return five components and their settings, checked against each other as `posenas compose` does.

    Args:
        recipe: a TOML file to start from; what is given beside it overrules it.
        space: name of the space; None for the recipe's, or `ofa`; `fixed` where that is not installed.
        strategy: name of the strategy; None for the recipe's, or `sandwich`.
        head: name of the head; None for the recipe's, or `heatmap`.
        dataset: name of the dataset; None for the recipe's, or `synthetic`.
        evaluator: name of the evaluator; None for the recipe's, or `oks`.
        options: values by table and key, such as `{"strategy.candidates": 8, "training.batch_size": 32}`.
        limits: such as `["gmacs<=0.02"]`.
        maximize: metrics by name; none takes the evaluator's first one.
        minimize: costs or metrics by name.
        seed: everything random derives from it; None for the recipe's, or 0.
        device: auto, cpu or cuda.
        precision: auto, 32, tf32, bf16 or fp16.
        deterministic: whether a GPU gives the same bits each time; None for the recipe's, or False.
        init: a file of weights to begin trainings with, or a run's folder.

    Raises:
        PosenasError: where something is unknown or does not fit; one line says what would.
    """
    flags = {
        "space": space,
        "strategy": strategy,
        "head": head,
        "dataset": dataset,
        "evaluator": evaluator,
        "limits": tuple(limits),
        "maximize": tuple(maximize),
        "minimize": tuple(minimize),
        "seed": seed,
        "device": device,
        "precision": precision,
        "deterministic": deterministic,
        "init": init,
    }
    tables = {} if recipe is None else read_recipe(Path(recipe))
    assignments = [(_path_of(name), value) for name, value in (options or {}).items()]
    completed, note = complete_recipe(tables, assignments, flags=flags)
    composition = compose_recipe(completed)
    return replace(composition, warnings=(note, *composition.warnings)) if note else composition


def search(
    *,
    run: Path | str | None = None,
    accept_changes: bool = False,
    engine: str = LOCAL,
    logs: Sequence[str] = (),
    **choices: Any,
) -> SearchRun:
    """Search, and return the finished run; a folder with a run of the same recipe is continued.

    Progress and warnings go to standard error, as from the command line.

    Args:
        run: the run's folder; None for a new one in `runs`.
        accept_changes: whether to go on though data or code changed since the run began.
        engine: what trains and scores candidates: `local`, `ray`, or a Ray cluster's `HOST:PORT` or
            `ray://HOST:PORT`.
        logs: where losses, metrics and costs are logged besides: `tensorboard`, `mlflow`.
        choices: as in `compose`.

    Raises:
        PosenasError: where something does not fit, or the search ends without an answer, or the engine or a
            log cannot be used.
    """
    check_engine(engine)
    check_logs(logs)
    composition = compose(**choices)
    path = new_path(composition.recipe) if run is None else Path(run)
    if not path.exists():
        check_measured_limits(composition)
    opened = create_run(path, composition.recipe)
    use_threads(composition.loading_processes())
    keep_freed_memory()
    outlook = outlook_of(composition)
    with run_events(outlook.trainings or (), logs=logs) as events:
        told = (*composition.warnings, *foreseen(composition), *doubts(composition, outlook))
        for warning in filter(None, (composition.taken, *told)):
            events.warn(warning)
        search_run(composition, opened, events=events, accept_changes=accept_changes, engine=engine)
    return open_run(path)


def load_strategy(name: str, options: Mapping[str, Any] | None = None) -> Strategy:
    """Return an installed strategy, for problems of one's own such as a table of scores.

    Args:
        name: its name; `DISTRIBUTION:NAME` where two packages offer it.
        options: values by name, such as `{"candidates": 8}`; the others keep their defaults.

    Raises:
        PosenasError: where nothing offers the name, or an option is unknown or not allowed.
    """
    strategy: Strategy = make("strategy", ComponentChoice(name, options or {}))
    return strategy


def open_run(path: Path | str) -> SearchRun:
    """Return the finished run of a folder.

    Raises:
        PosenasError: where there is no run, or it has not ended.
    """
    run = SearchRun(Path(path))
    if run.results.answer is None:
        raise PosenasError(f"{path}: the search has not ended; `posenas resume {path}` continues it")
    return run


@dataclass(frozen=True)
class SearchRun:
    """A finished search: its folder, its trials and its best network."""

    path: Path

    @cached_property
    def results(self) -> Results:
        """The trials with objectives and front, read from the run's files once."""
        run, recipe = open_run_folder(self.path)
        return read_results(run, recipe)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials in the order of the search; the last one is the answer."""
        return self.results.trials

    @property
    def best(self) -> Trial:
        """The search's answer: its genotype, metrics and costs."""
        return self.trials[-1]

    def network(self) -> PoseNetwork:
        """Return the best network with its trained weights, for evaluation, on the run's device.

        It maps (N, 3, H, W) images to the head's outputs; batch norms are folded. The images are normalised
        as crops by ImageNet's mean and deviation, or as the recipe's table `[normalisation]` says.
        """
        return load_trained(self.path, assignments=(), flags={}).network

    def report(self) -> Path:
        """Write the report anew, and return its page."""
        return write_report(self.path)


def _path_of(name: str) -> tuple[str, ...]:
    """Return an option's table and key."""
    table, _, key = name.partition(".")
    if not key:
        raise PosenasError(f"option {name!r}: write TABLE.KEY, such as strategy.candidates")
    return (table, *key.split(".", 1)) if table == COST else (table, key)
