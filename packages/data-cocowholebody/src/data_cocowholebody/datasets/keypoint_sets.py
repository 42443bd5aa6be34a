"""The keypoints of a face alone and of a hand alone: those of COCO-WholeBody's 133."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from posenas import COCO_WHOLEBODY_133, FACE_CONTOURS, KeypointSet

_WHOLE = COCO_WHOLEBODY_133


def _within(region: str, *, name: str, prefix: str = "") -> KeypointSet:
    """Return the keypoints of a region of the whole body as a set of their own.

    Args:
        region: its name, such as `face`.
        name: the new set's.
        prefix: what the keypoints' names lose.
    """
    first, last = min(_WHOLE.regions[region]), max(_WHOLE.regions[region])

    def within(pairs: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        return tuple((a - first, b - first) for a, b in pairs if first <= min(a, b) and max(a, b) <= last)

    names = tuple(each.removeprefix(prefix) for each in _WHOLE.names[first : last + 1])
    return KeypointSet(
        name=name,
        names=names,
        flip_pairs=within(_WHOLE.flip_pairs),
        sigmas=_WHOLE.sigmas[first : last + 1],
        limbs=within(_WHOLE.limbs),
        parts={region.removeprefix(prefix): tuple(range(len(names)))},
    )


FACE_68 = replace(
    _within("face", name="face-68"), limbs=tuple(limb for line in FACE_CONTOURS for limb in pairwise(line))
)
"""The 68 points of a face, `face-0` to `face-67` in the order of 300-W; a mirrored one exchanges sides."""

HAND_21 = _within("left_hand", name="hand-21", prefix="left_")
"""The 21 points of a hand, left or right. There are no pairs, since a mirrored hand is the other hand."""
