"""The report's section on how a search went: what is drawn of what a strategy noted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from nas_autopose.report.course import Curves, course_figure, course_sections
from posenas import Metric, Objective, Results

GUMBEL: Curves = {epoch: {"cell entropy": 1 - 0.001 * epoch} for epoch in range(1, 4)}
BILEVEL: Curves = {
    1: {"cell entropy": 1.0, "controller entropy": 0.9, "likeliest": 0.1},
    2: {"cell entropy": 0.7, "controller entropy": 0.5, "likeliest": 0.2, "reward": 0.15, "baseline": 0.15},
}
RESULTS = Results(
    (Metric("oks.AP"),), (Objective("oks.AP", maximize=True, is_cost=False),), (), finished=False, shown=None,
    ranked_on="four people",
)  # fmt: skip


def test_lines_are_what_was_noted_where_it_was() -> None:
    entropies, scores = course_figure(BILEVEL, place="epoch", reward="oks.AP").axes
    drawn = {
        line.get_label(): list(zip(*line.get_data(), strict=True))
        for axes in (entropies, scores)
        for line in axes.lines
    }
    assert drawn == {
        "cells: 1.000 to 0.700": [(1, 1.0), (2, 0.7)],
        "controller: 0.900 to 0.500": [(1, 0.9), (2, 0.5)],
        "mean of the draws: 0.150 to 0.150": [(2, 0.15)],
        "moving baseline: 0.150 to 0.150": [(2, 0.15)],
        "likeliest draw: 0.100 to 0.200": [(1, 0.1), (2, 0.2)],
    }
    assert scores.get_ylabel() == "oks.AP"


@pytest.mark.parametrize(("curves", "shown"), [(GUMBEL, 0.1), (BILEVEL, 0.5)])
def test_entropies_that_hardly_fall_look_so(curves: Curves, shown: float) -> None:
    low, high = course_figure(curves, place="epoch", reward="oks.AP").axes[0].get_ylim()
    assert shown < high - low < 1.5 * shown
    assert high > 1


def test_the_section_says_what_it_shows_of_whom() -> None:
    (section,) = course_sections(replace(RESULTS, series={"bilevel": BILEVEL}), "bilevel")
    assert section.series == ("bilevel",)
    assert "Below: oks.AP of the" in section.html
    assert "on four people; and of its likeliest draw." in section.html
    lower = replace(RESULTS, objectives=(Objective("oks.AP", maximize=False, is_cost=False),))
    (section,) = course_sections(replace(lower, series={"bilevel": BILEVEL}), "bilevel")
    assert "Below: minus oks.AP of the" in section.html


def test_a_run_that_noted_nothing_has_no_section() -> None:
    assert course_sections(replace(RESULTS, series={"gumbel": GUMBEL}), "bilevel") == []
