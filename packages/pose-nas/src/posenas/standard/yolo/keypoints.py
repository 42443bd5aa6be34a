"""The keypoint set of a data set of ultralytics' form: names, mirror images and sigmas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.finding import Finding, finding
from posenas.contract.keypoint_sets import (
    COCO_17,
    KEYPOINT_SETS,
    keypoint_set_from_names,
    parse_pairs,
    told_pairs,
)

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet
    from posenas.standard.yolo.description import Description


def keypoint_set(
    description: Description,
    classes: Sequence[int],
    *,
    names: Sequence[str],
    sigmas: Sequence[float],
    pairs: Sequence[str],
    split: str,
) -> tuple[KeypointSet, list[Finding]]:
    """Return the keypoints of people of these classes, and what is doubtful about them.

    Args:
        description: what `data.yaml` says.
        classes: the numbers of the people's classes.
        names: the dataset's option `keypoint_names`: K names, or the name of a known set; empty goes by
            `kpt_names`.
        sigmas: the dataset's option: K dimensionless OKS constants; empty goes by `kpt_oks_sigmas` and names.
        pairs: the dataset's option: `LEFT:RIGHT` each; empty goes by `flip_idx` and the names.
        split: the split's name, for the findings.

    Raises:
        PosenasError: if nothing tells how many keypoints there are, or two places contradict each other.
    """
    chosen, doubts = _names(description, classes, names)
    mirrored, contradictions = _pairs(description, chosen, pairs)
    found = keypoint_set_from_names(
        chosen,
        sigmas=sigmas or description.sigmas or None,
        name=" and ".join(_class_name(description, each) for each in classes),
        pairs=mirrored,
        categories=[each + 1 for each in classes],
    )
    what = "keypoints have another mirror image in flip_idx than their names tell, and flip_idx counts"
    doubts += finding(what, contradictions)
    return found, [Finding(each.what, each.count, each.examples, split) for each in doubts]


def _class_name(description: Description, number: int) -> str:
    return description.classes.get(number, f"class {number}")


def _names(
    description: Description, classes: Sequence[int], option: Sequence[str]
) -> tuple[tuple[str, ...], list[Finding]]:
    """Return the names of the keypoints, and a finding where nobody tells them."""
    count = description.keypoints
    chosen = _chosen(option) or _described(description, classes)
    if chosen:
        if count is not None and len(chosen) != count:
            raise PosenasError(
                f"{description.file}: kpt_shape says {count} keypoints, but dataset.keypoint_names names "
                f"{len(chosen)}; mend one of them"
            )
        return chosen, []
    if count is None:
        where = f"{description.file} has no kpt_shape" if description.file else "there is no data.yaml"
        raise PosenasError(
            f"dataset yolo: {where}, so nothing tells the keypoints; name them with dataset.keypoint_names: "
            f"a list of names, or one of {', '.join(KEYPOINT_SETS)}"
        )
    if count == len(COCO_17) and description.mirrored == COCO_17.mirrored:
        what = "keypoints have no names in data.yaml; they and flip_idx are as many as COCO's, whose names "
        what += "they get; dataset.keypoint_names names others"
        return COCO_17.names, [Finding(what, count)]
    what = "keypoints have no names in data.yaml and are called by their numbers from 0; name them with "
    what += "dataset.keypoint_names (a list of names, or a known set such as coco-17)"
    return tuple(map(str, range(count))), [Finding(what, count)]


def _chosen(option: Sequence[str]) -> tuple[str, ...]:
    """Return the names that the option gives or names; empty if it is not given."""
    if len(option) != 1:
        return tuple(option)
    if option[0] not in KEYPOINT_SETS:
        raise PosenasError(
            f"dataset.keypoint_names: {option[0]!r:.40} is neither a known set of keypoints nor a list of at "
            f"least two names; {suggestion(option[0][:40], KEYPOINT_SETS)}"
        )
    return KEYPOINT_SETS[option[0]].names


def _described(description: Description, classes: Sequence[int]) -> tuple[str, ...]:
    """Return the names that `kpt_names` gives all the classes; empty if it gives none of them any.

    Raises:
        PosenasError: if classes have different names.
    """
    named = {each: description.names[each] for each in classes if each in description.names}
    if len(set(named.values())) > 1:
        told = ", ".join(_class_name(description, each) for each in named)
        raise PosenasError(
            f"{description.file}: the classes {told:.100} have different kpt_names; choose one with "
            "dataset.category"
        )
    return next(iter(named.values()), ())


def _pairs(
    description: Description, names: Sequence[str], option: Sequence[str]
) -> tuple[tuple[tuple[int, int], ...] | None, list[str]]:
    """Return the flip pairs, None to go by the names, and the keypoints about which both differ."""
    chosen = parse_pairs(option, names)
    if chosen is not None or description.mirrored is None:
        return chosen, []
    told = [(index, image) for index, image in enumerate(description.mirrored) if index < image]
    return told_pairs(told, names)
