"""The report's section on how an architecture was learnt, and what was left out of it at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from posenas import Results, Section, Trial
from posenas.charts import render

from nas_cnf.report.course import entropies, entropy_picture


def learning_sections(results: Results) -> Sequence[Section]:
    """Return the one section; none where no training of an architecture has ended."""
    courses = [course for genotypes in results.courses if (course := entropies(genotypes))]
    rows = _rows(results)
    if not courses and not rows:
        return []
    pictures = {"entropy.png": entropy_picture(courses)} if courses else {}
    html = render(
        files("nas_cnf.report").joinpath("learning.html.jinja").read_text(encoding="utf-8"),
        rows=rows,
        objective=results.objective.name,
        change=results.output_change,
        pictures=pictures,
    )
    return [Section("How the architecture was learnt", html, pictures)]


def _rows(results: Results) -> Sequence[Mapping[str, str]]:
    """Return a row for the learnt network and one for what was left of it."""
    if results.learnt is None or results.answer is None:
        return []
    networks = (("as it was learnt", results.learnt), ("the answer", results.answer))
    return [
        {
            "name": name,
            "metric": _score(trial, results),
            "gmacs": f"{trial.costs['gmacs']:#.4g}",
            "parameters": f"{trial.costs['parameters']:,.0f}",
        }
        for name, trial in networks
    ]


def _score(trial: Trial, results: Results) -> str:
    metric = results.objective
    return metric.text(trial.metrics[metric.name]) if metric.name in trial.metrics else "–"
