"""Boxes of people that are cropped, annotated or a detector's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from posenas.contract.samples import Sample


@dataclass(frozen=True)
class PersonCrop:
    """A box to look at.

    Attributes:
        sample: position of its image among the samples.
        box: (x, y, width, height) in pixels of the image.
        keypoints: (K, 3) pixels of the image and visibility; all zero for a detector's box.
        score: of the detector that found the box; 1 if it was annotated.
        regions: annotated boxes of the person's regions, as those of `Person`.
        scored: whether a pose in it is one of the predictions. In frames of a clip that the person has left,
            nobody is looked for.
    """

    sample: int
    box: tuple[float, float, float, float]
    keypoints: NDArray[np.float64]
    score: float = 1.0
    regions: Mapping[str, tuple[float, float, float, float]] = field(default_factory=dict)
    scored: bool = True


def person_crops(samples: Sequence[Sample], *, require_keypoints: bool = True) -> list[PersonCrop]:
    """Return a crop for each annotated person who is no crowd.

    Args:
        samples: the images of a split.
        require_keypoints: whether people without a labelled keypoint are left out.
    """
    return [
        PersonCrop(index, person.box, person.keypoints, regions=person.regions)
        for index, sample in enumerate(samples)
        for person in sample.people
        if not person.crowd and (not require_keypoints or (person.keypoints[:, 2] > 0).any())
    ]
