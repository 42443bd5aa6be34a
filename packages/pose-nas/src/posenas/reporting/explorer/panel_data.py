"""What the page's script knows of every candidate, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.contract.components import Relaxed, SearchSpace
from posenas.reporting.explorer.entries import Entry
from posenas.reporting.explorer.explored import Explored
from posenas.reporting.explorer.links import link
from posenas.reporting.explorer.people import PersonName
from posenas.reporting.report.genotype_table import value_lines
from posenas.reporting.report.tables import cost_text

_LONGEST_VALUE = 160


def panel_data(
    runs: Sequence[Explored], people: Mapping[tuple[int, PersonName], str], costs: InstalledCosts
) -> str:
    """Return JSON that can stand in a script element of a page.

    What entries have in common stands once: each run has the names of its metrics, costs, dimensions and
    keypoints, and each entry has its values in their order.

    Args:
        runs: with their entries.
        people: of each person of a run the name of the picture in the page.
        costs: declare what the figures are called.
    """
    data = {
        "runs": [_run(number, run, costs) for number, run in enumerate(runs)],
        "entries": dict(
            entry_data(number, run, entry, people=people, costs=costs)
            for number, run in enumerate(runs)
            for entry in run.entries
        ),
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _link(number: int, run: Explored, entry: Entry) -> str:
    return link(number if run.name else None, entry.key)


def _run(number: int, run: Explored, costs: InstalledCosts) -> Mapping[str, Any]:
    winner = run.winner
    figures = [costs.figure(name) for name in _costs(run)]
    return {
        "name": run.name,
        "winner": None if winner is None else _link(number, run, winner),
        "metrics": [metric.name for metric in run.results.metrics],
        "costs": [figure.unit for figure in figures if figure is not None],
        "dimensions": run.dimensions,
        "keypoints": run.by_keypoint,
    }


def _costs(run: Explored) -> Sequence[str]:
    return [cost.name for cost in run.results.compared_costs]


def entry_data(
    number: int,
    run: Explored,
    entry: Entry,
    *,
    people: Mapping[tuple[int, PersonName], str],
    costs: InstalledCosts,
) -> tuple[str, Mapping[str, Any]]:
    """Return an entry's name in the page, and its data.

    Args:
        number: of the run, from 0.
        run: has the entry.
        entry: a candidate or the answer.
        people: of each person of a run the name of the picture in the page; poses of others are left out.
        costs: declare what the figures are called.
    """
    trial, poses = entry.trial, run.poses.get(entry.key, {})
    known = {metric.name: metric.text(trial.metrics[metric.name]) for metric in _scored(run, entry)}
    return _link(number, run, entry), {
        "run": number,
        "id": trial.id,
        "about": _about(run, entry),
        "split": trial.split,
        "metrics": [known.get(metric.name, "–") for metric in run.results.metrics],
        "costs": [cost_text(name, trial.costs[name]) for name in _costs(run) if costs.figure(name)],
        "genotype": _genotype(run, entry),
        "keypoints": [
            round(trial.by_keypoint[name], 3) if name in trial.by_keypoint else None
            for name in run.by_keypoint
        ],
        "poses": [
            [people[number, name], round(similarity, 3), pose.left, pose.right, pose.middle]
            for name, (similarity, pose) in poses.items()
            if (number, name) in people
        ],
    }


def _scored(run: Explored, entry: Entry) -> Sequence[Any]:
    return [metric for metric in run.results.metrics if metric.name in entry.trial.metrics]


def _about(run: Explored, entry: Entry) -> str:
    """Return what the entry is among the others, in words; empty where it is one of many."""
    if entry.final:
        return f"the answer, with its final weights, scored on {entry.trial.split}"
    on = run.fronts_of(entry)
    fronts = [cost.unit for cost in run.results.compared_costs if cost.name in on]
    chosen = ["the winner as candidate" if run.results.answer else "the best so far"]
    words = chosen if entry is run.winner else []
    return "; ".join([*words, *([f"on the front of {', '.join(fronts)}"] if fronts else [])])


def _genotype(run: Explored, entry: Entry) -> Sequence[str]:
    dimensions = {} if run.space is None else run.space.dimensions()
    return [_value(entry, name, run.space, dimensions) for name in run.dimensions]


def _value(entry: Entry, name: str, space: SearchSpace | None, dimensions: Mapping[str, Any]) -> str:
    if name not in entry.trial.genotype:
        return "–"
    lines = value_lines(
        entry.trial.genotype, name, dimension=dimensions.get(name), relaxed=isinstance(space, Relaxed)
    )
    text = "; ".join(lines)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]} …"
