"""The report's page: what the template is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from posenas.composing.goals.installed_costs import InstalledCosts
from posenas.composing.goals.metric_limits import keeping, unkept
from posenas.contract.components import SearchSpace
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.contract.sections import Results, Section
from posenas.learning.inference import EvaluationSettings
from posenas.reporting.comparison.evidence import Evidence
from posenas.reporting.explorer.explored import Explored
from posenas.reporting.explorer.pieces import render_pieces
from posenas.reporting.report.caveats import caveats
from posenas.reporting.report.checklist import checklist
from posenas.reporting.report.genotype_table import genotype_table
from posenas.reporting.report.render import render
from posenas.reporting.report.sections import with_pictures
from posenas.reporting.report.tables import (
    cost_rows,
    front_rows,
    keypoint_parts,
    metric_parts,
    metric_rows,
    part_rows,
)
from posenas.runs.provenance import Accepted
from posenas.runs.recipe import Recipe, recipe_text
from posenas.runs.remade import Remade


@dataclass(frozen=True)
class Contents:
    """All that a report shows.

    Attributes:
        installed: the costs that declare what their figures mean.
        space: the run's; None where it cannot be made.
        explored: the run with what can be explored of it.
        view: how the head sees the data; None where it cannot be asked.
        accepted: changes of data or code that the run went on with.
        remade: weights that stand in the place of lost ones.
        pictures: the report's own PNG files by name, those that could be made.
        sections: what components show of their own, by their kinds.
        problems: what could not be shown, in words.
    """

    recipe: Recipe
    results: Results
    settings: EvaluationSettings
    evidence: Evidence
    installed: InstalledCosts
    space: SearchSpace | None
    explored: Explored
    view: str | None
    accepted: Sequence[Accepted]
    remade: Sequence[Remade]
    pictures: Mapping[str, bytes]
    sections: Mapping[str, Sequence[Section]]
    problems: Sequence[str]

    def files(self) -> Mapping[str, bytes]:
        """Return every picture by the name of its file."""
        sections = [section for found in self.sections.values() for section in found]
        return dict(self.pictures) | {
            name: picture for section in sections for name, picture in section.pictures.items()
        }


def render_page(contents: Contents) -> str:
    """Return HTML that needs no other file."""
    recipe, results, evidence = contents.recipe, contents.results, contents.evidence
    shown = results.shown
    folder = files("posenas.reporting.report")
    return render(
        folder.joinpath("page.html.jinja").read_text(encoding="utf-8"),
        style=folder.joinpath("page.css").read_text(encoding="utf-8"),
        explorer=render_pieces([contents.explored], contents.installed),
        results=results,
        recipe=recipe,
        recipe_text=recipe_text(recipe),
        shown=shown,
        pictures=contents.pictures,
        problems=contents.problems,
        sections={
            kind: [with_pictures(section) for section in contents.sections.get(kind, ())]
            for kind in COMPONENT_KINDS
        },
        metrics=[] if shown is None else metric_rows(shown, results),
        metric_parts={} if shown is None else metric_parts(shown, results.metrics),
        costs=[] if shown is None else cost_rows(shown, contents.installed),
        cost_parts=[] if shown is None else part_rows(shown, contents.installed),
        unkept=unkept(results.metric_limits, results.candidates),
        keeping=len(keeping(results.ranked, results.metric_limits)),
        front=front_rows(results),
        as_candidate=None if shown is None else results.as_candidate(shown),
        parts=[] if shown is None else keypoint_parts(shown.by_keypoint, results.keypoints),
        weakest=[] if shown is None else sorted(shown.by_keypoint.items(), key=lambda pair: pair[1])[:3],
        genotype=[] if shown is None else genotype_table(shown.genotype, contents.space),
        failed=[{"id": trial.id, "stage": trial.stage, "reason": reason} for trial, reason in results.failed],
        caveats=list(
            caveats(
                results,
                recipe,
                settings=contents.settings,
                evidence=evidence,
                installed=contents.installed,
                view=contents.view,
                accepted=contents.accepted,
                remade=contents.remade,
            )
        ),
        against_chance=[] if evidence.verdict is None else list(evidence.verdict.sentences()),
        checklist=list(checklist(results, recipe, evidence=evidence)),
    )
