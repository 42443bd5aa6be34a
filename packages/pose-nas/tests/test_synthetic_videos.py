"""The drawn videos: the same frames in any order, smooth motion, and keypoints where they are drawn."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from posenas.contract.samples import Person, Sample
from posenas.data.digests import annotations_digest
from posenas.standard.synthetic import picture
from posenas.standard.synthetic.camera import cameras
from posenas.standard.synthetic.dataset import SyntheticDataset
from posenas.standard.synthetic.figure import Figure
from posenas.standard.synthetic.motion import manners
from posenas.standard.synthetic.scene import moving_scenes
from posenas.standard.synthetic.shapes import Shape
from posenas.standard.synthetic.video import Filming, moment
from posenas.standard.synthetic.world import World

VIDEOS = SyntheticDataset(train_images=240, val_images=6, frames=24, height=96, width=128)
WORLD = World(seed=0, split=0, height=96, width=128, max_people=2)
FILMING = Filming(WORLD, motion=1.0, hard_frames=0.3)


def pixels(sample: Sample) -> bytes:
    return sample.source.read().tobytes()


def tracks(samples: Sequence[Sample]) -> dict[tuple[str | None, int | None], list[tuple[int, Person]]]:
    """The frames in which each person of each video is annotated."""
    found = defaultdict(list)
    for sample in samples:
        for person in sample.people:
            assert sample.frame is not None
            found[sample.video, person.track].append((sample.frame, person))
    return found


def test_pictures_make_up_videos_and_the_last_one_may_be_shorter() -> None:
    samples = replace(VIDEOS, train_images=10, frames=4).split("train")
    assert [sample.id for sample in samples] == list(range(10))
    assert [sample.frame for sample in samples] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    names = [f"synthetic/train/{video:06d}" for video in (0, 0, 0, 0, 1, 1, 1, 1, 2, 2)]
    assert [sample.video for sample in samples] == names
    assert str(samples[6].source) == "synthetic/train/000001/000002"
    identities = [person.id for sample in samples for person in sample.people]
    assert len(identities) == len(set(identities))


def test_one_frame_draws_the_single_pictures() -> None:
    single = SyntheticDataset(train_images=12, height=96, width=128, frames=1, motion=3.0, hard_frames=1.0)
    samples, plain = (each.split("train") for each in (single, replace(single, motion=1.0, hard_frames=0.0)))
    assert annotations_digest(samples) == annotations_digest(plain)
    assert [pixels(sample) for sample in samples] == [pixels(sample) for sample in plain]
    assert {(sample.video, sample.frame) for sample in samples} == {(None, None)}
    assert {person.track for sample in samples for person in sample.people} == {None}


def test_frames_are_the_same_in_any_order_and_in_a_longer_video() -> None:
    samples = replace(VIDEOS, train_images=12, frames=6).split("train")
    forward = [pixels(sample) for sample in samples]
    backward = [pixels(pickle.loads(pickle.dumps(sample))) for sample in reversed(samples)]
    assert forward == backward[::-1]
    assert len(set(forward)) == 12
    longer = replace(VIDEOS, train_images=24, frames=12).split("train")
    assert [pixels(sample) for sample in longer[:6]] == forward[:6]
    assert annotations_digest(longer[:6]) == annotations_digest(samples[:6])


def test_seed_and_split_draw_other_videos() -> None:
    few = replace(VIDEOS, train_images=2, val_images=2, frames=2)
    firsts = [few.split("train")[1], few.split("val")[1], replace(few, seed=1).split("train")[1]]
    assert len({pixels(sample) for sample in firsts}) == 3


def test_people_move_smoothly_and_never_stand_still() -> None:
    steps = []
    for seen in tracks(VIDEOS.split("train")).values():
        for (frame, person), (later, moved) in pairwise(seen):
            both = (person.keypoints[:, 2] > 0) & (moved.keypoints[:, 2] > 0)
            if later == frame + 1 and both.any():
                apart = np.linalg.norm(moved.keypoints[both, :2] - person.keypoints[both, :2], axis=1)
                steps.append(apart)
    everybody = np.concatenate(steps)
    assert len(steps) > 150
    assert everybody.max() < 30.0
    assert everybody.min() > 0.0
    assert 0.5 < np.median(everybody) < 4.0
    assert min(apart.max() for apart in steps) > 0.05


def test_motion_is_the_speed() -> None:
    def travelled(motion: float) -> float:
        filming = replace(FILMING, motion=motion)
        shown = [moment(filming, video, frame) for frame in range(2) for video in range(40)]
        seconds = np.array([each.seconds for each in shown])
        points = moving_scenes(WORLD, [each.scene for each in shown], seconds).keypoints[:, 0, :17, :2]
        return float(np.median(np.abs(points[40:] - points[:40])))

    assert travelled(0.0) == 0.0
    assert travelled(2.0) == pytest.approx(2.0 * travelled(1.0), rel=0.2)


def test_a_walking_foot_stays_on_the_ground() -> None:
    """The slower foot of people who walk moves much less than their hips do."""
    world = replace(WORLD, height=960, width=1280)
    indices = range(60)
    walks = manners(world, indices).walks[:, 0] & (cameras(world, indices).follows >= 0.4)
    assert walks.sum() > 8

    def points(seconds: float) -> np.ndarray:
        scene = moving_scenes(world, indices, np.full(60, seconds))
        return (scene.keypoints[:, 0, :, :2] - scene.pan[:, None])[walks]

    path = np.stack([points(frame / 25.0) for frame in range(25)])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=-1)
    feet = np.minimum(steps[..., 17:20].min(axis=-1), steps[..., 20:23].min(axis=-1))
    hips = steps[..., 11:13].mean(axis=-1)
    assert np.median(feet.mean(axis=0) / hips.mean(axis=0)) < 0.5


def test_a_cut_ends_all_tracks() -> None:
    shots = [[moment(FILMING, video, frame) for frame in range(150)] for video in range(20)]
    for video in shots:
        for before, after in pairwise(video):
            assert after.shot - before.shot in (0, 1)
            assert (after.seconds == 0.0) == (after.shot > before.shot)
    lengths = np.array([len({each.shot for each in video}) for video in shots])
    assert lengths.min() >= 3
    assert lengths.max() <= 9
    scenes = [each.scene for video in shots for each in video]
    assert len(set(scenes)) == lengths.sum()
    people = replace(VIDEOS, train_images=150, frames=150).split("train")
    for sample, shown in zip(people, shots[0], strict=True):
        assert all(person.track in (2 * shown.shot + 1, 2 * shown.shot + 2) for person in sample.people)


def test_people_leave_and_enter_while_a_shot_goes_on() -> None:
    left = entered = 0
    samples = replace(VIDEOS, train_images=960).split("train")
    shots = [moment(FILMING, *divmod(sample.id, 24)).shot for sample in samples]
    for (sample, shot), (later, later_shot) in pairwise(zip(samples, shots, strict=True)):
        if sample.video == later.video and shot == later_shot:
            before, after = ({person.track for person in each.people} for each in (sample, later))
            left, entered = left + len(before - after), entered + len(after - before)
    assert left >= 1
    assert entered >= 1


def test_labels_lie_in_the_picture() -> None:
    for sample in replace(VIDEOS, points=133).split("train"):
        for person in sample.people:
            x, y, width, height = person.box
            assert 0 <= x < x + width <= 127
            assert 0 <= y < y + height <= 95
            labelled = person.keypoints[person.keypoints[:, 2] > 0]
            assert len(labelled) >= 3
            assert (labelled[:, :2] >= np.array([x, y]) - 0.51).all()
            assert (labelled[:, :2] <= np.array([x + width, y + height]) + 0.51).all()


def test_an_object_that_passes_hides_people_for_a_while() -> None:
    """Somebody clear is mostly hidden some frames later, and clear again after that."""
    hidden = 0
    for seen in tracks(replace(VIDEOS, train_images=480).split("train")).values():
        shares = np.array([(person.keypoints[:, 2] == 2).mean() for _, person in seen])
        low = int(shares.argmin())
        hidden += bool(shares[low] < 0.3 and shares[:low].size and shares[:low].max() > 0.7)
    assert hidden >= 3


def off_centre(sample: Sample, keypoint: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """How many pixels the centre of a disc, drawn at a keypoint in the place of people, is from its label."""
    turn = 2.0 * np.pi * np.arange(16) / 16
    disc = 4.0 * np.stack([np.cos(turn), np.sin(turn)], axis=1)

    def drawn(colour: float) -> np.ndarray:
        def shapes(figure: Figure, *_: object) -> list[Shape]:
            return [Shape(0.0, figure.keypoints[keypoint, :2] + disc, np.full(3, colour))]

        monkeypatch.setattr(picture, "person_shapes", shapes)
        return sample.source.read().astype(float).sum(axis=-1)

    weight = np.abs(drawn(255.0) - drawn(0.0))
    weight[weight < 0.02 * weight.max()] = 0.0
    rows, columns = np.indices(weight.shape)
    centre = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    return float(np.abs(centre - sample.people[0].keypoints[keypoint, :2]).max())


@pytest.mark.parametrize(
    ("frames", "motion", "hard_frames"),
    [
        pytest.param(1, 1.0, 0.0, id="pictures"),
        pytest.param(24, 1.0, 0.0, id="frames"),
        pytest.param(24, 0.01, 1.0, id="hard frames"),
    ],
)
def test_keypoints_lie_where_they_are_drawn(
    monkeypatch: pytest.MonkeyPatch, frames: int, motion: float, hard_frames: float
) -> None:
    """A disc at a wrist has its centre at the label; so it has where the frame is blurred in any way."""
    monkeypatch.setattr(picture, "object_shapes", lambda *_: [])
    dataset = replace(VIDEOS, max_people=1, train_images=60, height=160, width=200)
    samples = replace(dataset, frames=frames, motion=motion, hard_frames=hard_frames).split("train")
    inside = [
        sample
        for sample in samples
        if sample.people
        and sample.people[0].keypoints[9, 2]
        and (np.abs(sample.people[0].keypoints[9, :2] - [100, 80]) < [70, 50]).all()
    ]
    assert len(inside) > 20
    assert max(off_centre(sample, 9, monkeypatch) for sample in inside[:20]) < 0.5
