"""A run as reports read it: what it found, its components, and what can be explored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posenas.composing.options import make_component
from posenas.contract.scores import GroundTruth, Predictions
from posenas.contract.sections import Results
from posenas.learning.inference import EvaluationSettings
from posenas.reporting.explorer.explored import Explored, explore
from posenas.reporting.report.caveats import ranking_people, scored_people
from posenas.reporting.report.components import make_components, read_truth
from posenas.reporting.report.kept_predictions import read_predictions
from posenas.reporting.results import read_results
from posenas.runs.recipe import Recipe, recipe_tables
from posenas.runs.run import Run, open_run


@dataclass(frozen=True)
class ReadRun:
    """A run with all that a report reads of it.

    Attributes:
        settings: the recipe's `[evaluation]`.
        results: what the run found, with its keypoints and its people in words.
        components: those that could be made, by kind.
        truth: the people that the shown trial was scored on; None where they cannot be read.
        predictions: the shown trial's, where they were kept and can be read.
        explored: the run with what can be explored of it.
        problems: what cannot be shown, in words.
    """

    run: Run
    recipe: Recipe
    settings: EvaluationSettings
    results: Results
    components: Mapping[str, Any]
    truth: GroundTruth | None
    predictions: Predictions | None
    explored: Explored
    problems: Sequence[str]


def read_run(path: Path, name: str = "") -> ReadRun:
    """Return a run, finished or not.

    Args:
        path: its folder.
        name: tells it from other runs on the same page; empty for one alone.

    Raises:
        PosenasError: where there is no run, its evaluator is not installed or its trials cannot be read.
    """
    run, recipe = open_run(path)
    settings = make_component(
        EvaluationSettings, recipe_tables(recipe)["evaluation"], where="table [evaluation]"
    )
    found = read_results(run, recipe)
    components, unmade = make_components(recipe)
    truth, unread = read_truth(components.get("dataset"), found.shown)
    predictions, unreadable = read_predictions(run, found.shown, truth=truth)
    results = replace(
        found,
        keypoints=None if truth is None else truth.keypoints,
        ranked_on=ranking_people(found, settings),
        scored_on=scored_people(found.shown, truth, settings),
    )
    explored = explore(
        results,
        dataset=components.get("dataset"),
        space=components.get("space"),
        predictions=predictions,
        truth=truth,
        name=name,
    )
    problems = [*unmade, *unread, *unreadable, *explored.problems]
    return ReadRun(run, recipe, settings, results, components, truth, predictions, explored, problems)
