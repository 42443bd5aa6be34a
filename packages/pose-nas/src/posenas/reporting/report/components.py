"""The run's components, made again to be asked; one that cannot be made leaves out only its own part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from posenas.composing.building import make
from posenas.contract.components import Dataset, Head
from posenas.contract.errors import PosenasError
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.contract.scores import GroundTruth
from posenas.contract.trial import Trial
from posenas.runs.recipe import Recipe


def make_components(recipe: Recipe) -> tuple[Mapping[str, Any], Sequence[str]]:
    """Return the components by kind, and a line for each that cannot be made."""
    made, problems = {}, []
    for kind in COMPONENT_KINDS:
        try:
            made[kind] = make(kind, getattr(recipe, kind))
        except PosenasError as error:
            asked = "read" if kind == "dataset" else "asked what to show"
            problems.append(f"The {kind} cannot be {asked}: {error}")
    return made, problems


def view_kind(head: Head | None) -> str | None:
    """Return how the head sees the data; None where it cannot be asked, which costs one sentence."""
    if head is None:
        return None
    try:
        return head.view().kind
    except PosenasError:
        return None


def read_truth(dataset: Dataset | None, shown: Trial | None) -> tuple[GroundTruth | None, Sequence[str]]:
    """Return the people that the shown trial was scored on, and a line where they cannot be read.

    There are no samples where they are no split of the dataset.
    """
    if dataset is None:
        return None, []
    try:
        keypoints = dataset.keypoints()
        known = shown is not None and shown.split in dataset.splits()
        samples = dataset.split(cast(Trial, shown).split) if known else ()
    except PosenasError as error:
        return None, [f"The dataset cannot be read: {error}"]
    return GroundTruth(keypoints, samples), []
