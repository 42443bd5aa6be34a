"""People read from PoseTrack 2018's annotations, in the 15 keypoints that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import POSETRACK_15
from posenas.contract.samples import Person
from posenas.data.coco.people import TURNED, has_negative_box, read_person, read_pose
from posenas.data.coco.values import quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIDDEN = "people have keypoints with a place and visibility 0: they count as labelled, and as hidden"
NO_BOX = "people have no bbox: the box around their keypoints stands for it"
NOTHING = "people have neither a bbox nor a keypoint with a place: nothing is learnt from them"
NO_HEAD = "people have no bbox_head: evaluator posetrack measures them by head_bottom and head_top"
NO_TRACK = "people have no track_id, so nobody is followed in them"


def columns_of(names: object) -> list[int]:
    """Return where a file has each of the 15 keypoints that count; its two ears are never labelled.

    Args:
        names: the `keypoints` of the file's category.

    Raises:
        PosenasError: if one is missing.
    """
    known = names if isinstance(names, list) else []
    missing = [name for name in POSETRACK_15.names if name not in known]
    if missing:
        raise PosenasError(
            f"its category names {len(known)} keypoints, and not {', '.join(missing[:3])}; PoseTrack 2018 "
            f"has {', '.join(POSETRACK_15.names[:4])}, ...: read other keypoints with dataset coco"
        )
    return [known.index(name) for name in POSETRACK_15.names]


def read_tracked(
    annotation: Mapping[str, Any], *, columns: Sequence[int], keypoints: int
) -> tuple[Person, tuple[str, ...]]:
    """Return the person of an annotation, and what is odd about it.

    Args:
        annotation: an entry of `annotations`.
        columns: where the file has each of the keypoints that count.
        keypoints: how many keypoints the file has.

    Raises:
        ValueError: if something cannot be read.
    """
    values = read_pose(annotation.get("keypoints"), keypoints)[list(columns)]
    pose = _pose(values)
    track = _track(annotation.get("track_id"))
    person = replace(read_person(annotation, pose), track=track)
    labelled = bool((pose[:, 2] > 0).any())
    boxed = bool(annotation.get("bbox"))
    told = {
        HIDDEN: bool((pose[:, 2] == 1).any()),
        NO_BOX: labelled and not boxed,
        NOTHING: not labelled and not boxed,
        NO_HEAD: labelled and "head" not in person.regions,
        NO_TRACK: track is None,
        TURNED: has_negative_box(annotation),
    }
    return person, tuple(what for what, is_so in told.items() if is_so)


def _pose(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return keypoints with COCO's visibilities: 0 without a place, 1 with visibility 0, else 2.

    PoseTrack writes 1 for a visible keypoint, 0 for a hidden one, and (0, 0, 0) for one without a label.
    """
    pose = values.copy()
    placed = (values != 0).any(axis=1)
    pose[:, 2] = np.where(values[:, 2] > 0, 2.0, 1.0) * placed
    return pose


def _track(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ValueError(f"its track_id must be a whole number, not {quoted(value)}")
    return int(value)
