"""Clips: consecutive frames of a video in which one person is looked at, by one crop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from posenas.data.person_crop import PersonCrop

if TYPE_CHECKING:
    from posenas.contract.samples import Person, Sample


@dataclass(frozen=True)
class PersonClips:
    """The clips of a split.

    Attributes:
        crops: those of each clip side by side, F of them, with the box that the person has in the first.
        short: how many clips the video ends in; their last frame is shown again.
        alone: how many of these have one frame, the key frame: no labelled one follows it.
        absent: how many frames of clips the person is not annotated in; they are shown and not scored.
        step: the most by which the numbers of neighbouring frames of a clip differ; 1 where they are
            consecutive.
        alike: the track and the image's id of each person whose track a later one in the image has too; no
            clip shows them.
    """

    crops: Sequence[PersonCrop]
    short: int
    absent: int
    step: int = 1
    alike: Sequence[tuple[int, int]] = ()
    alone: int = 0


def person_clips(samples: Sequence[Sample], *, frames: int, require_keypoints: bool = True) -> PersonClips:
    """Return the clips of each person in each video, one after the other.

    A clip begins where the person is annotated and the clip before has ended, as a key frame does. It goes on
    through the video's next images, whether the person is in them or not, and ends where more frames are
    missing than between most, or where frames begin to lie nearer to each other or further apart. An image
    that is no frame of a video, or a person without a track, is a video of one frame.

    Args:
        samples: the images of a split.
        frames: F, of a clip.
        require_keypoints: whether clips in which nobody has a labelled keypoint are left out.
    """
    found: list[PersonCrop] = []
    short, alone, absent, largest = 0, 0, 0, 1
    for video, step in _stretches(samples):
        largest = max(largest, step)
        for track in _tracks(video, samples):
            for clip in _clips(track, video, frames=frames):
                if require_keypoints and not any((crop.keypoints[:, 2] > 0).any() for crop in clip):
                    continue
                places = {crop.sample for crop in clip}
                short += len(places) < frames
                alone += len(places) == 1
                absent += sum(not crop.scored for crop in clip[: len(places)])
                found += clip
    return PersonClips(found, short, absent, largest, _alike(samples), alone)


def samples_by_frame(samples: Sequence[Sample], *, frames: int) -> Iterator[tuple[Sample, ...]]:
    """Yield for each frame of a clip the images that are looked at there, with these people and the crowds.

    Args:
        samples: the images of a split.
        frames: F, of a clip.
    """
    crops = person_clips(samples, frames=frames).crops
    for number in range(frames):
        shown: dict[int, list[PersonCrop]] = {}
        for crop in crops[number::frames]:
            if crop.scored:
                shown.setdefault(crop.sample, []).append(crop)
        yield tuple(_with_people(samples[position], looked) for position, looked in sorted(shown.items()))


def _with_people(sample: Sample, crops: Sequence[PersonCrop]) -> Sample:
    """Return an image with the people of the crops, whose keypoints are theirs, and the crowds."""
    return replace(
        sample,
        people=tuple(
            person
            for person in sample.people
            if person.crowd or any(crop.keypoints is person.keypoints for crop in crops)
        ),
    )


def _stretches(samples: Sequence[Sample]) -> Iterator[tuple[Sequence[int], int]]:
    """Yield the positions of images of a video that follow one another, in their order, and by what step.

    The step is the same through a stretch, and at most the one between most of the video's frames, of which
    every `step`-th may be there.
    """
    videos: dict[object, list[int]] = {}
    for position, sample in enumerate(samples):
        videos.setdefault(sample.video if sample.video is not None else position, []).append(position)
    for positions in videos.values():
        ordered = sorted(positions, key=lambda position: samples[position].frame or 0)
        numbers = [samples[position].frame or 0 for position in ordered]
        steps = [after - before for before, after in pairwise(numbers)]
        usual = max(1, Counter(steps).most_common(1)[0][0]) if steps else 1
        begun = 0
        for place, step in enumerate(steps, 1):
            if step > usual or (place - begun > 1 and step != steps[begun]):
                yield ordered[begun:place], steps[begun] if place - begun > 1 else 1
                begun = place
        yield ordered[begun:], steps[begun] if len(ordered) - begun > 1 else 1


def _tracks(video: Sequence[int], samples: Sequence[Sample]) -> Iterator[dict[int, Person]]:
    """Yield each person of a video, by the places in the video where they are annotated."""
    tracks: dict[object, dict[int, Person]] = {}
    for place, position in enumerate(video):
        for number, person in enumerate(samples[position].people):
            if not person.crowd:
                name = person.track if person.track is not None else (place, number)
                tracks.setdefault(name, {})[place] = person
    yield from tracks.values()


def _alike(samples: Sequence[Sample]) -> Sequence[tuple[int, int]]:
    """Return the track and the image of each person whose track somebody later in the image has too."""
    found = []
    for sample in samples:
        tracks = Counter(person.track for person in sample.people if not person.crowd)
        found += [
            (track, sample.id)
            for track, people in tracks.items()
            if track is not None
            for _ in range(people - 1)
        ]
    return found


def _clips(track: dict[int, Person], video: Sequence[int], *, frames: int) -> Iterator[list[PersonCrop]]:
    """Yield the clips of one person.

    Args:
        track: the person, by the places in the video.
        video: the positions of its images.
        frames: F.
    """
    end, last = 0, len(video) - 1
    for begin in sorted(track):
        if begin < end:
            continue
        end = begin + frames
        yield [
            _shown(track, video, min(place, last), box=track[begin].box, scored=place <= last)
            for place in range(begin, end)
        ]


def _shown(
    track: dict[int, Person],
    video: Sequence[int],
    place: int,
    *,
    box: tuple[float, float, float, float],
    scored: bool,
) -> PersonCrop:
    """Return the crop of one frame of a clip.

    Args:
        track: the person, by the places in the video.
        video: the positions of its images.
        place: of the frame in the video.
        box: the crop's.
        scored: whether the frame is no repetition; where the person is not annotated, it is not scored.
    """
    person = track.get(place)
    if person is None:
        unknown = np.zeros_like(next(iter(track.values())).keypoints)
        return PersonCrop(video[place], box, unknown, scored=False)
    return PersonCrop(video[place], box, person.keypoints, regions=person.regions, scored=scored)
