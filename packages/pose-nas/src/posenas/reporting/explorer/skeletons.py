"""Skeletons as paths of an SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from posenas.data.region_drawing import region_chains

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet

_FAR = 2000


@dataclass(frozen=True)
class Skeleton:
    """A pose to draw: the commands of three SVG paths, each empty where nothing is on that side.

    Attributes:
        left: of the person's left side.
        right: of the person's right side.
        middle: of what lies between, or leads from side to side.
    """

    left: str
    right: str
    middle: str


def skeleton(places: NDArray[np.float64], seen: NDArray[np.bool_], *, keypoints: KeypointSet) -> Skeleton:
    """Return a pose's limbs as paths; a keypoint that no limb reaches is a dot.

    Args:
        places: (K, 2) pixels of the picture; those that are not seen may be anything.
        seen: (K,) whether a keypoint is drawn.
        keypoints: says which keypoints are joined, and which of a flip pair is left: the first.
    """
    texts = [_text(place) if shown else "" for place, shown in zip(places, seen, strict=True)]
    sides, joined = _sides(keypoints), set()
    paths = {"left": "", "right": "", "middle": ""}
    for start, end in _lines(keypoints):
        if texts[start] and texts[end]:
            joined |= {start, end}
            both = {sides[start], sides[end]} - {"middle"}
            paths[both.pop() if len(both) == 1 else "middle"] += f"M{texts[start]}L{texts[end]}"
    for index, text in enumerate(texts):
        if text and index not in joined:
            paths[sides[index]] += f"M{text}h0"
    return Skeleton(**paths)


def _text(place: NDArray[np.float64]) -> str:
    x, y = place.clip(-_FAR, _FAR).round().astype(int)
    return f"{x} {y}"


def _sides(keypoints: KeypointSet) -> Sequence[str]:
    sides = ["middle"] * len(keypoints)
    for left, right in keypoints.flip_pairs:
        sides[left], sides[right] = "left", "right"
    return sides


def _lines(keypoints: KeypointSet) -> Sequence[tuple[int, int]]:
    """Return the limbs, and the contours of regions that have none."""
    chains = [chain for region in keypoints.regions.values() for chain in region_chains(keypoints, region)]
    contours = [line for chain in chains for line in pairwise(chain)]
    return list(dict.fromkeys([*keypoints.limbs, *contours]))
