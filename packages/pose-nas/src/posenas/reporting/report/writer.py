"""Reads a run and writes its report, again and again to the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from posenas.composing.goals.installed_costs import installed_costs
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.reporting.comparison.evidence import read_evidence
from posenas.reporting.report.components import view_kind
from posenas.reporting.report.curves import curve_sections, picture_names
from posenas.reporting.report.division import PICTURE, division_sections
from posenas.reporting.report.journaled import read_journaled
from posenas.reporting.report.page import Contents, render_page
from posenas.reporting.report.pareto import pareto_picture
from posenas.reporting.report.poses import draw_poses
from posenas.reporting.report.reading import read_run
from posenas.reporting.report.sections import ask_sections
from posenas.runs.events import hookimpl
from posenas.runs.files import write_atomically

OWN_PICTURES = ("pareto.png", "poses.png", PICTURE)


class ReportWriter:
    """The listener that writes the report of a run when it has ended."""

    @hookimpl
    def run_finished(self, run: Path) -> None:
        """Write the report."""
        write_report(run)


def write_report(run: Path) -> Path:
    """Write the page `RUN/report/report.html`, with its pictures in it and beside it; return the page.

    Of an unfinished run it shows what there is so far. What cannot be read, such as a dataset or an image,
    and a component that fails, are named in the report and leave out no other part.

    Raises:
        PosenasError: where there is no run, its evaluator is not installed or its trials cannot be read.
    """
    read = read_run(run)
    opened, recipe, components = read.run, read.recipe, read.components
    poses, unseen = draw_poses(read.predictions, read.truth)
    journaled, unjournaled = read_journaled(opened)
    results = replace(
        read.results,
        courses=journaled.courses,
        series=journaled.series,
        output_change=journaled.output_change,
        largest_costs=journaled.largest_costs,
    )
    pictures = dict(poses)
    if results.ranked:
        pictures["pareto.png"] = pareto_picture(results)
    names = {kind: getattr(recipe, kind).name for kind in COMPONENT_KINDS}
    taken = (*OWN_PICTURES, *picture_names(results.series))
    asked, left_out = ask_sections(components, results, names=names, taken=taken)
    shown = {name for each in asked.values() for section in each for name in section.series}
    series = {name: figures for name, figures in results.series.items() if name not in shown}
    own = (*division_sections(results), *curve_sections(series))
    sections = {**asked, "strategy": [*asked.get("strategy", ()), *own]}
    contents = Contents(
        recipe,
        results,
        settings=read.settings,
        evidence=read_evidence(opened, results),
        installed=installed_costs(),
        space=components.get("space"),
        explored=read.explored,
        view=view_kind(components.get("head")),
        accepted=journaled.accepted,
        remade=journaled.remade,
        pictures=pictures,
        sections=sections,
        problems=[*read.problems, *unseen, *unjournaled, *left_out],
    )
    page = render_page(contents)
    _write_pictures(opened.report, contents.files())
    write_atomically(opened.report / "report.html", page.encode())
    return opened.report / "report.html"


def _write_pictures(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the pictures beside the page, and delete those of an earlier state of the run."""
    for name, picture in files.items():
        write_atomically(folder / name, picture)
    for path in (*folder.glob("*.png"), *folder.glob("*.svg")):
        if path.name not in files:
            path.unlink()
