"""Clips of people in videos: which frames they have, and how batches of them are read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.contract.batches import View
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person, Sample, UnreadableImageError
from posenas.data.augment import Augmentation
from posenas.data.clips import PersonClips, person_clips, samples_by_frame
from posenas.data.crops import crop_loader, load_crops

VIEW = View("person", 64, 48)


@dataclass(frozen=True)
class Picture:
    """A picture of one shade, which may be damaged."""

    shade: int
    damaged: bool = False

    def read(self) -> NDArray[np.uint8]:
        if self.damaged:
            raise UnreadableImageError(f"picture {self.shade} is damaged")
        return np.full((100, 100, 3), self.shade, np.uint8)


def person(track: int | None, at: float) -> Person:
    keypoints = np.column_stack([np.full(17, at), np.full(17, 50.0), np.full(17, 2.0)])
    return Person((at - 10, 30.0, 20.0, 40.0), keypoints, 800.0, track=track)


def video(name: str, *, length: int, tracks: dict[int, range], damaged: tuple[int, ...] = ()) -> list[Sample]:
    """A video whose people move by one pixel a frame."""
    first = hash(name) % 1000 * 1000
    return [
        Sample(
            first + frame,
            Picture(10 * frame, frame in damaged),
            100,
            100,
            tuple(person(track, 40.0 + frame) for track, there in tracks.items() if frame in there),
            video=name,
            frame=frame,
        )
        for frame in range(length)
    ]


def frames_of(clips: PersonClips, samples: list[Sample], *, frames: int) -> list[list[int | None]]:
    places = [samples[crop.sample].frame for crop in clips.crops]
    return [places[start : start + frames] for start in range(0, len(places), frames)]


def test_clips_follow_one_another_and_end_with_the_video() -> None:
    samples = video("a", length=7, tracks={1: range(7)})
    clips = person_clips(samples, frames=3)
    assert frames_of(clips, samples, frames=3) == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]
    assert [crop.scored for crop in clips.crops] == [True] * 7 + [False] * 2
    assert (clips.short, clips.absent) == (1, 0)


def test_all_frames_of_a_clip_have_the_first_ones_box_and_keypoints_of_their_own() -> None:
    clips = person_clips(video("a", length=3, tracks={1: range(3)}), frames=3)
    assert {crop.box for crop in clips.crops} == {(30.0, 30.0, 20.0, 40.0)}
    assert [crop.keypoints[0, 0] for crop in clips.crops] == [40.0, 41.0, 42.0]


def test_somebody_who_leaves_and_comes_back_is_shown_and_not_scored_meanwhile() -> None:
    samples = [
        Sample(
            each.id,
            each.source,
            100,
            100,
            each.people if each.frame != 1 else (),
            video="a",
            frame=each.frame,
        )
        for each in video("a", length=5, tracks={1: range(5)})
    ]
    clips = person_clips(samples, frames=3)
    assert frames_of(clips, samples, frames=3) == [[0, 1, 2], [3, 4, 4]]
    assert [crop.scored for crop in clips.crops] == [True, False, True, True, True, False]
    assert not clips.crops[1].keypoints.any()
    assert (clips.short, clips.absent) == (1, 1)


def test_tracks_and_videos_are_apart_whatever_the_order_of_the_images() -> None:
    samples = video("a", length=2, tracks={1: range(2), 2: range(1, 2)}) + video(
        "b", length=2, tracks={1: range(2)}
    )
    order = [3, 1, 0, 2]
    shuffled = [samples[index] for index in order]
    clips = person_clips(shuffled, frames=2)
    seen = [(shuffled[crop.sample].video, shuffled[crop.sample].frame) for crop in clips.crops]
    assert seen == [("b", 0), ("b", 1), ("a", 0), ("a", 1), ("a", 1), ("a", 1)]


def test_a_clip_ends_where_frames_are_missing() -> None:
    whole = video("a", length=9, tracks={1: range(9)})
    samples = [each for each in whole if each.frame not in (4, 5)]
    clips = person_clips(samples, frames=3)
    assert frames_of(clips, samples, frames=3) == [[0, 1, 2], [3, 3, 3], [6, 7, 8]]
    assert clips.step == 1


def test_clips_of_every_fourth_frame_say_so() -> None:
    samples = video("a", length=24, tracks={1: range(24)})[::4]
    clips = person_clips(samples, frames=3)
    assert frames_of(clips, samples, frames=3) == [[0, 4, 8], [12, 16, 20]]
    assert clips.step == 4


def test_people_with_a_track_that_a_later_one_has_too_are_counted() -> None:
    samples = video("a", length=3, tracks={1: range(3)})
    first = samples[1]
    doubled = replace(first, people=(person(1, 60.0), *first.people, person(None, 20.0), person(None, 80.0)))
    clips = person_clips([samples[0], doubled, samples[2]], frames=3)
    assert clips.alike == [(1, first.id)]
    assert [crop.keypoints[0, 0] for crop in clips.crops[:3]] == [40.0, 41.0, 42.0]


def test_frames_of_one_clip_lie_evenly_where_only_the_middle_of_a_video_has_each_labelled() -> None:
    whole = video("a", length=48, tracks={1: range(48)})
    samples = [each for each in whole if (each.frame or 0) % 4 == 0 or 20 <= (each.frame or 0) < 25]
    clips = person_clips(samples, frames=3)
    assert frames_of(clips, samples, frames=3) == [
        [0, 4, 8], [12, 16, 20], [21, 22, 23], [24, 24, 24], [28, 32, 36], [40, 44, 44],
    ]  # fmt: skip
    assert (clips.step, clips.alone) == (4, 1)


def test_clips_of_labelled_frames_far_apart_have_one_frame_each() -> None:
    samples = [
        each
        for name in ("a", "b")
        for each in video(name, length=30, tracks={1: range(30), 2: range(30)})
        if each.frame == 7
    ]
    clips = person_clips(samples, frames=3)
    assert (len(clips.crops), clips.alone, clips.short, clips.step) == (12, 4, 4, 1)


def test_an_image_of_no_video_is_shown_again() -> None:
    alone = [Sample(1, Picture(0), 100, 100, (person(None, 40.0), person(None, 60.0)))]
    clips = person_clips(alone, frames=3)
    assert len(clips.crops) == 6
    assert [crop.scored for crop in clips.crops] == [True, False, False] * 2
    assert all(crop.keypoints[0, 2] == 2.0 for crop in clips.crops)


def load(samples: list[Sample], told: list[str], *, workers: int = 0) -> torch.Tensor:
    loader = crop_loader(
        person_clips(samples, frames=3).crops,
        samples,
        view=VIEW,
        keypoints=COCO_17,
        augmentation=Augmentation(rotation=40.0, scale=0.3),
        seed=1,
        frames=3,
        batch_size=2,
        workers=workers,
        device=torch.device("cpu"),
        on_unreadable=told.append,
        max_unreadable=0.5,
    )
    with loader:
        batches = list(loader.epoch(0))
    return torch.cat([batch.keypoints for batch in batches])


def test_a_clip_is_augmented_as_one() -> None:
    told: list[str] = []
    keypoints = load(video("a", length=12, tracks={1: range(12)}), told).view(4, 3, 17, 2)
    moved = keypoints[:, 1:] - keypoints[:, :-1]
    torch.testing.assert_close(moved[:, 0], moved[:, 1], atol=1e-3, rtol=0)
    assert len({tuple(map(float, each)) for each in moved[:, 0, 0].round(decimals=3)}) == 4
    assert not told


@pytest.mark.parametrize("workers", [0, 1])
def test_a_clip_with_a_damaged_frame_is_left_out_and_told(workers: int) -> None:
    told: list[str] = []
    keypoints = load(video("a", length=12, tracks={1: range(12)}, damaged=(4,)), told, workers=workers)
    assert len(keypoints) == 9
    assert told == ["picture 40 is damaged; so each clip with it is left out, 3 frames long"]


def test_poses_of_repeated_and_empty_frames_are_no_predictions() -> None:
    samples = video("a", length=4, tracks={1: range(4)})
    crops = load_crops(
        person_clips(samples, frames=3).crops,
        samples,
        VIEW,
        keypoints=COCO_17,
        workers=0,
        on_unreadable=print,
        frames=3,
    )
    batches = list(crops.batches(1, device=torch.device("cpu")))
    assert [len(batch.images) for batch in batches] == [3, 3]
    from posenas.contract.batches import Poses

    found = crops.locate([Poses(batch.keypoints, batch.labelled) for batch in batches])
    assert found.image_ids.tolist() == [sample.id for sample in samples]
    np.testing.assert_allclose(found.keypoints[:, 0, 0], [40.0, 41.0, 42.0, 43.0], atol=1e-3)


def test_images_by_frame_of_a_clip_have_those_who_are_looked_at_there_and_crowds() -> None:
    samples = video("a", length=4, tracks={1: range(4), 2: range(1, 3)})
    crowd = replace(person(None, 80.0), crowd=True)
    samples[1] = replace(samples[1], people=(*samples[1].people, crowd))
    found = [
        [(each.frame, [one.track for one in each.people]) for each in of_frame]
        for of_frame in samples_by_frame(samples, frames=3)
    ]
    assert found == [[(0, [1]), (1, [2, None]), (3, [1])], [(1, [1, None]), (2, [2])], [(2, [1])]]


def test_of_a_clip_that_the_video_ends_in_nobody_is_looked_at_twice() -> None:
    lone = video("a", length=1, tracks={1: range(1)})
    assert [len(each) for each in samples_by_frame(lone, frames=3)] == [1, 0, 0]
