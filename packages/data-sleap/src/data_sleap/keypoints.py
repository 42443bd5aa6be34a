"""The keypoint set that label files tell: names, limbs and flip pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posenas import Finding, keypoint_set_from_names
from posenas.annotations import finding, parse_pairs, told_pairs

if TYPE_CHECKING:
    from posenas import KeypointSet

    from data_sleap.labels import Labels

_PAIRS = "keypoints have another mirror image in the file than their names tell, and the file counts"


def keypoint_set(
    labels: Labels, *, sigmas: Sequence[float], pairs: Sequence[str]
) -> tuple[KeypointSet, list[Finding]]:
    """Return the keypoints that label files name, and what is doubtful about them.

    Args:
        labels: what the files hold.
        sigmas: the dataset's option: K dimensionless OKS constants; empty goes by the names.
        pairs: the dataset's option: `LEFT:RIGHT` each; empty goes by the file, else by the names.

    Raises:
        PosenasError: if names repeat, or options do not fit them.
    """
    chosen, against = parse_pairs(pairs, labels.names), list[str]()
    if chosen is None and labels.pairs is not None:
        chosen, against = told_pairs(labels.pairs, labels.names)
    found = keypoint_set_from_names(
        labels.names, limbs=labels.limbs, sigmas=sigmas or None, name=labels.files[0].stem, pairs=chosen
    )
    return found, finding(_PAIRS, against)
