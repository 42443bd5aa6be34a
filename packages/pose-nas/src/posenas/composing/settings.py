"""The tables of a recipe that are no components: `posenas.runs.recipe.NAMELESS_TABLES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from posenas.composing.options import make_component, option_values
from posenas.composing.phases import (
    PhaseSettings,
    check_phase_names,
    make_phases,
    own_options,
    training_options,
)
from posenas.contract.components import Head
from posenas.contract.errors import PosenasError
from posenas.contract.keypoints import KeypointSet
from posenas.contract.normalisation import Normalisation
from posenas.contract.phases import Phase
from posenas.data.augment import Augmentation
from posenas.data.kinds_of_view import KINDS
from posenas.data.mosaic import ImageAugmentation
from posenas.data.normalising import normalisation_of
from posenas.learning.inference import EvaluationSettings
from posenas.learning.settings import TrainingSettings
from posenas.networks.latency.cost import Latency
from posenas.runs.recipe import Recipe

SETTINGS_TABLES: Mapping[str, type[Any]] = MappingProxyType(
    {
        "training": TrainingSettings,
        "augmentation": Augmentation,
        "evaluation": EvaluationSettings,
        "latency": Latency,
        "normalisation": Normalisation,
    }
)
AUGMENTATIONS: Mapping[str, type[Any]] = MappingProxyType(
    {kind: views.augmentation for kind, views in KINDS.items()}
)
"""The settings that `[augmentation]` holds, by the kind of view that the head wants."""


def make_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what the recipe's tables say, by table, but those that depend on the head's view."""
    check_phase_names(recipe)
    options = {
        table: getattr(recipe, table)
        for table in SETTINGS_TABLES
        if table not in ("augmentation", "normalisation")
    }
    options["training"] = training_options(recipe.training)
    return {
        table: make_component(SETTINGS_TABLES[table], values, where=f"table [{table}]")
        for table, values in options.items()
    }


def make_augmentation(
    recipe: Recipe, head: Head
) -> tuple[Augmentation | ImageAugmentation, dict[Phase, PhaseSettings]]:
    """Return what `[augmentation]` says for the views that the head looks at, and the phases that differ."""
    kind = head.view().kind
    where = "table [augmentation]"
    if KINDS[kind].finds_people:
        where += f" (head {recipe.head.name} looks at whole images: `posenas show augmentation {kind}`)"
        if recipe.evaluation.get("boxes"):
            raise PosenasError(
                f"evaluation.boxes: head {recipe.head.name!r} finds people by itself; leave the boxes out"
            )
    changes: Augmentation | ImageAugmentation = make_component(
        AUGMENTATIONS[kind], own_options(recipe.augmentation), where=where
    )
    tables = {"training": "table [training]", "augmentation": where}
    return changes, make_phases(recipe, AUGMENTATIONS[kind], where=tables)


def make_normalisation(
    recipe: Recipe, head: Head, weights: Normalisation | None = None
) -> Normalisation | None:
    """Return how images become the networks' input; None where it is as usual for the head's view.

    Args:
        recipe: its table `[normalisation]` comes first.
        head: how its view is usually fed holds where nothing else is known.
        weights: what the initial weights were trained with; None where nobody knows.

    Raises:
        PosenasError: for an unknown option, or a value that does not fit.
    """
    usual = normalisation_of(head.view())
    said = {**option_values(weights or usual), **recipe.normalisation}
    made: Normalisation = make_component(Normalisation, said, where="table [normalisation]")
    return None if made == usual else made


def without_flips(settings: Mapping[str, Any], keypoints: KeypointSet) -> dict[str, Any]:
    """Return the settings, without flips where the keypoints know no left and right.

    Exchanging nothing where left and right are exchanged would teach the wrong side.
    """
    if not keypoints.unpaired:
        return dict(settings)
    phases: Mapping[Phase, PhaseSettings] = settings["phases"]
    return {
        **settings,
        "augmentation": replace(settings["augmentation"], flip=0.0),
        "phases": {
            phase: replace(each, augmentation=replace(each.augmentation, flip=0.0))
            for phase, each in phases.items()
        },
        "evaluation": replace(settings["evaluation"], flip_test=False),
    }
