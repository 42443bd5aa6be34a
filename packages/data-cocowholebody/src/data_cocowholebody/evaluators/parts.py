"""The parts of a whole body among the keypoints of a set, found by the keypoints' names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from posenas import COCO_WHOLEBODY_133, PosenasError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from posenas import KeypointSet

PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "foot": ("left_foot", "right_foot"),
        "face": ("face",),
        "left_hand": ("left_hand",),
        "right_hand": ("right_hand",),
    }
)
"""Parts of the whole body beside the body itself, and the parts of COCO-WholeBody's set that they are of."""


def part_names(part: str) -> Sequence[str]:
    """Return the names of a part's keypoints, such as `face-0` to `face-67`, in their published order."""
    own = COCO_WHOLEBODY_133
    return [own.names[index] for name in PARTS[part] for index in own.parts[name]]


def find_part(keypoints: KeypointSet, names: Sequence[str]) -> NDArray[np.int64] | None:
    """Return the indices of the keypoints with these names; None where the set lacks some of them.

    Capitals and separators do not matter.
    """
    places = _places(keypoints)
    found = [places.get(_plain(name)) for name in names]
    return None if None in found else np.array(found, dtype=np.int64)


def require_part(keypoints: KeypointSet, part: str, *, evaluator: str) -> NDArray[np.int64]:
    """Return the indices of a part's keypoints, in their published order.

    Args:
        keypoints: the set to look in.
        part: one of PARTS.
        evaluator: who needs it, for the error's line.

    Raises:
        PosenasError: where the set lacks some of them.
    """
    names = part_names(part)
    found = find_part(keypoints, names)
    if found is not None:
        return found
    places = _places(keypoints)
    lacking = [name for name in names if _plain(name) not in places]
    raise PosenasError(
        f"{evaluator}: keypoint set {keypoints.name!r} lacks {len(lacking)} of the {len(names)} keypoints "
        f"{names[0]} to {names[-1]}, {lacking[0]} the first; choose another evaluator, such as oks"
    )


def _places(keypoints: KeypointSet) -> Mapping[str, int]:
    return {_plain(name): index for index, name in enumerate(keypoints.names)}


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
