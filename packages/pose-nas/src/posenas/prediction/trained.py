"""The network of a finished run, ready to be used without the data that it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from posenas.composing.after_training import check_changes
from posenas.composing.building import build_network, compute_for, make_pair
from posenas.composing.named_networks import find_network
from posenas.composing.options import make_component
from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.contract.keypoints import KeypointSet
from posenas.learning.inference import EvaluationSettings, prepare
from posenas.networks.pose_network import PoseNetwork
from posenas.reporting.rescoring import load_best
from posenas.runs.recipe import merge, parse_assignment, recipe_from_tables, recipe_tables
from posenas.runs.run import open_run

USED = ("flip_test", "scales", "rectangular", "keypoint_threshold", "oks_nms", "box_threshold")
"""The options of the table [evaluation] that matter if nothing is scored."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network for evaluation, and how it is to be used."""

    network: PoseNetwork
    view: View
    keypoints: KeypointSet
    settings: EvaluationSettings
    device: torch.device


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
    parsed = [parse_assignment(text) for text in assignments]
    for table, *key in (words for words, _ in parsed):
        if table != "head" and not (table == "evaluation" and key and key[0] in USED):
            raise PosenasError(
                f"--set {'.'.join((table, *key))}: predictions depend on options of the head and on "
                f"{', '.join(f'evaluation.{name}' for name in USED)} alone"
            )
    trained, recipe = recipe, recipe_from_tables(merge(recipe_tables(recipe), parsed, flags=flags))
    check_changes(path, trained=trained, used=recipe)
    space, head = make_pair(recipe.space, recipe.head)
    settings: EvaluationSettings = make_component(
        EvaluationSettings, recipe.evaluation, where="table [evaluation]"
    )
    compute = compute_for(recipe, space)
    network = build_network(space, found.genotype, head=head, keypoints=found.keypoints, compute=compute)
    load_best(network, run)
    prepare(network.to(compute.device))
    return TrainedNetwork(network, head.view(), found.keypoints, settings, compute.device)
