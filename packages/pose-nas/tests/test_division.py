"""How a searched network's multiply-adds divide: in the costs of trials, and in the report."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image as images
from posenas.composing.goals.costs import BoundCost, CompositionCosts, bind_costs
from posenas.composing.goals.division import LARGEST, DivisionMeter, divided, searches_head
from posenas.composing.goals.installed_costs import installed_costs
from posenas.contract.genotype import Choice, Genotype
from posenas.contract.goals import Objective
from posenas.contract.scores import Metric
from posenas.contract.sections import Results
from posenas.contract.trial import Trial
from posenas.reporting.report.division import PICTURE, division_sections
from posenas.reporting.report.tables import cost_rows, part_rows
from posenas.runs.recipe import Recipe
from toy_search import ToySpace, composed, effects_of, problem_in

PARTS = {
    "gmacs": 10.0,
    "gmacs.backbone": 5.0,
    "gmacs.head": 5.0,
    "gmacs.head.body": 1.0,
    "gmacs.head.face": 2.5,
    "gmacs.head.hand": 1.25,
    "gmacs.head.empty": 0.0,
    "parameters": 7.0,
}
NAMES = ("body", "face", "hand", "rest of the head")
METRICS = (
    Metric("whole.AP"),
    Metric("whole.AR"),
    Metric("whole.face.AP", part="face"),
    Metric("whole.face.AR", part="face"),
    Metric("whole.left_hand.AP", part="left_hand"),
)


class Meter:
    """The costs of parts that a network is said to have."""

    def parts(self, genotype: Genotype) -> dict[str, float]:
        return {
            "gmacs.backbone": 5.0,
            "gmacs.backbone.stem": 1.0,
            "gmacs.head": 4.0,
            "gmacs.head.face": float(genotype["head.width"]),
            "gmacs.header": 1.0,
            "parameters.head": 3.0,
        }

    def measure(self, _genotype: Genotype) -> dict[str, float]:
        return {"gmacs": 9.0}


def test_the_division_has_gmacs_of_backbone_head_and_the_heads_modules_alone() -> None:
    measured = DivisionMeter(Meter()).measure({"head.width": 2})
    assert measured == {"gmacs.backbone": 5.0, "gmacs.head": 4.0, "gmacs.head.face": 2.0}


def test_parts_add_up_to_the_whole_and_the_body_is_the_backbone_with_the_heads_body() -> None:
    assert divided(PARTS) == {"body": 6.0, "face": 2.5, "hand": 1.25, "rest of the head": 0.25}
    without = {name: cost for name, cost in PARTS.items() if "body" not in name}
    assert divided(without) == {"backbone": 5.0, "face": 2.5, "hand": 1.25, "rest of the head": 1.25}
    assert divided({"gmacs": 1.0, "gmacs.head": 0.5}) == {}
    exact = {"gmacs.backbone": 0.1, "gmacs.head": 0.1 + 0.2, "gmacs.head.a": 0.1, "gmacs.head.b": 0.2}
    assert list(divided(exact)) == ["backbone", "a", "b"]


class Searched(ToySpace):
    """A space joined with a head's width, as far as its costs tell."""

    def dimensions(self) -> dict[str, Any]:
        return {**super().dimensions(), "head.width": Choice((1, 2))}

    def largest(self) -> Genotype:
        return {"width": 4, "head.width": 2}


def costs_of(space: ToySpace) -> CompositionCosts:
    """The counted costs of a space's toy networks, bound as composing does it."""
    (counted,) = composed().costs.bound
    networks: Any = counted.meter.networks  # type: ignore[attr-defined]
    return bind_costs(
        Recipe(),
        installed_costs(),
        (),
        networks=networks,
        space=space,
        genotypes={"largest": space.largest()},
        warnings=[],
    )


def test_a_trial_has_the_costs_of_parts_where_the_head_is_searched_and_only_there() -> None:
    plain, searched = costs_of(ToySpace()), costs_of(Searched())
    genotype = {"width": 3, "head.width": 1}
    assert not [name for name in plain.of_trial({"width": 3}, BoundCost.measure) if "." in name]
    found = searched.of_trial(genotype, BoundCost.measure)
    parts = {name for name in found if "." in name}
    assert parts == {"gmacs.backbone", "gmacs.head", "gmacs.head.linear"}
    assert found["gmacs.backbone"] + found["gmacs.head"] == pytest.approx(found["gmacs"], rel=1e-12)
    assert found["gmacs.head.linear"] == found["gmacs.head"] == 3 * 4 / 1e9
    assert searches_head(genotype)
    assert not searches_head({"header.width": 1, "width": 2})


def test_the_journal_has_the_largest_network_once_where_the_head_is_searched(tmp_path: Path) -> None:
    for _ in range(2):
        problem = problem_in(tmp_path / "plain")
        problem.note_largest()
        assert LARGEST not in effects_of(tmp_path / "plain")
        division = BoundCost("division", False, (), DivisionMeter(Meter()), asked=True, options={})
        searched = problem_in(tmp_path / "searched", space=Searched())
        costs = replace(searched._composition.costs, division=division)
        searched._composition = replace(searched._composition, costs=costs)
        searched.note_largest()
        assert effects_of(tmp_path / "searched") == [LARGEST]


def trial(number: int, body: float, face: float, hand: float, **changes: Any) -> Trial:
    """A candidate whose backbone is all of its body; its score is its number."""
    costs = {"gmacs.backbone": body, "gmacs.head": face + hand, "gmacs.head.face": face}
    costs |= {"gmacs.head.hand": hand, "gmacs": body + face + hand, "parameters": 1.0}
    metrics = {"whole.AP": number / 100, "whole.AR": 0.5, "whole.face.AP": number / 50, "whole.face.AR": 0.0}
    made = Trial({"n": number, "head.width": number}, "candidate", "ranking", metrics, costs)
    return replace(made, **changes)


LARGE = {"gmacs.backbone": 10.0, "gmacs.head": 10.0, "gmacs.head.face": 6.0, "gmacs.head.hand": 4.0}
WINNER = trial(7, 4.0, 1.0, 5.0)
NEAR = trial(3, 5.0, 2.5, 2.0)
HALF = trial(5, 2.5, 1.5, 1.0)


def results(*candidates: Trial, largest: dict[str, float] | None = None) -> Results:
    answer = replace(WINNER, stage="final", split="val", metrics={"whole.AP": 0.99})
    return Results(
        METRICS,
        (Objective("whole.AP", True, False),),
        (*candidates, answer),
        finished=True,
        shown=answer,
        ranked_on="some people",
        largest_costs=LARGE if largest is None else largest,
    )


def rows_of(html: str) -> list[list[str]]:
    """The cells of the section's table, the head first."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [
        [re.sub("<.*?>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]


def test_the_section_shows_the_answer_beside_equal_proportion_and_the_nearest_candidate() -> None:
    """Shares by hand: the largest has 50, 30 and 20 %; HALF divides alike, but spends half of the budget."""
    (section,) = division_sections(results(WINNER, HALF, NEAR))
    assert rows_of(section.html) == [
        ["GMACs", "winner", "equal proportion", f"candidate {NEAR.id}"],
        ["backbone", "4 (40 %)", "5 (50 %)", "5 (53 %)"],
        ["face", "1 (10 %)", "3 (30 %)", "2.5 (26 %)"],
        ["hand", "5 (50 %)", "2 (20 %)", "2 (21 %)"],
        ["total", "10", "10", "9.5"],
        ["whole.AP", "0.070", "–", "0.030"],
        ["whole.face.AP", "0.140", "–", "0.060"],
    ]
    assert "same\nfactor (0.5)" in section.html
    said = " ".join(section.html.split())
    assert "Of the 2 candidates whose total is within 15 % of that" in said
    assert f"<code>{NEAR.id}</code> divides most nearly so: 4 % of its GMACs are in other parts." in said
    assert "on some people" in section.html


def test_where_the_answer_is_the_nearest_it_says_so() -> None:
    (section,) = division_sections(results(WINNER, HALF))
    assert rows_of(section.html)[0] == ["GMACs", "winner", "equal proportion"]
    said = " ".join(section.html.split())
    assert "Of the 1 candidate whose total" in said
    assert "the winner itself divides most nearly so: 30 % of its GMACs are in other parts." in said


def test_without_a_largest_network_the_answer_stands_alone() -> None:
    (section,) = division_sections(results(WINNER, NEAR, largest={}))
    assert rows_of(section.html)[0] == ["GMACs", "winner"]
    assert "equal proportion" not in section.html


def test_an_answer_without_candidates_has_no_scores() -> None:
    (section,) = division_sections(results())
    assert rows_of(section.html)[0] == ["GMACs", "winner", "equal proportion"]
    assert [row[0] for row in rows_of(section.html)[1:]] == ["backbone", "face", "hand", "total"]
    assert "No candidate is within 15 % of that total." in section.html


def test_there_is_no_section_where_no_head_is_searched_or_nothing_is_shown() -> None:
    found = results(WINNER, NEAR)
    assert found.shown is not None
    plain = replace(found.shown, genotype={"n": 1})
    assert division_sections(replace(found, shown=plain)) == ()
    assert division_sections(replace(found, shown=None)) == ()
    assert division_sections(replace(found, shown=replace(found.shown, costs={"gmacs": 1.0}))) == ()


def test_the_picture_has_a_bar_for_each_division_in_the_parts_lengths() -> None:
    """Counted in pixels: 40, 10 and 50 % of the first bar, and the last bar is a bit shorter."""
    (section,) = division_sections(results(WINNER, NEAR))
    picture = images.imread(io.BytesIO(section.pictures[PICTURE]))[..., :3]
    colours = [(0x1F, 0x5F, 0xA8), (0xC8, 0x44, 0x2B), (0xB0, 0x7D, 0x12)]
    masks = [np.abs(picture - np.array(colour) / 255).max(axis=2) < 0.02 for colour in colours]
    widest = [mask.sum(axis=1) for mask in masks]
    first_bar = next(row for row in range(len(picture)) if all(width[row] > 20 for width in widest))
    lengths = np.array([width[first_bar + 2] for width in widest], float)
    assert lengths / lengths.sum() == pytest.approx([0.4, 0.1, 0.5], abs=0.01)
    last_bar = max(row for row in range(len(picture)) if all(width[row] > 60 for width in widest))
    ends = [np.flatnonzero(masks[2][row]).max() for row in (first_bar + 2, last_bar - 2)]
    assert ends[1] < ends[0]


def test_costs_of_parts_have_a_table_of_their_own() -> None:
    installed = installed_costs()
    rows = part_rows(WINNER, installed)
    assert [(row["name"], row["value"], row["share"]) for row in rows] == [
        ("GMACs of backbone", "4.000", "40.0 %"),
        ("GMACs of head", "6.000", "60.0 %"),
        ("GMACs of head.face", "1.000", "10.0 %"),
        ("GMACs of head.hand", "5.000", "50.0 %"),
    ]
    assert [row["name"] for row in cost_rows(WINNER, installed)] == ["GMACs", "parameters"]
