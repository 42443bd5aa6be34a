"""The page of several runs: what its template is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.contract.trial import Trial
from posenas.reporting.explorer.explored import Explored
from posenas.reporting.explorer.links import link
from posenas.reporting.explorer.pieces import render_pieces
from posenas.reporting.report.reading import ReadRun
from posenas.reporting.report.render import render
from posenas.reporting.report.tables import cost_text, front_rows
from posenas.runs.recipe import recipe_tables, recipe_text


def render_runs(runs: Sequence[ReadRun], costs: InstalledCosts) -> str:
    """Return HTML that needs no other file.

    Args:
        runs: with names, of the same metric and the same costs, each with a scored candidate.
        costs: declare what the figures are called.
    """
    report = files("posenas.reporting.report")
    results = runs[0].results
    return render(
        files("posenas.reporting.together").joinpath("page.html.jinja").read_text(encoding="utf-8"),
        style=report.joinpath("page.css").read_text(encoding="utf-8"),
        explorer=render_pieces([read.explored for read in runs], costs),
        metric=results.objective.name,
        costs=[cost.unit for cost in results.compared_costs],
        runs=[_run(number, read) for number, read in enumerate(runs)],
        problems=[(read.explored.name, problem) for read in runs for problem in read.problems],
        same_people=len({_people(read) for read in runs}) == 1,
    )


def _run(number: int, read: ReadRun) -> Mapping[str, Any]:
    recipe, results, explored = read.recipe, read.results, read.explored
    winner, finals = explored.winner, [entry for entry in explored.entries if entry.final]
    keys = {id(entry.trial): entry.key for entry in explored.entries}
    return {
        "name": explored.name,
        "components": f"{recipe.space.name} × {recipe.strategy.name} × {recipe.head.name}",
        "dataset": recipe.dataset.name,
        "limits": ", ".join(recipe.limits) or "none",
        "seed": recipe.seed,
        "candidates": len(results.ranked),
        "ranked_on": results.ranked_on,
        "scored_on": results.scored_on,
        "finished": results.answer is not None,
        "winner": None if winner is None else _row(number, explored, winner.trial, keys[id(winner.trial)]),
        "final": _row(number, explored, finals[0].trial, finals[0].key) if finals else None,
        "front": [{**row, "link": link(number, keys[id(row["trial"])])} for row in front_rows(results)],
        "recipe": recipe_text(recipe),
    }


def _row(number: int, explored: Explored, trial: Trial, key: str) -> Mapping[str, Any]:
    objective = explored.results.objective
    return {
        "id": trial.id,
        "link": link(number, key),
        "metric": objective.text(trial.metrics[objective.name]),
        "costs": [cost_text(cost.name, trial.costs[cost.name]) for cost in explored.results.compared_costs],
    }


def _people(read: ReadRun) -> str:
    """Return what the people that rank the candidates follow from."""
    settings = read.settings
    held_out = (settings.held_out, settings.ranking_people, read.recipe.seed) if settings.held_out else ()
    return repr((recipe_tables(read.recipe)["dataset"], held_out))
