"""A network with trained weights, ready to be used without the data that it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from posenas.composing.after_training import check_changes
from posenas.composing.building import build_network, compute_for, make, make_pair
from posenas.composing.initial_weights import build_from, load_initial_weights
from posenas.composing.named_networks import find_network
from posenas.composing.options import make_component
from posenas.composing.settings import make_normalisation
from posenas.composing.tailoring import tailored
from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import check_genotype
from posenas.contract.keypoint_sets import known_set
from posenas.contract.keypoints import KeypointSet
from posenas.data.normalising import fed, view_of
from posenas.learning.inference import EvaluationSettings, prepare
from posenas.networks.devices import place
from posenas.networks.pose_network import PoseNetwork
from posenas.reporting.rescoring import load_best
from posenas.runs.recipe import Recipe, merge, parse_assignment, recipe_from_tables, recipe_tables
from posenas.runs.run import open_run

USED = ("flip_test", "scales", "rectangular", "keypoint_threshold", "oks_nms", "box_threshold")
"""The options of the table [evaluation] that matter if nothing is scored."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network for evaluation, how it is to be used, and the recipe that says so."""

    network: PoseNetwork
    view: View
    keypoints: KeypointSet
    settings: EvaluationSettings
    device: torch.device
    recipe: Recipe


def load_trained(path: Path, *, assignments: Iterable[str], flags: Mapping[str, Any]) -> TrainedNetwork:
    """Return the answer of a run, its batch norms folded.

    Args:
        path: the run's folder.
        assignments: changes of the head and of how it is evaluated, such as `evaluation.flip_test=false`.
        flags: another `device`.

    Raises:
        PosenasError: if the run has no result yet, a plugin of it is missing, or an assignment would do
            nothing, does not fit, or is one that the weights depend on.
    """
    run, recipe = open_run(path)
    found = find_network(str(path))
    parsed = _parsed(assignments, ("head",))
    trained, recipe = recipe, recipe_from_tables(merge(recipe_tables(recipe), parsed, flags=flags))
    check_changes(path, trained=trained, used=recipe)
    space, head = make_pair(recipe.space, recipe.head)
    compute = compute_for(recipe, space)
    network = build_network(space, found.genotype, head=head, keypoints=found.keypoints, compute=compute)
    load_best(network, run)
    prepare(place(network, compute.device))
    view = view_of(head, make_normalisation(recipe, head))
    return TrainedNetwork(network, view, found.keypoints, _evaluation(recipe), compute.device, recipe)


def load_filled(
    name: str, *, init: str, space: str | None, assignments: Iterable[str], flags: Mapping[str, Any]
) -> tuple[TrainedNetwork, str]:
    """Return a network with weights from a file, its batch norms folded, and lines on what was taken.

    Its keypoints are those of the weights where they are known, else those of the network.

    Args:
        name: a zoo entry, a genotype's file or a run's folder.
        init: the file of the weights, or a run's folder.
        space: of a genotype's file; None for the default.
        assignments: changes of the space, the head, how images are fed, the precision, and how it is
            evaluated.
        flags: another `device`.

    Raises:
        PosenasError: if there is no such network, a part of it would stay fresh, or an assignment would do
            nothing or does not fit.
    """
    found, weights = find_network(name, space=space), load_initial_weights(init)
    parsed = _parsed(assignments, ("space", "head", "normalisation", "precision"))
    recipe = recipe_from_tables(merge(found.used_tables(init), parsed, flags=flags))
    fitting = tailored(recipe, make("space", recipe.space), tables=("head",))
    recipe = fitting.recipe
    made, head = make_pair(recipe.space, recipe.head)
    check_genotype(found.genotype, made.dimensions())
    known = known_set(weights.keypoints)
    keypoints = known if known and known.names == weights.keypoints else found.keypoints
    settings = _evaluation(recipe)
    if keypoints.unpaired:
        settings = replace(settings, flip_test=False)
    compute = compute_for(recipe, made)
    network, told = build_from(weights, made, found.genotype, head=head, keypoints=keypoints, compute=compute)
    prepare(network)
    normalisation = make_normalisation(recipe, head, weights.normalisation)
    view = view_of(head, normalisation)
    trained = TrainedNetwork(network, view, keypoints, settings, compute.device, recipe)
    note = f"note: {fitting.told}\n" if fitting.told else ""
    return trained, note + told + fed(normalisation)


def _parsed(assignments: Iterable[str], tables: Sequence[str]) -> list[tuple[tuple[str, ...], Any]]:
    """Return parsed assignments to options of these tables and to those of evaluations that matter.

    Raises:
        PosenasError: for one to anything else.
    """
    parsed = [parse_assignment(text) for text in assignments]
    for table, *key in (words for words, _ in parsed):
        if table not in tables and not (table == "evaluation" and key and key[0] in USED):
            raise PosenasError(
                f"--set {'.'.join((table, *key))}: predictions depend on options of the {', '.join(tables)} "
                f"and on {', '.join(f'evaluation.{name}' for name in USED)} alone"
            )
    return parsed


def _evaluation(recipe: Recipe) -> EvaluationSettings:
    settings: EvaluationSettings = make_component(
        EvaluationSettings, recipe.evaluation, where="table [evaluation]"
    )
    return settings
