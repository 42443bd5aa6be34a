"""The pieces of a page in which candidates can be explored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.reporting.explorer.chart import HEIGHT, WIDTH, panels
from posenas.reporting.explorer.explored import Explored
from posenas.reporting.explorer.panel_data import entry_data, panel_data
from posenas.reporting.explorer.people import PersonName, ShownPerson
from posenas.reporting.explorer.skeletons import Skeleton
from posenas.reporting.report.render import embedded, render


@dataclass(frozen=True)
class Pieces:
    """HTML of a page; all empty where no candidate has a score.

    Attributes:
        charts: scores against costs, and the place of a candidate's panel.
        candidates: a table of all, and the example people.
        script: the data and the program that shows a candidate.
    """

    charts: str = ""
    candidates: str = ""
    script: str = ""


def render_pieces(runs: Sequence[Explored], costs: InstalledCosts) -> Pieces:
    """Return the pieces of runs that are compared by the same metric and the same costs.

    Args:
        runs: one without a name, or several with their names.
        costs: declare what the figures are called.
    """
    runs = [run for run in runs if run.entries]
    if not runs:
        return Pieces()
    names, people = _people(runs)
    results, several = runs[0].results, bool(runs[0].name)
    metric = f"{results.objective.name}, {results.objective.unit}".removesuffix(", ")
    better = "higher" if results.objective.higher_is_better else "lower"
    charts = render(
        _read("charts.html.jinja"),
        names=[run.name for run in runs],
        several=several,
        ringed=any(run.winner is not None and not run.winner.final for run in runs),
        answered=any(entry.final for run in runs for entry in run.entries),
        panels=panels(runs),
        metric=f"{metric} ({better} is better)",
        width=WIDTH,
        height=HEIGHT,
    )
    candidates_shown = sum(not entry.final for run in runs for entry in run.entries)
    candidates = render(
        _read("candidates.html.jinja"),
        several=several,
        rows=[row for number, run in enumerate(runs) for row in _rows(number, run, costs)],
        candidates=candidates_shown,
        left_out=sum(len(run.results.ranked) for run in runs) - candidates_shown,
        metric=results.objective.name,
        costs=[cost.unit for cost in results.compared_costs],
        people=people,
    )
    script = render(
        '<script type="application/json" id="candidates">{{ data | safe }}</script>\n'
        "<script>\n{{ program | safe }}\n</script>",
        data=panel_data(runs, names, costs),
        program=_read("explorer.js"),
    )
    return Pieces(charts, candidates, script)


def _read(name: str) -> str:
    return files("posenas.reporting.explorer").joinpath(name).read_text(encoding="utf-8")


def _rows(number: int, run: Explored, costs: InstalledCosts) -> Sequence[Mapping[str, Any]]:
    place = run.results.metrics.index(run.results.objective)
    rows = []
    for entry in run.entries:
        name, data = entry_data(number, run, entry, people={}, costs=costs)
        rows.append({**data, "link": name, "run": run.name, "metric": data["metrics"][place]})
    return rows


def _people(
    runs: Sequence[Explored],
) -> tuple[Mapping[tuple[int, PersonName], str], Sequence[Mapping[str, Any]]]:
    """Return the name in the page of each person of each run, and the people, each picture once."""
    names: dict[tuple[int, PersonName], str] = {}
    shown: dict[tuple[bytes, Skeleton], Mapping[str, Any]] = {}
    for number, run in enumerate(runs):
        for name, person in sorted(run.people.items()):
            own = _person(f"person-{len(shown) + 1}", name, person)
            found = shown.setdefault((person.picture, person.truth), own)
            names[number, name] = found["name"]
    return names, list(shown.values())


def _person(name: str, place: PersonName, person: ShownPerson) -> Mapping[str, Any]:
    return {
        "name": name,
        "words": f"image {person.sample.written_id} of {place.split}",
        "picture": embedded(person.picture, "jpg"),
        "width": person.view.width,
        "height": person.view.height,
        "truth": person.truth,
    }
