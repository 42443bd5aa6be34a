"""Reads a run and writes its report, again and again to the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from posenas.comparison.evidence import read_evidence
from posenas.compose import make
from posenas.errors import PosenasError
from posenas.files import write_atomically
from posenas.hooks import hookimpl
from posenas.predictions import load_predictions
from posenas.protocols import Dataset
from posenas.report.examples import evenly_ranked, find_examples
from posenas.report.family import read_family
from posenas.report.family_charts import fitness_picture, losses_picture
from posenas.report.family_tree import family_picture
from posenas.report.page import Pictures, render_page
from posenas.report.pictures import pareto_picture, poses_picture
from posenas.results import Results, read_results
from posenas.run import Run, open_run
from posenas.samples import UnreadableImageError
from posenas.scores import GroundTruth

SHOWN_PEOPLE = 12


class ReportWriter:
    """The listener that writes the report of a run when it has ended."""

    @hookimpl
    def run_finished(self, run: Path) -> None:
        write_report(run)


def write_report(run: Path) -> Path:
    """The page, `RUN/report/report.html`, with its pictures in it and beside it; of an unfinished run what
    there is so far.

    A dataset, predictions or images that cannot be read are named in the report and leave out no other part.

    Raises:
        PosenasError: where there is no run, its evaluator is not installed or its trials cannot be read.
    """
    opened, recipe = open_run(run)
    results = read_results(opened, recipe)
    truth, problems = _read_truth(results)
    poses, missing = _draw_poses(opened, results, truth)
    family = read_family(results)
    pictures = Pictures(
        pareto=pareto_picture(results) if results.ranked else None,
        poses=poses,
        family=None if family is None else family_picture(family),
        fitness=None if family is None else fitness_picture(family),
        losses=None if family is None else losses_picture(family),
        problems=[*problems, *missing],
    )
    evidence = read_evidence(opened, results)
    page = render_page(results, family=family, truth=truth, pictures=pictures, evidence=evidence)
    for name, picture in pictures.files().items():
        if picture is None:
            (opened.report / name).unlink(missing_ok=True)  # of an earlier state of the run
        else:
            write_atomically(opened.report / name, picture)
    write_atomically(opened.report / "report.html", page.encode())
    return opened.report / "report.html"


def _read_truth(results: Results) -> tuple[GroundTruth | None, Sequence[str]]:
    """The people that the shown trial was scored on: no samples where they are no split of the dataset."""
    shown = results.shown
    try:
        dataset = cast(Dataset, make("dataset", results.recipe.dataset))
        keypoints = dataset.keypoints()
        known = shown is not None and shown.split in dataset.splits()
        samples = dataset.split(shown.split) if shown is not None and known else ()
    except PosenasError as error:
        return None, [f"The dataset cannot be read: {error}"]
    return GroundTruth(keypoints, samples), []


def _draw_poses(run: Run, results: Results, truth: GroundTruth | None) -> tuple[bytes | None, Sequence[str]]:
    """The picture, and what it could not show; None where there is nothing to show."""
    shown = results.shown
    if shown is None or shown.predictions is None or truth is None:
        return None, []
    try:
        predictions = load_predictions(run.predictions / shown.predictions)
    except PosenasError:  # its words hold the run's path, which the report must not depend on
        return None, [f"predictions/{shown.predictions} in the run cannot be read as COCO keypoint results."]
    try:
        examples = find_examples(predictions, truth)
    except PosenasError as error:
        return None, [f"The predictions cannot be shown: {error}"]
    readable, problems = [], []
    for example in evenly_ranked(examples, SHOWN_PEOPLE):
        try:
            readable.append((example, example.sample.source.read()))
        except UnreadableImageError as error:
            problems.append(f"Image {example.sample.id} cannot be shown: {error}")
    return poses_picture(readable, truth.keypoints) if readable else None, problems
