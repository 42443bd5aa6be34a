"""Findings on names and boxes that fit no body: keypoints in another order, and boxes that are too tight."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.finding import Finding
    from posenas.contract.keypoints import KeypointSet
    from posenas.data.checking.people_table import PeopleTable

# A box is tight if no side is farther from the labelled keypoints than this many pixels and this share of it.
_TIGHT_PIXELS = 1.0
_TIGHT_SHARE = 0.01
_FEWEST = 3
_MOST = 0.8

# The first distance is shorter than the second one in nearly every picture of a body, however it stands; of
# COCO's people at most one in twenty is an exception. SIDE is left and right in turn.
_SHORTER = (
    (("left_eye", "right_eye"), ("SIDE_shoulder", "SIDE_hip")),
    (("nose", "SIDE_eye"), ("SIDE_shoulder", "SIDE_hip")),
    (("nose", "SIDE_ear"), ("SIDE_shoulder", "SIDE_hip")),
    (("left_eye", "right_eye"), ("left_ear", "right_ear")),
    (("SIDE_ear", "SIDE_shoulder"), ("SIDE_shoulder", "SIDE_hip")),
    (("SIDE_shoulder", "SIDE_hip"), ("SIDE_shoulder", "SIDE_ankle")),
    (("SIDE_shoulder", "SIDE_elbow"), ("SIDE_shoulder", "SIDE_ankle")),
    (("SIDE_elbow", "SIDE_wrist"), ("SIDE_shoulder", "SIDE_ankle")),
    (("SIDE_hip", "SIDE_knee"), ("SIDE_shoulder", "SIDE_ankle")),
    (("SIDE_knee", "SIDE_ankle"), ("SIDE_shoulder", "SIDE_ankle")),
    (("left_hip", "right_hip"), ("SIDE_shoulder", "SIDE_ankle")),
    (("left_shoulder", "right_shoulder"), ("SIDE_shoulder", "SIDE_ankle")),
)


def body_findings(table: PeopleTable, keypoints: KeypointSet) -> Iterator[Finding]:
    """Yield findings on names in another order, and on boxes tight around the labelled keypoints.

    A single person may bend in any way, so both are told only where most people are concerned.

    Args:
        table: the people of a split.
        keypoints: the keypoint set of the dataset.
    """
    yield from _order_findings(table, keypoints)
    if _is_one_part(keypoints):  # boxes of faces and hands are made of their keypoints, a detector's too
        return
    tight = _tight(table)
    judged = int(np.count_nonzero(table.labelled.sum(axis=1) >= _FEWEST))
    if np.count_nonzero(tight) >= max(_FEWEST, _MOST * judged):
        yield from table.finding(
            "people have a box tight around their labelled keypoints, and a detector's will be larger: "
            "dataset.box_margin=0.1 makes such boxes larger, where the dataset has it",
            tight,
        )


def _is_one_part(keypoints: KeypointSet) -> bool:
    """Return whether the keypoints are those of one part of a body, such as a face."""
    return len(keypoints.parts) == 1 and "all" not in keypoints.parts


def _order_findings(table: PeopleTable, keypoints: KeypointSet) -> Iterator[Finding]:
    """Yield the finding on the first pair of limbs whose lengths are those of no body."""
    places = {name.lower().replace(" ", "_"): index for index, name in enumerate(keypoints.names)}
    for pairs, side in product(_SHORTER, ("left", "right")):
        short, long = (tuple(end.replace("SIDE", side) for end in pair) for pair in pairs)
        if not {*short, *long} <= places.keys():
            continue
        indices = [places[name] for name in (*short, *long)]
        seen = table.labelled[:, indices].all(axis=1)
        wrong = seen & (_lengths(table, indices[:2]) > _lengths(table, indices[2:]))
        if np.count_nonzero(wrong) >= max(_FEWEST, 0.5 * np.count_nonzero(seen)):
            words = f"people have {_pair(short)} farther apart than {_pair(long)}"
            yield from table.finding(f"{words}: are the keypoints named in another order?", wrong)
            return


def _lengths(table: PeopleTable, ends: list[int]) -> NDArray[np.float64]:
    first, second = table.points[:, ends].swapaxes(0, 1)
    return np.asarray(np.hypot(*(first - second).T))


def _pair(names: tuple[str, ...]) -> str:
    return " and ".join(name.replace("_", " ") for name in names)


def _tight(table: PeopleTable) -> NDArray[np.bool_]:
    """Return (T,) whether every side of the box is at the outermost labelled keypoint."""
    size = table.boxes[:, 2:]
    gaps = np.column_stack(
        [table.lowest - table.boxes[:, :2], table.boxes[:, :2] + size - table.highest],
    )
    allowed = np.maximum(_TIGHT_PIXELS, _TIGHT_SHARE * np.column_stack([size, size]))
    enough = (table.labelled.sum(axis=1) >= _FEWEST) & (size > 0).all(axis=1)
    return np.asarray(enough & (np.abs(gaps) <= allowed).all(axis=1))
