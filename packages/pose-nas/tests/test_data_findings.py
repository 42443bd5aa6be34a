"""What annotations alone show to be wrong: each kind once, and nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from posenas.contract.finding import Finding
from posenas.contract.keypoint_sets import keypoint_set_from_names
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.data.checking.findings import find
from posenas.data.images.file_image import FileImage
from posenas.standard.synthetic.dataset import SyntheticDataset

KEYPOINTS = keypoint_set_from_names(["nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip"])
POSE = np.array([(50.0, 20, 2), (60, 30, 2), (40, 30, 2), (58, 70, 2), (42, 70, 1)])


@dataclass(frozen=True)
class Memory:
    """A dataset of given samples, and of what it says that it noticed."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    keypoint_set: KeypointSet = KEYPOINTS
    remarks: tuple[Finding, ...] = ()

    def keypoints(self) -> KeypointSet:
        return self.keypoint_set

    def splits(self) -> Sequence[str]:
        return ("train", "val")

    def split(self, name: str) -> Sequence[Sample]:
        return self.train if name == "train" else self.val

    def instructions(self) -> str:
        return ""

    def noticed(self, split: str) -> Sequence[Finding]:
        return [each for each in self.remarks if each.split == split]


def person(number: int, keypoints: NDArray[np.float64] = POSE, **changes: Any) -> Person:
    return replace(Person((35.0, 15.0, 30.0, 60.0), keypoints, 900.0, id=number), **changes)


def sample(number: int, *people: Person) -> Sample:
    return Sample(number, FileImage(Path(f"{number}.png")), 100, 80, people)


def samples(first: int, change: Callable[[Person], Person] = lambda each: each) -> tuple[Sample, ...]:
    """Six images; every pose is another one."""
    moved = [POSE + np.array([number / 8, 0, 0]) for number in range(first, first + 6)]
    return tuple(
        sample(number, change(person(number, pose))) for number, pose in enumerate(moved, start=first)
    )


def found(change: Callable[[Person], Person] = lambda each: each, **changes: Any) -> list[str]:
    dataset = replace(Memory(samples(1, change), samples(11)), **changes)
    return [str(each) for each in find(dataset)]


def labels(change: Callable[[NDArray[np.float64]], None]) -> Callable[[Person], Person]:
    """A change of the labels of everybody."""

    def changed(each: Person) -> Person:
        keypoints = each.keypoints.copy()
        change(keypoints)
        return replace(each, keypoints=keypoints)

    return changed


def put(rows: Any, columns: Any, value: Any) -> Callable[[Person], Person]:
    return labels(lambda keypoints: keypoints.__setitem__((rows, columns), value))


def test_nothing_wrong():
    assert found() == []


@pytest.mark.parametrize("points", [17, 133])
def test_the_built_in_data_has_nothing_wrong(points):
    assert find(SyntheticDataset(points=points, train_images=300, val_images=100)) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put(0, slice(0, 2), 0), "6 labelled keypoints lie at exactly (0, 0)"),
        (put(0, slice(0, 2), 2), "6 people have labelled keypoints far outside their box"),
        (put(0, slice(0, 2), (18, 40)), "6 people have labelled keypoints far outside their box"),
        (put(1, 2, 0.37), "6 keypoints have a visibility other than 0, 1 or 2, as of a confidence"),
        (put(1, 2, -1), "6 keypoints have a visibility below 0"),
        (labels(lambda each: each.__imul__((0.01, 0.01, 1))), "6 people have keypoints or a box within 0..1"),
        (
            lambda each: replace(each, box=(0.3, 0.2, 0.3, 0.7)),
            "6 people have keypoints or a box within 0..1",
        ),
        (
            lambda each: replace(each, box=(35.0, 15.0, 70.0, 78.0)),
            "6 people have a box that fits their keypoints only as two corners",
        ),
        (
            lambda each: replace(each, box=(50.0, 45.0, 30.0, 60.0)),
            "6 people have a box that fits their keypoints only as centre and size",
        ),
        (lambda each: replace(each, box=(50.0, 50.0, 1.0, 1.5)), "6 people have a box below 2 pixels"),
        (lambda each: replace(each, area=1e300), "6 people have an area larger than their image"),
        (lambda each: replace(each, area=7300.0), "6 people have an area larger than their image"),
        (lambda each: replace(each, area=0.11), "6 people have an area of at most one square pixel"),
        (lambda each: replace(each, area=0.0), "6 people have no area"),
        (
            lambda each: replace(each, box=(35.0, 15.0, 1e300, 60.0)),
            "6 people have a box that reaches beyond",
        ),
        (put(0, 0, -1e300), "6 people have labelled keypoints outside their image"),
        (
            lambda each: replace(each, crowd=True),
            "6 people are left out because iscrowd is 1, though 30 keypoints of theirs are labelled",
        ),
        (put(slice(None), 2, 0), "no keypoint of anybody is labelled"),
    ],
)
def test_each_wrong_is_told(change, says):
    assert any(finding.startswith(f"train: {says}") for finding in found(change)), found(change)


def test_somebody_who_is_outside_is_one_finding() -> None:
    outside = person(99, np.zeros((5, 3)), box=(0.0, 0.0, 0.0, 0.0), area=0.0)
    first, *others = samples(1)
    dataset = replace(
        Memory((), samples(11)), train=(replace(first, people=(*first.people, outside)), *others)
    )
    (told,) = find(dataset)
    assert told.count == 1
    assert told.what.startswith("people have neither a box nor a labelled keypoint")
    assert "person 99" in str(told)


@pytest.mark.parametrize(("margin", "told"), [(0.0, True), (0.9, True), (2.0, False)])
def test_boxes_tight_around_the_keypoints_are_told(margin: float, told: bool) -> None:
    def change(each: Person) -> Person:
        (left, top), (right, bottom) = each.keypoints[:, :2].min(axis=0), each.keypoints[:, :2].max(axis=0)
        box = left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin
        return replace(each, box=tuple(map(float, box)))

    says = [each for each in found(change) if "tight around their labelled keypoints" in each]
    assert [each[:14] for each in says] == (["train: 6 people"[:14]] if told else [])
    if told:
        assert "dataset.box_margin=0.1" in says[0]


@pytest.mark.parametrize(("part", "told"), [("face", 0), ("all", 2)])
def test_boxes_of_one_part_of_a_body_may_be_tight(part: str, told: int) -> None:
    keypoints = replace(KEYPOINTS, parts={part: tuple(range(5))})
    low, high = POSE[:, :2].min(axis=0), POSE[:, :2].max(axis=0)
    box = (*low.tolist(), *(high - low).tolist())
    people = tuple(sample(number, person(number, box=box)) for number in range(3))
    others = tuple(
        sample(number, person(number, POSE + np.array([1, 0, 0]), box=box)) for number in range(3, 6)
    )
    dataset = Memory(people, others, keypoint_set=keypoints)
    assert sum("tight around" in str(each) for each in find(dataset)) == told


BODIES = SyntheticDataset(points=17, train_images=150, val_images=20)


def renamed(order: Sequence[int]) -> list[str]:
    """What is found if keypoint order[k] of a body is called as keypoint k."""

    def change(each: Sample) -> Sample:
        people = [replace(person, keypoints=person.keypoints[list(order)]) for person in each.people]
        return replace(each, people=tuple(people))

    train = tuple(map(change, BODIES.split("train")))
    return [str(each) for each in find(Memory(train, (), BODIES.keypoints())) if "farther apart" in str(each)]


def test_names_in_their_order_are_not_told() -> None:
    assert renamed(range(17)) == []
    assert renamed(BODIES.keypoints().mirrored) == []  # left and right exchanged are a body too


@pytest.mark.parametrize("seed", range(20))
def test_names_in_any_other_order_are_told(seed: int) -> None:
    (told,) = renamed(np.random.default_rng(seed).permutation(17).tolist())
    assert "are the keypoints named in another order?" in told


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ([0, 1, 3, 5, 7, 9, 11, 13, 15, 2, 4, 6, 8, 10, 12, 14, 16], "farther apart"),
        (sorted(range(17), key=lambda index: BODIES.keypoints().names[index]), "left eye and right eye"),
        (list(range(17))[::-1], "left eye and right eye farther apart than left shoulder and left hip"),
        ([*range(5), *range(11, 17), *range(5, 11)], "farther apart"),
        ([*range(11), 15, 16, 13, 14, 11, 12], "left shoulder and left hip farther apart than left shoulder"),
    ],
    ids=["left before right", "by the alphabet", "backwards", "legs before arms", "legs from the ankle"],
)
def test_orders_of_other_tools_are_told(order: list[int], says: str) -> None:
    (told,) = renamed(order)
    assert says in told


def test_labels_in_the_files_usual_forms_are_not_wrong():
    assert found(put(0, slice(None), (0, 0, 0))) == ["train: 1 keypoints are never labelled: nose"]
    assert found(put(slice(None), 2, 1)) == []


def test_the_same_picture_in_both_splits_whatever_its_name():
    train, val = samples(1), samples(11)
    assert found(val=(*val, train[0])) == ["1 images are in more than one split: 1.png"]
    copied = replace(train[0], source=FileImage(Path("copies/a.png")))
    (finding,) = found(val=(*val, copied))
    assert finding.startswith("2 images of different splits have other names and the same labels")


def test_one_picture_under_two_ids():
    train = samples(1)
    (finding,) = found(train=(*train, replace(train[0], id=99, people=())))
    assert finding == "train: 1 images are listed under more than one id: 1.png"


def test_width_and_height_that_are_exchanged_are_told_without_a_picture():
    """The people reach beyond 80 x 100 in x, and fit 100 x 80."""

    def to_the_right(each: Person) -> Person:
        return replace(each, box=(65.0, 15.0, 30.0, 60.0), keypoints=np.add(each.keypoints, (30, 0, 0)))

    people = samples(1, to_the_right)
    turned = tuple(replace(each, width=80, height=100) for each in people)
    (finding,) = found(train=turned)
    assert finding.startswith("train: 6 images have width and height exchanged, as far as labels tell")
    few = found(train=(*turned[:2], *people[2:]))
    assert few[0].startswith("train: 2 people have a box that reaches beyond"), "two are too few to tell"


def test_what_the_dataset_noticed_is_told_with_its_split():
    remarks = (Finding("annotations are left out", 4, split="train"), Finding("more", 1, split="val"))
    assert found(remarks=remarks) == ["train: 4 annotations are left out", "val: 1 more"]


@dataclass(frozen=True)
class WithPairs(Memory):
    pairs: tuple[str, ...] = ()


def test_unknown_pairs_name_the_option():
    unknown = keypoint_set_from_names(list("12345"))
    (finding,) = map(str, find(WithPairs(samples(1), samples(11), keypoint_set=unknown)))
    assert finding.startswith("5 keypoints have no known mirror image")
    assert "dataset.pairs=LEFT:RIGHT" in finding
    assert "dataset.pairs=none" in finding


def test_unknown_pairs_of_a_dataset_without_the_option_name_the_function():
    (finding,) = found(keypoint_set=keypoint_set_from_names(list("12345")))
    assert "keypoint_set_from_names(names, pairs=...)" in finding
    assert "dataset.pairs" not in finding


def test_a_line_is_one_line_of_at_most_400_characters():
    line = str(Finding("images are missing", 9, ("/a" * 900 + "/name.jpg", "b\n" * 500, "c"), "train"))
    assert len(line) <= 400
    assert "\n" not in line
    assert "name.jpg" in line


def test_boxes_of_regions_without_area_or_elsewhere_are_told() -> None:
    whole = replace(KEYPOINTS, regions={"trunk": (1, 2, 3, 4), "hip": (3, 4)})
    boxes = [
        {"trunk": (38.0, 28.0, 24.0, 44.0)},
        {"trunk": (38.0, 28.0, 0.0, 44.0)},
        {"trunk": (5.0, 5.0, 9.0, 9.0), "hip": (40.0, 69.0, 20.0, 2.0)},
        {},
        {"head": (0.0, 0.0, 0.0, 0.0)},
    ]
    everybody = [
        person(number, POSE + np.array([number / 8, 0, 0]), regions=each)
        for number, each in enumerate(boxes, start=1)
    ]
    images = tuple(sample(each.id, each) for each in everybody)
    assert [str(each) for each in find(Memory(images, (), whole), ["train"])] == [
        "train: 1 people have a box of no area for region trunk, which counts as none: 2.png, person 2",
        "train: 1 people have most labelled keypoints of region trunk outside its box: 3.png, person 3",
    ]
