"""How a search divided its budget among the parts of the network, beside a division in equal proportion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from matplotlib import colormaps

from posenas.composing.goals.division import divided, searches_head
from posenas.contract.scores import Metric
from posenas.contract.sections import Results, Section
from posenas.contract.trial import Trial
from posenas.reporting.report.charts import BLUE, COLOURS, GREY, INK, RED, legend_below, new_figure, png
from posenas.reporting.report.render import render

PICTURE = "division.png"

_BAR_COLOURS = (BLUE, RED, "#b07d12", GREY, INK)
_LEGIBLE = 0.06
"""The least share of the longest bar that has room for its figure."""
_ALIKE = 0.15
"""How far the totals of candidates that are compared may lie apart, as a share."""


@dataclass(frozen=True)
class Division:
    """A network's GMACs by its parts.

    Attributes:
        name: what the chart calls it.
        trial: whose scores stand beside it; None where there is no such network.
    """

    name: str
    parts: Mapping[str, float]
    trial: Trial | None = None

    @property
    def total(self) -> float:
        """The GMACs of the whole network."""
        return sum(self.parts.values())


def division_sections(results: Results) -> Sequence[Section]:
    """Return a section on how the budget was divided; none where no head was searched."""
    shown = results.shown
    own = {} if shown is None or not searches_head(shown.genotype) else divided(shown.costs)
    if shown is None or not own:
        return ()
    as_candidate = results.as_candidate(shown)
    label = "winner" if shown is results.answer else "best candidate"
    divisions = [Division(label, own, as_candidate)]
    largest = divided(results.largest_costs)
    alike = _alike(results.ranked, divisions[0].total) if largest else []
    nearest = min(alike, key=lambda trial: _apart(divided(trial.costs), largest), default=None)
    same = nearest is not None and as_candidate is not None and nearest.id == as_candidate.id
    if largest:
        divisions.append(_scaled(largest, divisions[0].total))
    if nearest is not None and not same:
        divisions.append(Division(f"candidate {nearest.id}", divided(nearest.costs), nearest))
    metrics = _metrics_of(_parts(divisions), results)
    template = files("posenas.reporting.report").joinpath("division.html.jinja").read_text(encoding="utf-8")
    html = render(
        template,
        finished=shown is results.answer,
        largest=largest,
        factor=divisions[0].total / sum(largest.values()) if largest else 1.0,
        nearest=nearest,
        nearest_is_shown=same,
        apart=_apart(divided(nearest.costs), largest) if nearest is not None else 0.0,
        alike=len(alike),
        tolerance=_ALIKE,
        ranked_on=results.ranked_on,
        picture=PICTURE,
        total=divisions[0].total,
        divisions=divisions,
        rows=_rows(divisions, metrics),
        scored=bool(metrics),
    )
    return (Section("How the budget was divided", html, {PICTURE: _picture(divisions)}),)


def _scaled(largest: Mapping[str, float], total: float) -> Division:
    factor = total / sum(largest.values())
    return Division("equal proportion", {part: factor * cost for part, cost in largest.items()})


def _alike(candidates: Sequence[Trial], total: float) -> list[Trial]:
    """Return the candidates that cost about the same total."""
    return [
        trial for trial in candidates if abs(sum(divided(trial.costs).values()) - total) <= _ALIKE * total
    ]


def _apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return which share of one network's GMACs is in other parts than another network's."""
    totals = sum(one.values()), sum(other.values())
    names = dict.fromkeys((*one, *other))
    return sum(abs(one.get(name, 0.0) / totals[0] - other.get(name, 0.0) / totals[1]) for name in names) / 2


def _rows(divisions: Sequence[Division], metrics: Sequence[Metric]) -> Sequence[Mapping[str, object]]:
    """Return the table's rows: a part's GMACs and share, the total, and a metric's figures."""
    rows = [(part, [_cost(division, part) for division in divisions]) for part in _parts(divisions)]
    rows.append(("total", [f"{division.total:.3g}" for division in divisions]))
    rows += [(metric.name, [_figure(division.trial, metric) for division in divisions]) for metric in metrics]
    return [{"name": name, "cells": cells} for name, cells in rows]


def _cost(division: Division, part: str) -> str:
    cost = division.parts.get(part, 0.0)
    return f"{cost:.3g} ({100 * cost / division.total:.0f} %)"


def _parts(divisions: Sequence[Division]) -> list[str]:
    return list(dict.fromkeys(part for division in divisions for part in division.parts))


def _metrics_of(parts: Sequence[str], results: Results) -> Sequence[Metric]:
    """Return the objectives among the metrics, and their like of the parts, such as `wholebody.hand.AP`."""
    objectives = {objective.name for objective in results.objectives}
    kinds = {name.rpartition(".")[2] for name in objectives}
    return [
        metric
        for metric in results.metrics
        if results.ranked
        and (metric.name in objectives or (metric.name.rpartition(".")[2] in kinds and metric.part in parts))
    ]


def _figure(trial: Trial | None, metric: Metric) -> str:
    return metric.text(trial.metrics[metric.name]) if trial and metric.name in trial.metrics else "–"


def _picture(divisions: Sequence[Division]) -> bytes:
    """Draw a horizontal bar for each division, in which the parts follow each other."""
    figure = new_figure(10.0, 1.2 + 0.5 * len(divisions))
    axes = figure.subplots()
    names = [division.name for division in divisions]
    parts = _parts(divisions)
    longest = max(division.total for division in divisions)
    begins = [0.0] * len(divisions)
    for part, colour in zip(parts, _colours(len(parts)), strict=True):
        costs = [division.parts.get(part, 0.0) for division in divisions]
        axes.barh(names, costs, left=begins, height=0.62, color=colour, label=part, edgecolor="white")
        for place, (begin, cost) in enumerate(zip(begins, costs, strict=True)):
            if cost > _LEGIBLE * longest:
                share = f"{100 * cost / divisions[place].total:.0f} %"
                axes.text(begin + cost / 2, place, share, ha="center", va="center", color="white", fontsize=9)
        begins = [begin + cost for begin, cost in zip(begins, costs, strict=True)]
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("GMACs")
    legend_below(figure, axes)
    return png(figure)


def _colours(number: int) -> Sequence[object]:
    if number <= len(_BAR_COLOURS):
        return _BAR_COLOURS[:number]
    return [colormaps[COLOURS](place / number) for place in range(number)]
