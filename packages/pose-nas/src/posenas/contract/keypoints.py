"""Keypoint sets: the one object that heads, augmentation, metrics and drawing all read.

Coordinates everywhere are (x, y) in pixels; the centre of the top-left pixel is (0, 0). Visibility is COCO's:
0 not labelled, 1 labelled but hidden, 2 visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posenas.contract.file_ids import FileId


@dataclass(frozen=True)
class KeypointSet:
    """The names, left/right pairs, OKS sigmas, limbs and parts of one kind of pose.

    Attributes:
        name: name of the set, for people to read.
        names: K keypoint names, in the order of the coordinates.
        flip_pairs: pairs of indices that a mirrored image exchanges, the person's left first.
        sigmas: K dimensionless OKS constants (COCO's `sigmas`, half of its `k`).
        limbs: pairs of indices to draw a line between.
        parts: named groups of indices (head, arms, ...); every keypoint is in at least one.
        upper_body: indices that half-body augmentation keeps together.
        unpaired: names of the keypoints whose mirror image nobody told. If there is one, nothing is mirrored,
            neither in training nor in the flip test.
        categories: ids by which COCO files and detectors know the people; results have the first.
        regions: parts of the body that may be looked at more closely, by name: the indices of the keypoints
            in each. A region and its mirror image list theirs in the same order.
    """

    name: str
    names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]
    limbs: tuple[tuple[int, int], ...]
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    upper_body: tuple[int, ...] = ()
    unpaired: tuple[str, ...] = ()
    categories: tuple[FileId, ...] = (1,)
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """The index of each keypoint's mirror image, or its own index if it has no pair."""
        order = list(range(len(self.names)))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @property
    def mirrored_regions(self) -> tuple[int, ...]:
        """The index of each region's mirror image among the regions, or its own index if it has none."""
        order, places = self.mirrored, list(self.regions.values())
        images = [tuple(order[index] for index in region) for region in places]
        return tuple(places.index(image) if image in places else own for own, image in enumerate(images))
