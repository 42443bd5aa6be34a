"""What the experiments share: their options, runs that can be stopped and started again, and the spread."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from posenas.composing.composition import Composition
from posenas.composing.computed_on import provenance_of
from posenas.contract.trial import Trial
from posenas.networks.devices import keep_freed_memory, use_threads
from posenas.reporting.progress import Lines
from posenas.runs.events import Events
from posenas.runs.run import Run, create_run, locked, open_journal
from posenas.searching.problem import JournaledProblem
from posenas.searching.search import search


def options(text: str) -> argparse.ArgumentParser:
    """Those that all experiments have: `runs`, `seeds`, `first_seed` and `json`."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument(
        "--runs", type=Path, required=True, help="folder of the runs; what is there is not run again"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where the figures go")
    return parser


def seeds_of(arguments: argparse.Namespace) -> range:
    return range(arguments.first_seed, arguments.first_seed + arguments.seeds)


def searched(composition: Composition, folder: Path) -> Trial:
    """The winner of a whole search."""
    return search(composition, prepared(composition, folder), events=shown()).best


@contextmanager
def opened(composition: Composition, folder: Path) -> Iterator[JournaledProblem]:
    """For experiments that are not a search."""
    run = prepared(composition, folder)
    with locked(run):
        events = shown()
        journal = open_journal(run, composition.recipe, provenance_of(composition), warn=events.warn)
        with closing(JournaledProblem(composition, run, journal, events=events)) as problem:
            yield problem


def prepared(composition: Composition, folder: Path) -> Run:
    keep_freed_memory()
    use_threads(composition.loading_processes())
    return create_run(folder, composition.recipe)


def shown() -> Events:
    """Progress as lines, warnings beside them."""
    return Events({"display": Lines(print)}, complain=print)


def spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "mean": statistics.fmean(values),
        "standard_deviation": statistics.stdev(values) if len(values) > 1 else None,
        "seeds": list(values),
    }


def finish(path: Path | None, settings: Mapping[str, Any], summary: Any, **found: Any) -> None:
    """Prints the summary, and writes everything where a path is given."""
    print(json.dumps(summary, indent=1))
    if path is not None:
        result = {"settings": dict(settings), "summary": summary, **found}
        path.write_text(json.dumps(result, indent=1) + "\n")
