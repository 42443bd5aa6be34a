"""How many hours the papers' recipes would take, projected from measured steps. Nothing here is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posenas.composing.building import make, make_pair
from posenas.composing.phases import planned
from posenas.composing.plugins import Owner
from posenas.contract.phases import Phase
from posenas.runs.recipe import read_recipe, recipe_from_tables

RECIPES = Path(__file__).parents[1] / "recipes"
PEOPLE = 149_813
"""COCO's people with keypoints in train2017."""
IMAGES = 118_287
"""Those of train2017, with people or without."""

LIKE: Mapping[tuple[str, Phase], tuple[str, str]] = {
    ("simple-baseline", "final"): ("supervised", "simple-baseline-r50"),
    ("hrnet-w32", "final"): ("supervised", "hrnet-w32"),
    ("vipnas-res50", "shared"): ("sandwich", "resnet50"),
    ("vipnas-res50", "final"): ("supervised", "s-vipnas-res50"),
    ("vipnas-mbv3", "shared"): ("sandwich", "mobilenetv3"),
    ("vipnas-mbv3", "final"): ("supervised", "s-vipnas-mbv3"),
    ("vipnas-hrnet", "shared"): ("sandwich", "hrnet-w32"),
    ("vipnas-hrnet", "final"): ("supervised", "hrnet-w32"),
    ("evopose2d-e1", "candidate"): ("supervised", "efficientnet-b0-pose"),
    ("evopose2d-e1", "final"): ("supervised", "evopose2d-s"),
    ("evopose2d-e2", "candidate"): ("supervised", "efficientnet-b0-pose"),
    ("evopose2d-e2", "final"): ("supervised", "evopose2d-s"),
    ("evopose2d-e3", "candidate"): ("supervised", "efficientnet-b0-pose"),
    ("evopose2d-e3", "final"): ("supervised", "evopose2d-s"),
    ("kapao-s", "final"): ("supervised", "kapao-s"),
}
"""The measured part and step that is like a recipe's training, by recipe and phase."""

RANKED = {"vipnas-res50": "resnet50", "vipnas-mbv3": "mobilenetv3", "vipnas-hrnet": "hrnet-w32"}
"""The backbone whose evaluation is like a recipe's ranking of 500 candidates."""

NOT_PROJECTED = ("autopose", "posenfs", "zoomnas")
"""Recipes of papers whose steps are not like one that is measured."""


@dataclass(frozen=True)
class Workload:
    """The trainings of one phase of a recipe; `samples` are passes x people, or whole images, of them all."""

    recipe: str
    phase: Phase
    samples: int


def workloads(recipe: str) -> list[Workload]:
    """Return what a recipe trains by its strategy's own plan; candidates are counted at their most."""
    read = recipe_from_tables(read_recipe(RECIPES / f"{recipe}.toml"))
    space, head = make_pair(read.space, read.head)
    plan = planned(make("strategy", read.strategy), space, owner=Owner("strategy", read.strategy.name)) or ()
    views = IMAGES if head.view().kind == "image" else PEOPLE
    passes: Counter[Phase] = Counter()
    for each in plan:
        passes[each.phase] += each.number * each.epochs
    return [Workload(recipe, phase, number * views) for phase, number in passes.items()]


def hours(samples: int, rate: float) -> float:
    """Return the hours that so many samples take at a rate of samples a second."""
    return samples / rate / 3600


def project(measured: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return for each recipe's phase its hours, by the step and, for crops, by what the loader feeds.

    Args:
        measured: figures by part and by step. A phase whose like step is missing has no entry.
    """
    fed = measured.get("feed", {}).get("crops", {}).get("crops a second")
    projected: dict[str, Any] = {}
    for recipe in dict.fromkeys(recipe for recipe, _ in LIKE):
        for work in workloads(recipe):
            part, step = LIKE.get((recipe, work.phase), ("", ""))
            figures = measured.get(part, {}).get(step)
            if figures is None:
                continue
            found = {
                "samples": work.samples,
                "hours of steps": hours(work.samples, figures["samples a second"]),
            }
            if fed and step != "kapao-s":
                found["hours of feeding"] = hours(work.samples, fed)
            projected[f"{recipe} {work.phase}"] = found | {"like": f"{part} {step}"}
        ranking = measured.get("evaluation", {}).get(RANKED.get(recipe, ""))
        if ranking:
            taken = ranking["hours of 500 candidates, projected"]
            projected[f"{recipe} ranking"] = {"hours of steps": taken, "like": f"evaluation {RANKED[recipe]}"}
    return projected
