"""Scores a network with its weights: the best of a finished run, or any with weights from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from posenas.composing.after_training import check_changes
from posenas.composing.building import qualified
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.initial_weights import build_from, load_initial_weights
from posenas.composing.named_networks import find_network
from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.genotype import check_genotype
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import Evaluation
from posenas.learning.inference import predict
from posenas.networks.devices import place
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.checkpoint import tensors_of
from posenas.runs.checksums import read_result
from posenas.runs.events import Events
from posenas.runs.recipe import merge, parse_assignment, recipe_from_tables, recipe_tables
from posenas.runs.run import Run, open_run
from posenas.searching.scoring import evaluated
from posenas.searching.splits import Splits


def evaluate_run(
    path: Path, *, split: str, assignments: Iterable[str], flags: Mapping[str, Any], events: Events
) -> Evaluation:
    """Return metrics by qualified name, such as `oks.AP`, of the best network.

    Args:
        path: the run's folder.
        split: the people to score it on.
        assignments: changes of the run's recipe, such as `evaluation.boxes=FILE`.
        flags: another dataset or evaluator, by kind.
        events: hears warnings and progress.

    Raises:
        PosenasError: where the run has no result yet, the dataset has other keypoints, or a change is one
            that the weights depend on.
    """
    run, recipe = open_run(path)
    found = find_network(str(path))
    # Another evaluator has other metrics, and nothing is trained.
    tables = recipe_tables(recipe) | {"maximize": [], "minimize": [], "init": ""}
    tables = merge(tables, [parse_assignment(text) for text in assignments], flags=flags)
    changed = recipe_from_tables(tables)
    check_changes(path, trained=recipe, used=changed)
    composition = compose(changed)
    for finding in composition.findings():
        events.tell("warned", message=str(finding))
    _check_split(composition, split)
    if composition.keypoints.names != found.keypoints.names:
        raise PosenasError(
            f"{path}: predicts {_names(found.keypoints)}; this dataset has {_names(composition.keypoints)}; "
            "evaluate on one with the same keypoints in the same order"
        )
    network = place(composition.build(found.genotype), composition.compute.device)
    load_best(network, run)
    return _scored(composition, network, split, events)


def evaluate_filled(
    name: str,
    *,
    init: str,
    space: str | None,
    split: str,
    assignments: Iterable[str],
    flags: Mapping[str, Any],
    tell: Callable[[str], None],
    events: Events,
) -> Evaluation:
    """Return metrics by qualified name, such as `oks.AP`, of a network with weights from a file.

    Args:
        name: a zoo entry, a genotype's file or a run's folder.
        init: the file of the weights, or a run's folder.
        space: of a genotype's file; None for the default.
        split: the people to score it on.
        assignments: changes of the network's recipe, such as `dataset.root=FOLDER`.
        flags: another dataset or evaluator, by kind.
        tell: told what was taken from the file.
        events: hears warnings and progress.

    Raises:
        PosenasError: where there is no such network, or a part of it would stay fresh.
    """
    found = find_network(name, space=space)
    tables = merge(found.used_tables(init), [parse_assignment(text) for text in assignments], flags=flags)
    composition = compose(recipe_from_tables(tables))
    check_genotype(found.genotype, composition.space.dimensions())
    for finding in composition.findings():
        events.tell("warned", message=str(finding))
    _check_split(composition, split)
    network, told = build_from(
        load_initial_weights(init),
        composition.space,
        found.genotype,
        head=composition.head,
        keypoints=composition.keypoints,
        compute=composition.compute,
    )
    if composition.taken:
        tell(f"note: {composition.taken}")
    tell(told + composition.fed)
    return _scored(composition, network, split, events)


def _check_split(composition: Composition, split: str) -> None:
    if split not in composition.dataset.splits():
        raise PosenasError(f"no split {split!r}; {suggestion(split, composition.dataset.splits())}")


def _scored(composition: Composition, network: PoseNetwork, split: str, events: Events) -> Evaluation:
    """Return the metrics of a network with its weights, which is on the composition's device."""
    with TemporaryDirectory() as folder:
        splits = Splits(
            composition,
            warn=lambda message: events.tell("warned", message=message),
            advance=lambda task, done, total: events.tell("advanced", task=task, done=done, total=total),
            folder=Path(folder),
        )
        truth, crops = splits.evaluated(split, frames=network.frames)
        compute = composition.compute
        predictions = predict(network, crops, settings=composition.evaluation, device=compute.device)
    evaluation = evaluated(composition, predictions, truth)
    metrics = {qualified(composition.recipe, name): value for name, value in evaluation.metrics.items()}
    return Evaluation(metrics, evaluation.by_keypoint)


def load_best(network: nn.Module, run: Run) -> None:
    """Fill a network with the weights of a run's answer.

    Raises:
        PosenasError: where they are of another network.
    """
    name = "best/weights.safetensors"
    try:
        network.load_state_dict(tensors_of(read_result(run.path, name), run.path / name))
    except OSError as error:
        raise PosenasError(f"{run.path / name}: cannot be read ({error.strerror}); resume the run") from error
    except RuntimeError as error:
        raise PosenasError(
            f"{run.path}: its weights do not fit ({str(error).splitlines()[-1].strip()}); undo what was set, "
            f"or `posenas resume {run.path}` to write them anew"
        ) from error


def _names(keypoints: KeypointSet) -> str:
    return f"{len(keypoints)} keypoints ({', '.join(keypoints.names[:3])}, ...)"
