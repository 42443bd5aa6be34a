"""Reads several runs and writes their page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posenas.composing.goals.installed_costs import installed_costs
from posenas.contract.errors import PosenasError
from posenas.reporting.report.reading import ReadRun, read_run
from posenas.reporting.together.page import render_runs
from posenas.runs.files import write_atomically


def write_report_of_runs(runs: Sequence[Path], output: Path) -> Path:
    """Write one page of several runs, finished or not, and return its path. It needs no other file.

    Args:
        runs: their folders, two or more.
        output: the page's file.

    Raises:
        PosenasError: where a run cannot be read or has no scored candidate, where one is named twice, or
            where runs are not compared by the same metric and the same costs.
    """
    read = [read_run(path, name) for path, name in zip(runs, _names(runs), strict=True)]
    _check_comparable(read)
    write_atomically(output, render_runs(read, installed_costs()).encode())
    return output


def _names(runs: Sequence[Path]) -> Sequence[str]:
    """Return the folders' own names, or their whole paths where two have the same name."""
    places = [run.resolve() for run in runs]
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise PosenasError(f"{run}: is named {places.count(place)} times; name each run once")
    names = [place.name for place in places]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _check_comparable(runs: Sequence[ReadRun]) -> None:
    first = runs[0]
    for read in runs:
        if not read.results.ranked:
            raise PosenasError(
                f"{read.run.path}: no candidate has a score, so it cannot be compared; report it alone"
            )
        if read.results.objective != first.results.objective:
            raise PosenasError(
                f"{read.run.path}: its candidates are scored by {read.results.objective.name}, those of "
                f"{first.run.path} by {first.results.objective.name}; report runs of one metric together"
            )
        if read.results.compared_costs != first.results.compared_costs:
            raise PosenasError(
                f"{read.run.path}: its candidates are compared by {_costs(read)}, those of {first.run.path} "
                f"by {_costs(first)}; report runs of the same costs together"
            )


def _costs(read: ReadRun) -> str:
    return ", ".join(cost.name for cost in read.results.compared_costs)
