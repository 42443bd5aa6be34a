"""`data check`: each thing that can be wrong is found, and the picture shows it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import keypoint_set_from_names
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.data.checking.check import check_dataset
from posenas.data.coco.dataset import CocoDataset
from posenas.data.drawing import LEFT, MIDDLE, RIGHT
from posenas.data.images.file_image import FileImage

NAMES = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
KEYPOINTS = keypoint_set_from_names(NAMES, limbs=[(0, 1), (2, 3), (0, 2), (1, 3)])


@dataclass(frozen=True)
class Memory:
    """A dataset of given samples."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]
    keypoint_set: KeypointSet = KEYPOINTS

    def keypoints(self) -> KeypointSet:
        return self.keypoint_set

    def splits(self) -> Sequence[str]:
        return ("train", "val")

    def split(self, name: str) -> Sequence[Sample]:
        return {"train": self.train, "val": self.val}[name]

    def instructions(self) -> str:
        return ""


POSE = np.array([(60.0, 20, 2), (40, 20, 2), (58, 60, 2), (42, 60, 1)])


def person(number: int = 1, **changes: object) -> Person:
    return Person(
        **{"box": (30.0, 10.0, 40.0, 60.0), "keypoints": POSE, "area": 2400.0, "id": number, **changes}
    )


@pytest.fixture
def good(tmp_path: Path) -> Memory:
    samples = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((80, 100, 3), 128, np.uint8))
        samples.append(Sample(number, FileImage(path), 100, 80, (person(number + 1),)))
    return Memory(tuple(samples[:4]), tuple(samples[4:]))


def findings(dataset: Memory, folder: Path) -> tuple[str, ...]:
    return check_dataset(dataset, samples=2, seed=0, out=folder / "check.png").findings


def changed(dataset: Memory, **changes: object) -> Memory:
    """With another first training sample."""
    return replace(dataset, train=(replace(dataset.train[0], **changes), *dataset.train[1:]))


def test_nothing_wrong(good, tmp_path):
    report = check_dataset(good, samples=4, seed=0, out=tmp_path / "check.png")
    assert report.findings == ()
    train, val = report.splits
    assert (train.name, train.images, train.people, train.opened) == ("train", 4, 4, 4)
    assert (val.labelled_people, val.labelled_keypoints, val.crowds) == (2, 8, 0)
    assert "nothing wrong" in str(report)
    assert json.loads(json.dumps(asdict(report)))["keypoints"] == list(NAMES)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (person(box=(30, 10, 0, 60)), "1 people have a box of no size"),
        (person(box=(130, 10, 40, 60)), "1 people have a box wholly outside"),
        (person(box=(70, 10, 40, 60)), "1 people have a box that reaches beyond"),
        (person(area=0), "1 people have no area"),
        (person(keypoints=POSE * (1, 1, 0)), "1 people have no labelled keypoint: only heads for whole"),
        (
            person(keypoints=POSE + np.array([[0, 0, 0]] * 3 + [[0, 40, 0]])),
            "1 people have labelled keypoints outside",
        ),
        (person(keypoints=POSE[[1, 0, 2, 3]]), "1 people have left and right shoulders against"),
        (person(2), "1 ids of people are used twice: 2"),
    ],
)
def test_wrong_person_is_found(good, tmp_path, wrong, says):
    (finding,) = findings(changed(good, people=(wrong,)), tmp_path)
    assert finding.startswith(f"train: {says}")


@pytest.mark.parametrize(
    "turned",
    [POSE, POSE[[1, 0, 3, 2]], np.column_stack([POSE[:, 1], POSE[:, 0], POSE[:, 2]])],
    ids=["facing", "from behind", "lying"],
)
def test_turned_person_is_not_twisted(good, tmp_path, turned):
    assert findings(changed(good, people=(person(keypoints=turned),)), tmp_path) == ()


def test_crowd_is_not_judged(good, tmp_path):
    crowd = person(9, crowd=True, box=(0, 0, 900, 900), keypoints=POSE * 0)
    assert findings(changed(good, people=(person(), crowd)), tmp_path) == ()


def test_wrong_image_files_are_found(good, tmp_path):
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "2.png"), np.zeros((40, 50, 3), np.uint8))
    missing, unreadable, resized = findings(good, tmp_path)
    assert missing == f"train: 1 images are missing: {tmp_path / '0.png'}"
    assert unreadable == f"train: 1 images cannot be read: {tmp_path / '1.png'}: the file is empty"
    assert "is 50 x 40, not 100 x 80" in resized


class Broken:
    """A stranger's source with a bug."""

    def __str__(self) -> str:
        return "frame 13"

    def read(self) -> np.ndarray:
        raise KeyError("13")


def test_a_strangers_source_that_raises_is_found(good, tmp_path):
    (told,) = findings(changed(good, source=Broken()), tmp_path)
    assert "1 images cannot be read: frame 13: KeyError: '13' (test_data_check.py, line " in told


def test_exchanged_width_and_height_are_said_so_and_labels_judged_by_the_picture(good, tmp_path):
    """The pose fits 100 x 80; the file says 80 x 100 of four of the images, and 50 x 100 of one."""
    turned = tuple(replace(sample, width=80, height=100) for sample in good.train)
    beyond = person(keypoints=POSE + np.array([30, 0, 0]), box=(60, 10, 40, 60))
    first = replace(turned[0], people=(beyond,))
    (finding,) = findings(replace(good, train=(first, *turned[1:])), tmp_path)
    assert finding.startswith("train: 4 images have width and height exchanged in the annotations: ")
    assert "0.png is 100 x 80, not 80 x 100" in finding
    wrong = replace(turned[0], width=50)
    other = findings(replace(good, train=(wrong, *turned[1:])), tmp_path)
    assert [finding[7:40] for finding in other[:2]] == [
        "3 images have width and height ex",
        "1 images have another size than a",
    ]


def test_only_so_many_images_are_opened_but_all_are_looked_for(good, tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"")
    (tmp_path / "4.png").unlink()
    report = check_dataset(good, samples=1, seed=0, out=tmp_path / "check.png", open_at_most=1)
    assert [split.opened for split in report.splits] == [1, 1]
    assert [finding[:28] for finding in report.findings] == [
        "train: 1 images cannot be re",
        "val: 1 images are missing: /"[:28],
    ]


def test_image_in_both_splits_is_found(good, tmp_path):
    (finding,) = findings(replace(good, val=(*good.val, good.train[0])), tmp_path)
    assert finding == f"1 images are in more than one split: {tmp_path / '0.png'}"


def test_image_id_used_twice_is_found(good, tmp_path):
    (finding,) = findings(changed(good, id=1), tmp_path)
    assert finding == "train: 1 image ids are used twice: 1"


def test_side_without_a_partner_is_found(good, tmp_path):
    half = keypoint_set_from_names(["left_shoulder", "right_shoulder", "left_hip", "rigth_hip"])
    (finding,) = findings(replace(good, keypoint_set=half), tmp_path)
    assert finding.startswith("1 keypoints have no known mirror image, so nothing is mirrored in training")
    assert finding.endswith(": left_hip")


def test_labels_that_never_come_are_found(good, tmp_path):
    never = person(keypoints=POSE * [[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1]])
    none = person(keypoints=POSE * 0)
    for someone, says in (
        (never, "keypoints are never labelled: right_shoulder"),
        (none, "no keypoint of any"),
    ):
        val = tuple(replace(sample, people=(replace(someone, id=0),)) for sample in good.val)
        assert any(says in finding for finding in findings(replace(good, val=val), tmp_path))


def test_findings_give_three_examples(good, tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.png").unlink()
    (finding,) = findings(good, tmp_path)
    assert finding.startswith("train: 4 images are missing: ")
    assert finding.endswith("; ...")
    assert finding.count(".png") == 3


def test_picture_shows_a_person_beside_the_mirrored_twin(good, tmp_path):
    check_dataset(good, samples=1, seed=0, out=tmp_path / "check.png")
    picture = cv2.cvtColor(cv2.imread(str(tmp_path / "check.png")), cv2.COLOR_BGR2RGB)
    middle = {colour: np.nonzero((picture == colour).all(axis=2))[1] for colour in (LEFT, RIGHT)}
    half = picture.shape[1] / 2
    for columns in (middle[LEFT], middle[RIGHT]):
        assert (columns < half).any()
        assert (columns > half).any()
    for twin in (np.less, np.greater):
        left, right = (columns[twin(columns, half)].mean() for columns in (middle[LEFT], middle[RIGHT]))
        assert left > right, "facing the camera, left is on the right of the picture, in the mirror too"


def test_same_seed_draws_the_same_picture(good, tmp_path):
    pictures = []
    for seed in (0, 0, 1):
        check_dataset(good, samples=2, seed=seed, out=tmp_path / "check.png")
        pictures.append((tmp_path / "check.png").read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_picture_that_cannot_be_written(good, tmp_path):
    with pytest.raises(PosenasError, match=r"check\.png: the picture cannot be written: No such"):
        check_dataset(good, samples=1, seed=0, out=tmp_path / "absent" / "check.png")


DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.skipif(not DATA.is_dir(), reason="no photographs: POSENAS_TEST_DATA is not set")
def test_coco_has_nothing_wrong_but_people_without_keypoints(tmp_path):
    dataset = CocoDataset(root=str(DATA / "coco-mini"))
    report = check_dataset(dataset, samples=4, seed=0, out=tmp_path / "check.png")
    assert [(split.people, split.labelled_people, split.crowds) for split in report.splits] == [
        (226, 139, 6),
        (144, 108, 1),
    ]
    assert [finding.split(" people have ")[1][:19] for finding in report.findings] == [
        "no labelled keypoint"[:19]
    ] * 2


def test_picture_of_people_with_regions_is_larger_and_shows_their_boxes(good, tmp_path):
    regions = {"left side": (0, 2), "right side": (1, 3)}
    box = (55.0, 15.0, 10.0, 50.0)
    boxed = tuple(
        replace(each, people=(replace(each.people[0], regions={"left side": box}),)) for each in good.train
    )
    whole = replace(good, train=boxed, val=(), keypoint_set=replace(KEYPOINTS, regions=regions))
    check_dataset(whole, samples=1, seed=0, out=tmp_path / "check.png")
    sheet = cv2.imread(str(tmp_path / "check.png"))[..., ::-1]
    assert sheet.shape[0] > 640
    assert sheet.shape[1] > 2 * 560
    pitch = max(40 * 1.25 / 559, 60 * 1.25 / 639)
    left = round((box[0] - 50) / pitch + 559 / 2) + 8
    top, bottom = (round((y - 40) / pitch + 639 / 2) + 26 for y in (box[1], box[1] + box[3]))
    edge = sheet[(top + bottom) // 2, left - 1 : left + 2].astype(int)
    assert (np.abs(edge - MIDDLE).sum(axis=1) < 60).any()
    mirrored = 8 + 562 + 559 - (left - 8)
    edge = sheet[(top + bottom) // 2, mirrored - 1 : mirrored + 2].astype(int)
    assert (np.abs(edge - MIDDLE).sum(axis=1) < 60).any()
