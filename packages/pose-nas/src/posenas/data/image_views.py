"""Views of kind `image`: whole images, in which the head finds people by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from posenas.data.mosaic import ImageAugmentation
from posenas.data.person_views import some
from posenas.data.whole_images import EvaluatedImages, ReadImages, image_loader, size_for

if TYPE_CHECKING:
    from random import Random

    from posenas.contract.batches import View
    from posenas.contract.samples import Sample
    from posenas.data.loader import ViewLoader
    from posenas.data.views import Reading


@dataclass(frozen=True)
class ImageViews:
    """Whole images, those without people among them; see `posenas.data.views.Views`."""

    view: View
    unit: ClassVar[str] = "images"
    finds_people: ClassVar[bool] = True
    augmentation: ClassVar[type[Any]] = ImageAugmentation

    def count(self, samples: Sequence[Sample]) -> int:
        """Return how many images there are."""
        return len(samples)

    def loader(self, samples: Sequence[Sample], settings: Mapping[str, Any]) -> ViewLoader[ReadImages]:
        """Return a loader of one picture for each image."""
        return image_loader(samples, view=self.view, **settings)

    def evaluated(self, samples: Sequence[Sample], reading: Reading) -> EvaluatedImages:
        """Return all images; they are read when they are first shown."""
        return EvaluatedImages(
            samples,
            self.view,
            reading.keypoints,
            rectangular=reading.rectangular,
            workers=reading.workers,
            on_unreadable=reading.warn,
            max_unreadable=reading.max_unreadable,
            progress=reading.progress,
        )

    def drawn(
        self, samples: Sequence[Sample], reading: Reading, *, number: int, rng: Random
    ) -> EvaluatedImages:
        """Return some of the images."""
        chosen = some(len(samples), number=number, rng=rng)
        return self.evaluated([samples[place] for place in chosen], reading)

    def batch_of(self, number: int) -> int:
        """Return the people whose views have as many pixels as this number of images."""
        return size_for(number, self.view)
