"""Views of kind `person`: a crop around one person in one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from posenas.data.augment import Augmentation
from posenas.data.crops import EvaluatedCrops, crop_loader, load_crops
from posenas.data.person_crop import PersonCrop, person_crops

if TYPE_CHECKING:
    from random import Random

    from posenas.contract.batches import View
    from posenas.contract.samples import Sample
    from posenas.data.detected_poses import DetectionRules
    from posenas.data.loader import ViewLoader
    from posenas.data.reading import ReadCrops
    from posenas.data.views import Reading


@dataclass(frozen=True)
class PersonViews:
    """Crops around the annotated people; see `posenas.data.views.Views`."""

    view: View
    unit: ClassVar[str] = "people"
    finds_people: ClassVar[bool] = False
    augmentation: ClassVar[type[Any]] = Augmentation

    def count(self, samples: Sequence[Sample]) -> int:
        """Return how many people have a labelled keypoint."""
        return len(person_crops(samples))

    def loader(self, samples: Sequence[Sample], settings: Mapping[str, Any]) -> ViewLoader[ReadCrops]:
        """Return a loader of one crop for each person."""
        return crop_loader(person_crops(samples), samples, view=self.view, **settings)

    def evaluated(self, samples: Sequence[Sample], reading: Reading) -> EvaluatedCrops:
        """Return a crop for each person, by the annotated boxes."""
        return read_crops(person_crops(samples), samples, self.view, reading=reading)

    def drawn(
        self, samples: Sequence[Sample], reading: Reading, *, number: int, rng: Random
    ) -> EvaluatedCrops:
        """Return the crops of some people."""
        crops = person_crops(samples)
        chosen = some(len(crops), number=number, rng=rng)
        return read_crops([crops[place] for place in chosen], samples, self.view, reading=reading)

    def batch_of(self, number: int) -> int:
        """Return the number: batches are counted in people."""
        return number


def read_crops(
    crops: Sequence[PersonCrop],
    samples: Sequence[Sample],
    view: View,
    *,
    reading: Reading,
    rules: DetectionRules | None = None,
    frames: int = 1,
) -> EvaluatedCrops:
    """Return the crops of these boxes; see `load_crops`.

    Args:
        crops: at least one.
        samples: the images that the crops point into.
        view: the size and the rule of the crops.
        reading: how they are read.
        rules: how poses in a detector's boxes are judged; None if the boxes are annotated.
        frames: the crops of a clip, which lie side by side.

    Raises:
        PosenasError: as `load_crops` does.
    """
    return load_crops(
        crops,
        samples,
        view,
        keypoints=reading.keypoints,
        workers=reading.workers,
        on_unreadable=reading.warn,
        max_unreadable=reading.max_unreadable,
        rules=rules,
        progress=reading.progress,
        folder=reading.folder,
        frames=frames,
    )


def some(there: int, *, number: int, rng: Random) -> list[int]:
    """Return the places of this many of those that are there, in their order; all where there are fewer."""
    return sorted(rng.sample(range(there), min(number, there)))
