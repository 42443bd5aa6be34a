"""The report's page: what the template is given."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from posenas.composing.installed_costs import InstalledCosts
from posenas.composing.options import make_component
from posenas.contract.components import SearchSpace
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import GroundTruth, Metric
from posenas.contract.trial import Trial
from posenas.learning.inference import EvaluationSettings
from posenas.networks.output_change import OutputChange
from posenas.reporting.comparison.evidence import Evidence
from posenas.reporting.report.architecture import safe_names
from posenas.reporting.report.caveats import caveats, people_in_words, ranking_people
from posenas.reporting.report.checklist import checklist
from posenas.reporting.report.family import Family
from posenas.reporting.report.family_tables import generation_table, winners_line
from posenas.reporting.report.genotype_table import genotype_table
from posenas.reporting.results import Results
from posenas.runs.provenance import Accepted
from posenas.runs.recipe import recipe_tables, recipe_text

DRAWING = "architecture-"
"""The files of the space's own pictures begin so, and no others."""
RATES = "rates-"
"""Those of what a step of the decoding replaces, likewise."""


@dataclass(frozen=True)
class Pictures:
    """PNG files, where they could be made, and what could not be shown, in words.

    Attributes:
        drawings: of the shown network, by the space's names.
        entropy: of the architecture while it was learnt.
        rates: how often a step of the decoding replaces each keypoint, by the step's name.
    """

    pareto: bytes | None
    poses: bytes | None
    family: bytes | None
    fitness: bytes | None
    losses: bytes | None
    drawings: Mapping[str, bytes]
    entropy: bytes | None
    rates: Mapping[str, bytes]
    problems: Sequence[str]

    def files(self) -> Mapping[str, bytes | None]:
        """By the names of the files."""
        return {
            "pareto.png": self.pareto,
            "family.png": self.family,
            "fitness.png": self.fitness,
            "losses.png": self.losses,
            "poses.png": self.poses,
            "entropy.png": self.entropy,
        } | {
            f"{prefix}{name}.png": picture
            for prefix, pictures in ((DRAWING, self.drawings), (RATES, self.rates))
            for name, picture in zip(safe_names(pictures), pictures.values(), strict=True)
        }


def render_page(
    results: Results,
    *,
    space: SearchSpace | None,
    family: Family | None,
    truth: GroundTruth | None,
    pictures: Pictures,
    evidence: Evidence,
    change: OutputChange | None,
    view: str | None,
    accepted: Sequence[Accepted] = (),
) -> str:
    """HTML that needs no other file.

    Args:
        change: of the outputs, where the answer is a part of the network that was learnt.
        space: of the recipe; None where it cannot be made, or no trial is shown.
        view: the kind of the head's; None where the head cannot be asked.
        accepted: changes that the run went on with.
    """
    settings = make_component(
        EvaluationSettings, recipe_tables(results.recipe)["evaluation"], where="table [evaluation]"
    )
    shown = results.shown
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["embedded"] = _embedded
    template = files("posenas.reporting.report").joinpath("page.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        results=results,
        recipe=results.recipe,
        recipe_text=recipe_text(results.recipe),
        pictures=pictures,
        shown=shown,
        scored_on="" if shown is None else _scored_on(shown, truth, settings),
        ranking_people=ranking_people(results, settings),
        metrics=[] if shown is None else _metric_rows(shown, results.metrics),
        costs=[] if shown is None else _cost_rows(shown, results.installed_costs),
        front=_front_rows(results),
        as_candidate=None if shown is None else results.as_candidate(shown),
        family=family,
        generations=[] if family is None else _generation_rows(family),
        line=[] if family is None else _line_rows(family),
        parts=[] if shown is None else _parts(shown.by_keypoint, None if truth is None else truth.keypoints),
        weakest=[] if shown is None else sorted(shown.by_keypoint.items(), key=lambda pair: pair[1])[:3],
        genotype=[] if shown is None else genotype_table(shown.genotype, space),
        failed=[{"id": trial.id, "stage": trial.stage, "reason": reason} for trial, reason in results.failed],
        caveats=list(caveats(results, settings, evidence, view=view, accepted=accepted)),
        against_chance=[] if evidence.verdict is None else list(evidence.verdict.sentences()),
        checklist=list(checklist(results, evidence, learnt=pictures.entropy is not None)),
        ablations=[] if shown is None else _ablation_tables(shown, results),
        pruning=_pruning_rows(results),
        change=change,
    )


def _embedded(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _scored_on(shown: Trial, truth: GroundTruth | None, settings: EvaluationSettings) -> str:
    if truth is None or not truth.samples:
        return people_in_words(shown.split, settings)
    labelled = [
        person
        for sample in truth.samples
        for person in sample.people
        if not person.crowd and (person.keypoints[:, 2] > 0).any()
    ]
    return f"{shown.split}: {len(labelled):,} people with labelled keypoints in {len(truth.samples):,} images"


def _figure(value: float, metric: Metric) -> str:
    return f"{value:.3f} {metric.unit}".rstrip()


def _metric_rows(trial: Trial, metrics: Sequence[Metric]) -> Sequence[Mapping[str, str]]:
    return [
        {
            "name": metric.name,
            "value": _figure(trial.metrics[metric.name], metric)
            if metric.name in trial.metrics
            else "not a number",
            "better": "higher" if metric.higher_is_better else "lower",
        }
        for metric in metrics
    ]


def _cost(name: str, value: float) -> str:
    return f"{value:,.0f}" if name.startswith("parameters") else f"{value:#.4g}"


def _cost_rows(trial: Trial, costs: InstalledCosts) -> Sequence[Mapping[str, str]]:
    """Give the trial's costs that mean something, in the order of their declaration, parts last."""
    declared = [figure.name for cost in costs.costs for figure in cost.figures]
    names = [*declared, *(name for name in trial.costs if "." in name)]
    figures = (costs.figure(name) for name in names if name in trial.costs)
    return [
        {
            "name": figure.unit,
            "value": _cost(figure.name, trial.costs[figure.name]),
            "meaning": figure.meaning,
        }
        for figure in figures
        if figure is not None and figure.meaning
    ]


def _pruning_rows(results: Results) -> Sequence[Mapping[str, str]]:
    """The learnt network and what was left of it."""
    if results.learnt is None or results.answer is None:
        return []
    return [
        {
            "name": name,
            "metric": _figure(trial.metrics[results.objective.name], results.objective)
            if results.objective.name in trial.metrics
            else "–",
            "gmacs": _cost("gmacs", trial.costs["gmacs"]),
            "parameters": _cost("parameters", trial.costs["parameters"]),
        }
        for name, trial in (("as it was learnt", results.learnt), ("the answer", results.answer))
    ]


def _ablation_tables(trial: Trial, results: Results) -> Sequence[Mapping[str, Any]]:
    """For each step of the decoding the metrics without it and with it, and its rates, the highest first."""
    return [
        {
            "step": step,
            "rows": [
                _ablation_row(metric, ablation.metrics[metric.name], trial.metrics[metric.name])
                for metric in results.metrics
                if metric.name in ablation.metrics and metric.name in trial.metrics
            ],
            "rates": sorted(ablation.rates.items(), key=lambda pair: -pair[1]),
        }
        for step, ablation in trial.ablations.items()
    ]


def _ablation_row(metric: Metric, without: float, whole: float) -> Mapping[str, str]:
    return {
        "name": metric.name,
        "without": _figure(without, metric),
        "whole": _figure(whole, metric),
        "change": f"{whole - without:+.3f}",
        "better": "higher" if metric.higher_is_better else "lower",
    }


def _front_rows(results: Results) -> Sequence[Mapping[str, Any]]:
    """Candidates on either front, from cheap to dear."""
    fronts = {cost.unit: {trial.id for trial in results.front(cost.name)} for cost in results.compared_costs}
    chosen = [trial for trial in results.ranked if any(trial.id in front for front in fronts.values())]
    return [
        {
            "id": trial.id,
            "metric": _figure(trial.metrics[results.objective.name], results.objective),
            "gmacs": _cost("gmacs", trial.costs["gmacs"]),
            "parameters": _cost("parameters", trial.costs["parameters"]),
            "fronts": [name for name, front in fronts.items() if trial.id in front],
            "winner": results.shown is not None and trial.id == results.shown.id,
        }
        for trial in sorted(chosen, key=lambda trial: (trial.costs["gmacs"], trial.costs["parameters"]))
    ]


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
    """The ancestor first."""
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


def _parts(by_keypoint: Mapping[str, float], keypoints: KeypointSet | None) -> Sequence[Mapping[str, Any]]:
    """Keypoints under the first part that they belong to, each part with its mean."""
    groups: dict[str, list[tuple[str, float]]] = {}
    left = dict(by_keypoint)
    if keypoints is not None:
        for part, indices in keypoints.parts.items():
            names = [keypoints.names[index] for index in indices]
            groups[part] = [(name, left.pop(name)) for name in names if name in left]
    groups["others" if any(groups.values()) else "all keypoints"] = list(left.items())
    return [
        {
            "name": part.replace("_", " "),
            "mean": sum(value for _, value in pairs) / len(pairs),
            "keypoints": [{"name": name, "value": value} for name, value in pairs],
        }
        for part, pairs in groups.items()
        if pairs
    ]
