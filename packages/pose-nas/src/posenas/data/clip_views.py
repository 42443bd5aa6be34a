"""Views of kind `clip`: crops around one person in consecutive frames of a video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from posenas.data.clips import person_clips
from posenas.data.crops import EvaluatedCrops, crop_loader
from posenas.data.person_views import read_crops, some

if TYPE_CHECKING:
    from random import Random

    from posenas.contract.batches import View
    from posenas.contract.samples import Sample
    from posenas.data.loader import ViewLoader
    from posenas.data.person_crop import PersonCrop
    from posenas.data.reading import ReadCrops
    from posenas.data.views import Reading


@dataclass(frozen=True)
class ClipViews:
    """Clips of the annotated people; see `posenas.data.views.Views`.

    Attributes:
        view: of one person in each frame.
        frames: F, of a clip; at least 2.
    """

    view: View
    frames: int
    unit: ClassVar[str] = "clips"
    finds_people: ClassVar[bool] = False

    def count(self, samples: Sequence[Sample]) -> int:
        """Return how many clips show somebody with a labelled keypoint."""
        return len(person_clips(samples, frames=self.frames).crops) // self.frames

    def loader(self, samples: Sequence[Sample], settings: Mapping[str, Any]) -> ViewLoader[ReadCrops]:
        """Return a loader of clips, whose crops lie side by side."""
        crops = self._crops(samples, settings["on_unreadable"])
        return crop_loader(crops, samples, view=self.view, frames=self.frames, **settings)

    def evaluated(self, samples: Sequence[Sample], reading: Reading) -> EvaluatedCrops:
        """Return the crops of all clips, clip by clip."""
        crops = self._crops(samples, reading.warn)
        return read_crops(crops, samples, self.view, reading=reading, frames=self.frames)

    def drawn(
        self, samples: Sequence[Sample], reading: Reading, *, number: int, rng: Random
    ) -> EvaluatedCrops:
        """Return the crops of some clips."""
        crops = self._crops(samples, reading.warn)
        chosen = some(len(crops) // self.frames, number=number, rng=rng)
        of_clips = [crops[self.frames * clip + frame] for clip in chosen for frame in range(self.frames)]
        return read_crops(of_clips, samples, self.view, reading=reading, frames=self.frames)

    def batch_of(self, number: int) -> int:
        """Return the number: batches are counted in clips."""
        return number

    def _crops(self, samples: Sequence[Sample], warn: Callable[[str], None]) -> Sequence[PersonCrop]:
        """Return the crops of all clips; what is odd about these is told."""
        clips = person_clips(samples, frames=self.frames)
        number = len(clips.crops) // self.frames
        if clips.alone == number:
            warn(
                f"none of {number} clips has a second frame: its key frame is shown {self.frames} times and "
                "scored once, so candidates score alike; give videos whose neighbouring frames are labelled"
            )
        elif clips.short:
            warn(
                f"{clips.short} of {number} clips of {self.frames} frames end with their video; its last "
                "frame is shown again, and scored once"
            )
        if clips.step > 1:
            warn(
                f"frames of clips are up to {clips.step} apart in their videos, since those between are not "
                "labelled"
            )
        if clips.absent:
            warn(
                f"{clips.absent} frames of clips lack the person of the key frame, who is covered or gone; "
                "they are not scored"
            )
        if clips.alike:
            track, image = clips.alike[0]
            warn(
                f"{len(clips.alike)} people have the track of somebody else in their image, such as track "
                f"{track} in image {image}, and no clip shows them; give every person of an image another one"
            )
        return clips.crops
