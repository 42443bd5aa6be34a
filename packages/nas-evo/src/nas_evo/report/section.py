"""The report's section on an evolution: the family tree, its generations, and the way to the winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from posenas import Results, Section
from posenas.charts import render

from nas_evo.report.charts import fitness_picture, losses_picture
from nas_evo.report.family import Family, read_family
from nas_evo.report.tables import generation_table, winners_line
from nas_evo.report.tree import family_picture


def family_sections(results: Results) -> Sequence[Section]:
    """Return the one section; none where no candidate was evolved."""
    family = read_family(results)
    if family is None:
        return []
    pictures = {
        "family.png": family_picture(family),
        "fitness.png": fitness_picture(family),
        "losses.png": losses_picture(family),
    }
    made = {name: picture for name, picture in pictures.items() if picture is not None}
    html = render(
        files("nas_evo.report").joinpath("section.html.jinja").read_text(encoding="utf-8"),
        finished=family.finished,
        generations=_generation_rows(family),
        line=_line_rows(family),
        pictures=made,
        ranked_on=results.ranked_on,
    )
    return [Section("Evolution", html, made)]


def _generation_rows(family: Family) -> Sequence[Mapping[str, str]]:
    return [
        {
            "number": str(generation.number),
            "networks": str(generation.networks),
            "failed": str(generation.failed),
            "best": _known(generation.best, "#.4g"),
            "median": _known(generation.median, "#.4g"),
            "inherited": _known(generation.inherited, ".3f"),
        }
        for generation in generation_table(family)
    ]


def _line_rows(family: Family) -> Sequence[Mapping[str, Any]]:
    """Return a row for each network of the winner's line, the ancestor first."""
    return [
        {
            "generation": step.network.descent.generation,
            "id": step.network.id,
            "changes": [
                f"{change.gene}: {change.before or 'none'} → {change.after or 'none'}"
                for change in step.changes
            ],
            "fitness": _known(step.network.descent.fitness, "#.4g"),
            "loss": _known(step.network.trial.loss, "#.4g"),
            "parameters": _known(step.size, ",.0f"),
            "inherited": _known(step.network.trial.inherited, ".3f"),
        }
        for step in winners_line(family)
    ]


def _known(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
