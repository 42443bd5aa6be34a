"""A part of a split held out as another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from posenas.annotations import hold_out
from posenas.contract.errors import PosenasError
from posenas.contract.samples import Person, Sample

SOMEBODY = Person(box=(0, 0, 1, 1), keypoints=np.ones((1, 3)), area=1)


@dataclass(frozen=True)
class Named:
    name: str

    def read(self) -> np.ndarray:
        raise NotImplementedError

    def __str__(self) -> str:
        return self.name


def samples(*names: str, nobody: tuple[str, ...] = ()) -> list[Sample]:
    return [
        Sample(index, Named(name), 9, 9, () if name in nobody else (SOMEBODY,))
        for index, name in enumerate(names)
    ]


def held(found: list[Sample], share: float, seed: int = 0, **options: str) -> list[str]:
    """The names of what is held out; what stays is checked to be the rest, in its order."""
    stay, out = hold_out(found, share, seed=seed, **options)
    chosen = {sample.id for sample in out}
    assert list(stay) == [sample for sample in found if sample.id not in chosen]
    assert [sample.id for sample in out] == sorted(chosen)
    return [str(sample.source) for sample in out]


def test_a_share_of_the_images_is_held_out() -> None:
    found = samples(*(f"{index}.jpg" for index in range(50)))
    assert [len(held(found, share)) for share in (0.001, 0.2, 0.5, 0.999)] == [1, 10, 25, 49]
    assert held(found, 0.2) == held(found, 0.2)
    assert held(found, 0.2) != held(found, 0.2, seed=1)


def test_every_image_is_held_out_equally_often() -> None:
    found = samples(*(f"{index}.jpg" for index in range(10)))
    counts = {str(sample.source): 0 for sample in found}
    for seed in range(300):
        for name in held(found, 0.3, seed):
            counts[name] += 1
    assert max(abs(count - 90) for count in counts.values()) < 30  # four standard deviations


def test_another_image_changes_the_choice_by_one() -> None:
    found = samples(*(f"{index}.jpg" for index in range(50)))
    assert len(set(held(found, 0.2)) ^ set(held(found[:-1], 0.2))) <= 2


def test_both_parts_have_people() -> None:
    names = tuple(f"{index}.jpg" for index in range(20))
    found = samples(*names, nobody=names[2:])
    for seed in range(20):
        assert len({"0.jpg", "1.jpg"} & set(held(found, 0.9, seed))) == 1


FRAMES = [
    f"/data/{folder}/{clip}_{number:05d}.jpg" for folder in "ab" for clip in "xy" for number in range(5)
]


@pytest.mark.parametrize(("together", "size"), [("image", 5), ("folder", 10), ("video", 5)])
def test_groups_stay_together(together: str, size: int) -> None:
    for seed in range(5):
        out = held(samples(*FRAMES), 0.25, seed, together=together)
        assert len(out) == size
        if together == "video":
            assert len({name[:-9] for name in out}) == 1
        if together == "folder":
            assert len({name[:7] for name in out}) == 1


def test_the_choice_does_not_depend_on_where_the_images_lie() -> None:
    moved = samples(*(name.replace("/data", "/mnt/other") for name in FRAMES))
    for seed in range(5):
        here = held(samples(*FRAMES), 0.25, seed, together="video")
        assert held(moved, 0.25, seed, together="video") == [n.replace("/data", "/mnt/other") for n in here]


def test_videos_of_roboflows_names_and_of_frames() -> None:
    hashes = ("a1" * 16, "0b" * 16, "77" * 16, "cd" * 16)
    names = [f"/d/{clip}_mp4-{n}_jpg.rf.{hashes[n]}.jpg" for clip in ("one", "two") for n in range(4)]
    assert len({name[:6] for name in held(samples(*names), 0.5, together="video")}) == 1
    frames = [f"/d/{clip}.mp4, frame {n}" for clip in ("one", "two") for n in range(4)]
    assert len({name[:6] for name in held(samples(*frames), 0.5, together="video")}) == 1


def test_one_group_is_refused() -> None:
    with pytest.raises(PosenasError, match="whole folders, and people are in 1 of them; at least 2"):
        held(samples("/d/1.jpg", "/d/2.jpg"), 0.5, together="folder")
    with pytest.raises(PosenasError, match="people are in 0 of them"):
        held([], 0.5)
