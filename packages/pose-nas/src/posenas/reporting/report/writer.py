"""Reads a run and writes its report, again and again to the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from posenas.composing.building import make
from posenas.contract.components import Dataset, Head, SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.samples import UnreadableImageError
from posenas.contract.scores import GroundTruth
from posenas.networks.output_change import OutputChange
from posenas.reporting.comparison.evidence import read_evidence
from posenas.reporting.report.architecture import draw_genotype
from posenas.reporting.report.course import entropy_picture, read_courses
from posenas.reporting.report.examples import evenly_ranked, find_examples
from posenas.reporting.report.family import read_family
from posenas.reporting.report.family_charts import fitness_picture, losses_picture
from posenas.reporting.report.family_tree import family_picture
from posenas.reporting.report.page import DRAWING, RATES, Pictures, render_page
from posenas.reporting.report.pictures import pareto_picture, poses_picture
from posenas.reporting.report.rates import in_order, rates_picture
from posenas.reporting.results import Results, read_results
from posenas.runs.checksums import read_result
from posenas.runs.events import hookimpl
from posenas.runs.files import write_atomically
from posenas.runs.journal import read_records
from posenas.runs.predictions_file import predictions_from
from posenas.runs.provenance import Accepted
from posenas.runs.run import ACCEPTED, Run, open_run

SHOWN_PEOPLE = 12


class ReportWriter:
    """The listener that writes the report of a run when it has ended."""

    @hookimpl
    def run_finished(self, run: Path) -> None:
        write_report(run)


def write_report(run: Path) -> Path:
    """The page, `RUN/report/report.html`, with its pictures in it and beside it; of an unfinished run what
    there is so far.

    A dataset, a space, predictions or images that cannot be read are named in the report and leave out no
    other part.

    Raises:
        PosenasError: where there is no run, its evaluator is not installed or its trials cannot be read.
    """
    opened, recipe = open_run(run)
    results = read_results(opened, recipe)
    truth, problems = _read_truth(results)
    poses, missing = _draw_poses(opened, results, truth)
    space, unmade = _read_space(results)
    drawings, undrawn = _draw_network(results, space)
    entropy, unread = _draw_entropy(opened)
    family = read_family(results)
    pictures = Pictures(
        pareto=pareto_picture(results) if results.ranked else None,
        poses=poses,
        family=None if family is None else family_picture(family),
        fitness=None if family is None else fitness_picture(family),
        losses=None if family is None else losses_picture(family),
        drawings=drawings,
        entropy=entropy,
        rates=_draw_rates(results, truth),
        problems=[*problems, *missing, *unmade, *undrawn, *unread],
    )
    evidence = read_evidence(opened, results)
    page = render_page(
        results,
        space=space,
        family=family,
        truth=truth,
        pictures=pictures,
        evidence=evidence,
        change=_read_change(opened),
        view=_read_view(results),
        accepted=_read_accepted(opened),
    )
    _write_pictures(opened.report, pictures)
    write_atomically(opened.report / "report.html", page.encode())
    return opened.report / "report.html"


def _write_pictures(folder: Path, pictures: Pictures) -> None:
    """Beside the page; those of an earlier state of the run go."""
    files = pictures.files()
    for name, picture in files.items():
        if picture is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_atomically(folder / name, picture)
    for prefix in (DRAWING, RATES):
        for path in folder.glob(f"{prefix}*.png"):
            if path.name not in files:
                path.unlink()


def _read_space(results: Results) -> tuple[SearchSpace | None, Sequence[str]]:
    """The space, of which the shown trial is; None where there is no such trial."""
    if results.shown is None:
        return None, []
    try:
        return cast(SearchSpace, make("space", results.recipe.space)), []
    except PosenasError as error:
        return None, [f"The space cannot be asked to draw the network: {error}"]


def _read_view(results: Results) -> str | None:
    """How the head sees the data; None where it cannot be asked, which costs one sentence."""
    try:
        return cast(Head, make("head", results.recipe.head)).view().kind
    except PosenasError:
        return None


def _draw_network(results: Results, space: SearchSpace | None) -> tuple[Mapping[str, bytes], Sequence[str]]:
    if results.shown is None or space is None:
        return {}, []
    return draw_genotype(space, results.shown.genotype)


def _draw_rates(results: Results, truth: GroundTruth | None) -> Mapping[str, bytes]:
    """Pictures by the steps of the decoding that replace keypoints."""
    ablations = {} if results.shown is None else results.shown.ablations
    keypoints = None if truth is None else truth.keypoints
    return {
        step: rates_picture(in_order(ablation.rates, keypoints), step=step)
        for step, ablation in ablations.items()
        if any(ablation.rates.values())
    }


def _draw_entropy(run: Run) -> tuple[bytes | None, Sequence[str]]:
    """The picture; None where no architecture was learnt, or not to the end."""
    try:
        courses = read_courses(run.journal_file)
    except PosenasError:  # its words hold the run's path, which the report must not depend on
        return None, [
            "journal.jsonl in the run cannot be read, so how the architecture was learnt, and with what "
            "changes of data or code the run went on, is left out."
        ]
    return entropy_picture(courses) if courses else None, []


def _read_accepted(run: Run) -> Sequence[Accepted]:
    """Changes of data or code that the run went on with."""
    try:
        records = read_records(run.journal_file)
    except PosenasError:
        return []  # the entropies, of the same journal, are named as missing
    return [Accepted(**record["inputs"]) for record in records if record.get("effect") == ACCEPTED]


def _read_change(run: Run) -> OutputChange | None:
    """Of the outputs, by what was left out last."""
    try:
        records = [record for record in read_records(run.journal_file) if record.get("effect") == "leave out"]
    except PosenasError:
        return None  # the entropies, of the same journal, are named as missing
    return OutputChange(**records[-1]["result"]["change"]) if records else None


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
    name = f"predictions/{shown.predictions}"
    try:
        content = read_result(run.path, name)
        predictions = predictions_from(
            content, run.path / name, keypoints=len(truth.keypoints), samples=truth.samples
        )
    except (OSError, PosenasError):  # its words hold the run's path, which the report must not depend on
        return None, [f"{name} in the run cannot be read as COCO keypoint results."]
    try:
        examples = find_examples(predictions, truth)
    except PosenasError as error:
        return None, [f"The predictions cannot be shown: {error}"]
    readable, problems = [], []
    for example in evenly_ranked(examples, SHOWN_PEOPLE):
        try:
            readable.append((example, example.sample.source.read()))
        except UnreadableImageError as error:
            problems.append(f"Image {example.sample.written_id} cannot be shown: {error}")
    return poses_picture(readable, truth.keypoints) if readable else None, problems
