"""COCO files: what is read from them, and what is said where they are wrong."""

from __future__ import annotations

import json
import os
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from posenas.contract.components import Dataset
from posenas.contract.errors import PosenasError
from posenas.data.coco.dataset import CocoDataset
from pycocotools.coco import COCO

NAMES = ["nose", "left_hand", "right_hand"]


def content() -> dict[str, Any]:
    """Two images, the second with nobody; a person and a crowd."""
    return {
        "categories": [
            {"id": 7, "name": "puppet", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3]]},
            {"id": 8, "name": "dog"},
        ],
        "images": [
            {"id": 5, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 3, "file_name": "b.png", "width": 20, "height": 10},
        ],
        "annotations": [
            {
                "id": 11,
                "image_id": 5,
                "category_id": 7,
                "keypoints": [10, 11.5, 2, 0, 0, 0, 22, 21, 1],
                "bbox": [4, 5, 20, 22.5],
                "area": 333.5,
                "iscrowd": 0,
            },
            {"id": 12, "image_id": 5, "category_id": 8, "bbox": [0, 0, 5, 5]},
            {"id": 13, "image_id": 5, "category_id": 7, "bbox": [1, 2, 30, 20], "iscrowd": 1},
        ],
    }


def write(root: Path, train: dict[str, Any] | None = None, val: dict[str, Any] | None = None) -> CocoDataset:
    for name, each in (("train", train or content()), ("val", val or content())):
        (root / f"{name}.json").write_text(json.dumps(each))
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(root / name), np.full((30, 40, 3), 9, np.uint8))
    return CocoDataset(root=str(root))


def test_reads_images_people_and_keypoints(tmp_path):
    dataset = write(tmp_path)
    assert isinstance(dataset, Dataset)
    keypoints = dataset.keypoints()
    assert keypoints.names == tuple(NAMES)
    assert keypoints.flip_pairs == ((1, 2),)
    assert keypoints.limbs == ((0, 1), (0, 2))
    assert list(dataset.splits()) == ["train", "val"]
    first, second = dataset.split("val")
    assert (first.id, first.width, first.height) == (5, 40, 30)
    assert (second.id, second.people) == (3, ())
    assert first.source.read().shape == (30, 40, 3)
    person, crowd = first.people
    assert (person.id, person.box, person.area, person.crowd) == (11, (4, 5, 20, 22.5), 333.5, False)
    assert person.keypoints.tolist() == [[10, 11.5, 2], [0, 0, 0], [22, 21, 1]]
    assert crowd.crowd
    assert (crowd.keypoints == 0).all()
    assert crowd.area == 600


@pytest.mark.parametrize("box", [None, [4, 5, 0, 22.5]], ids=["missing", "of no size"])
def test_box_and_area_are_derived_where_they_are_missing(tmp_path, box):
    changed = content()
    del changed["annotations"][0]["area"]
    changed["annotations"][0]["bbox"] = box
    person = write(tmp_path, val=changed).split("val")[0].people[0]
    assert person.box == (10, 11.5, 12, 9.5)
    assert person.area == 12 * 9.5


def test_skeleton_may_count_from_zero(tmp_path):
    changed = content()
    changed["categories"][0]["skeleton"] = [[0, 1], [0, 2]]
    assert write(tmp_path, val=changed).keypoints().limbs == ((0, 1), (0, 2))


def changed_annotations(**changes: Any) -> dict[str, Any]:
    """The content with these values in the first annotation."""
    changed = content()
    changed["annotations"][0] |= changes
    return changed


def read_person(tmp_path: Path, **changes: Any) -> Any:
    return write(tmp_path, val=changed_annotations(**changes)).split("val")[0].people[0]


@pytest.mark.parametrize("value", [1, 1.0, True, "1", "true", " TRUE "])
def test_crowds_in_all_spellings(tmp_path, value):
    assert read_person(tmp_path, iscrowd=value).crowd


@pytest.mark.parametrize("value", [0, 0.0, False, "0", "false", None])
def test_no_crowds_in_all_spellings(tmp_path, value):
    assert not read_person(tmp_path, iscrowd=value).crowd


@pytest.mark.parametrize("value", ["yes", "", 2, 0.5, [], {"a": 1}])
def test_other_words_for_a_crowd_are_refused(tmp_path, value):
    message = refused(write(tmp_path, val=changed_annotations(iscrowd=value)))
    assert "annotation 11: its iscrowd must be 0 or 1, not" in message


def test_nested_keypoints_are_read(tmp_path):
    nested = [[10, 11.5, 2], [0, 0, 0], [22, 21, 1]]
    assert read_person(tmp_path, keypoints=nested).keypoints.tolist() == nested


@pytest.mark.parametrize("absent", [float("nan"), None, float("inf")])
def test_what_is_no_number_does_not_matter_where_nothing_is_labelled(tmp_path, absent):
    keypoints = [10, 11.5, 2, absent, absent, 0, absent, 3, -1]
    read = read_person(tmp_path, keypoints=keypoints).keypoints
    assert read.tolist() == [[10, 11.5, 2], [0, 0, 0], [0, 0, -1]]


def test_a_box_from_another_corner_is_turned_and_noticed(tmp_path):
    dataset = write(tmp_path, val=changed_annotations(bbox=[24, 27.5, -20, -22.5]))
    assert dataset.split("val")[0].people[0].box == (4, 5, 20, 22.5)
    assert "val: 1 people have a box of negative width or height" in noticed(dataset)[1]


def noticed(dataset: CocoDataset, split: str = "val") -> list[str]:
    return [str(each) for each in dataset.noticed(split)]


def test_annotations_of_other_categories_are_noticed(tmp_path):
    changed = content()
    changed["annotations"] += [
        {**changed["annotations"][0], "id": 50 + each, "category_id": 99} for each in range(3)
    ]
    assert noticed(write(tmp_path, val=changed)) == [
        "val: 1 annotations of category_id 8 are left out: 'dog' lists no keypoints",
        "val: 3 annotations of category_id 99 are left out, though 6 keypoints of theirs are labelled: "
        "`categories` has no such entry",
    ]


def test_people_of_another_category_are_not_denied(tmp_path):
    changed = changed_annotations(category_id=99)
    del changed["annotations"][2]
    message = refused(write(tmp_path, val=changed))
    assert "no person is annotated: val: 1 annotations of category_id 99 are left out, though 2" in message


def test_a_category_may_be_text_in_one_place_and_a_number_in_the_other(tmp_path):
    assert read_person(tmp_path, category_id="7").id == 11


def test_categories_with_the_same_keypoints_are_one_set_of_people(tmp_path):
    changed = content()
    changed["categories"][1]["keypoints"] = NAMES
    changed["annotations"][1]["keypoints"] = [1, 2, 2] * 3
    dataset = write(tmp_path, val=changed)
    assert [person.id for person in dataset.split("val")[0].people] == [11, 12, 13]
    assert dataset.keypoints().categories == (7, 8)
    assert noticed(dataset) == []


def test_a_category_that_nobody_is_of_is_passed_over(tmp_path):
    changed = content()
    group = {"id": 0, "name": "group", "keypoints": ["a", "b"]}
    changed["categories"].insert(0, group)
    dataset = write(tmp_path, val=changed)
    assert dataset.keypoints().names == tuple(NAMES)
    assert dataset.keypoints().categories == (7,)


UNKNOWN = ["hub", "left_pin", "right_pin", "rim"]


@pytest.mark.parametrize(
    ("skeleton", "says"),
    [
        (
            [[1, 2], [32, 33]],
            "val: 1 lines of the skeleton join no two of keypoints 1 to 4, so it is not drawn: 32 and 33",
        ),
        (
            [[0, 4]],
            "val: 1 lines of the skeleton join no two of keypoints 0 to 3, so it is not drawn: 0 and 4",
        ),
        ([[-1, 2]], "-1 and 2"),
        ([[2, 2], [1, 4]], "2 and 2"),
        ([["hub", "rim"]], "1 skeleton is no list of pairs of keypoint numbers"),
        ([1, 2], "no list of pairs"),
        (7, "no list of pairs"),
        ([[1e400, 10**400]], "no list of pairs"),
    ],
)
def test_a_wrong_skeleton_is_left_out_and_noticed(tmp_path, skeleton, says):
    changed = with_keypoints(UNKNOWN, skeleton)
    dataset = write(tmp_path, train=changed, val=changed)
    assert dataset.keypoints().limbs == ()
    (finding,) = [each for each in noticed(dataset) if "skeleton" in each]
    assert says in finding


def with_keypoints(names: list[str], skeleton: Any) -> dict[str, Any]:
    changed = content()
    changed["categories"][0] |= {"keypoints": names, "skeleton": skeleton}
    changed["annotations"][0]["keypoints"] = [3, 4, 2] * len(names)
    return changed


def test_a_skeleton_without_the_last_keypoint_may_count_from_zero(tmp_path):
    changed = with_keypoints(UNKNOWN, [[1, 2], [2, 3]])
    dataset = write(tmp_path, train=changed, val=changed)
    assert dataset.keypoints().limbs == ((0, 1), (1, 2))
    assert "1 keypoint, number 4, is in no line of the skeleton" in noticed(dataset)[0]


HUGE = 2**127


@pytest.mark.parametrize(
    ("first", "second", "named", "numbers"),
    [
        (HUGE, HUGE + 1, HUGE, [0, 1]),
        ("000005", "000003", 5, [5, 3]),
        (5, 3, "000005", [5, 3]),
        ("64b5f0", "64b5f1", "64b5f0", [0, 1]),
        (5.0, 3.0, "5", [5, 3]),
    ],
)
def test_image_ids_of_any_size_and_kind(tmp_path, first, second, named, numbers):
    changed = changed_annotations(image_id=named, id="9f-a")
    changed["images"][0]["id"], changed["images"][1]["id"] = first, second
    changed["annotations"][2]["image_id"] = first
    samples = write(tmp_path, val=changed).split("val")
    assert [sample.id for sample in samples] == numbers
    assert [sample.written_id for sample in samples] == [first, second]
    assert [type(sample.written_id) for sample in samples] == [type(first)] * 2
    assert [person.id for person in samples[0].people] == ["9f-a", 13]


def test_windows_file_names(tmp_path):
    changed = content()
    (tmp_path / "below").mkdir()
    for image in changed["images"]:
        image["file_name"] = "below\\" + image["file_name"]
    dataset = write(tmp_path, val=changed)
    for name in ("a.png", "b.png"):
        shutil.copy(tmp_path / name, tmp_path / "below" / name)
    assert str(dataset.split("val")[0].source) == str(tmp_path / "below" / "a.png")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_a_missing_image(tmp_path, name):
    changed = content()
    changed["images"][0]["file_name"] = name
    assert len(write(tmp_path, val=changed).split("val")) == 2


def test_pairs_can_be_given(tmp_path):
    names = ["1", "2", "3"]
    changed = with_keypoints(names, [])
    write(tmp_path, train=changed, val=changed)
    unknown = CocoDataset(root=str(tmp_path))
    assert unknown.keypoints().unpaired == tuple(names)
    given = CocoDataset(root=str(tmp_path), pairs=("2:3",))
    assert (given.keypoints().flip_pairs, given.keypoints().unpaired) == (((1, 2),), ())
    assert "pairs: '2:4' is no pair" in refused(CocoDataset(root=str(tmp_path), pairs=("2:4",)))


def test_sigmas_can_be_given(tmp_path):
    write(tmp_path)
    assert CocoDataset(root=str(tmp_path), sigmas=(0.1, 0.2, 0.2)).keypoints().sigmas == (0.1, 0.2, 0.2)


@pytest.mark.parametrize("folder", ["images/train2017", "images/train", "train2017", "train", "images"])
def test_usual_folders_are_found(tmp_path, folder):
    write(tmp_path)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "train.json").rename(tmp_path / "annotations" / "person_keypoints_train2017.json")
    (tmp_path / folder).mkdir(parents=True)
    shutil.copy(tmp_path / "a.png", tmp_path / folder)
    samples = CocoDataset(root=str(tmp_path)).split("train")
    assert str(samples[0].source) == str(tmp_path / folder / "a.png")


def test_files_and_folders_can_be_named(tmp_path):
    write(tmp_path)
    (tmp_path / "train.json").rename(tmp_path / "poses.json")
    (tmp_path / "pictures").mkdir()
    dataset = CocoDataset(root=str(tmp_path), train="poses.json", train_images="pictures")
    with pytest.raises(PosenasError, match="pictures; set dataset"):
        dataset.split("train")
    (tmp_path / "a.png").rename(tmp_path / "pictures" / "a.png")
    assert len(dataset.split("train")) == 2


def refused(dataset: CocoDataset, split: str = "val") -> str:
    with pytest.raises(PosenasError) as caught:
        dataset.split(split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_root_is_needed(tmp_path):
    assert "dataset.root is not set" in refused(CocoDataset())
    assert str(tmp_path / "absent") in refused(CocoDataset(root=str(tmp_path / "absent")))


def test_missing_annotations_list_what_was_tried(tmp_path):
    message = refused(CocoDataset(root=str(tmp_path)), "train")
    for tried in ("annotations/person_keypoints_train2017.json", "annotations/train.json", " train.json"):
        assert tried in message
    assert "dataset.train" in message


def test_missing_images_list_what_was_tried(tmp_path):
    dataset = write(tmp_path)
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").unlink()
    message = refused(dataset)
    for tried in ("a.png", "images/val2017", "dataset.val_images"):
        assert tried in message


def test_unknown_split(tmp_path):
    assert "did you mean 'train'" in refused(write(tmp_path), "trian")


def test_malformed_json_names_line_and_column(tmp_path):
    dataset = write(tmp_path)
    (tmp_path / "val.json").write_text('{"images": [],\n "annotations": [}')
    message = refused(dataset)
    assert str(tmp_path / "val.json") in message
    assert "line 2, column 18" in message


def test_binary_file(tmp_path):
    dataset = write(tmp_path)
    (tmp_path / "val.json").write_bytes(b"\x80\x81\xfe\xff" * 9)
    assert "no text" in refused(dataset)


def without(key: str, entry: str, changed: dict[str, Any]) -> None:
    del changed[entry][0][key]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda c: c.pop("images"), "`images` is missing"),
        (lambda c: c.pop("annotations"), "`annotations` is missing"),
        (lambda c: c.update(annotations=[3]), "`annotations` is missing or not a list of objects"),
        (lambda c: c.update(annotations=[]), "no person is annotated"),
        (lambda c: without("keypoints", "categories", c), "found: none"),
        (lambda c: c["categories"][1].update(keypoints=["tail"]), "found: puppet, dog"),
        (lambda c: c["categories"][0].update(keypoints=[0]), "must be a list of names"),
        (lambda c: c["categories"][0].update(keypoints=["a", "a", "b"]), "a appears twice"),
        (lambda c: without("id", "categories", c), "has no id"),
        (lambda c: without("file_name", "images", c), "entry 0 of `images`"),
        (lambda c: without("width", "images", c), "image 5 has no width"),
        (lambda c: c["images"][1].update(width=0), "image 3 is 0 x 10 pixels; mend its width and height"),
        (lambda c: c["images"][1].update(height=-5), "image 3 is 20 x -5 pixels; mend its width and height"),
        (lambda c: c["images"][1].update(height=float("inf")), "image 3 has no width and height"),
        (lambda c: c["images"][1].update(id=5), "two images have the id 5"),
        (lambda c: c["annotations"][0].update(image_id=99), "image 99"),
        (lambda c: c["annotations"][0].update(image_id=None), "its image_id must be a whole number or text"),
        (lambda c: c["annotations"][0].update(keypoints=["x"] * 9), "its keypoints must be numbers"),
        (lambda c: c["annotations"][0].update(keypoints="abc"), "must be a list of numbers, not 'abc'"),
        (lambda c: c["images"][0].update(crowdIndex=float("inf")), "crowdIndex must be a number from 0"),
        (lambda c: c["images"][0].update(width=2**40), "image 5 is 1099511627776 x 30 pixels"),
        (lambda c: without("image_id", "annotations", c), "annotation 11 has no 'image_id'"),
        (lambda c: c["annotations"][0].update(keypoints=[1, 2]), "annotation 11: 2 keypoint values"),
        (lambda c: c["annotations"][0].update(keypoints=[float("nan")] * 9), "not a finite number"),
        (
            lambda c: c["annotations"][0].update(bbox=[1, 2, 3]),
            "annotation 11: its bbox must be four numbers",
        ),
        (lambda c: c["annotations"][0].update(bbox="big"), "annotation 11: its bbox must be four numbers"),
        (
            lambda c: c["annotations"][0].update(bbox=["a"] * 4),
            "annotation 11: its bbox must be four numbers",
        ),
    ],
)
def test_wrong_content_is_refused_in_a_line_that_names_the_file(tmp_path, damage, says):
    damaged = deepcopy(content())
    damage(damaged)
    message = refused(write(tmp_path, val=damaged))
    assert str(tmp_path / "val.json") in message
    assert says in message


def test_list_is_refused(tmp_path):
    dataset = write(tmp_path)
    (tmp_path / "val.json").write_text("[]")
    assert "not COCO annotations" in refused(dataset)


def test_splits_must_name_the_same_keypoints(tmp_path):
    changed = content()
    changed["categories"][0]["keypoints"] = NAMES[::-1]
    message = refused(write(tmp_path, train=changed), "train")
    assert "train.json" in message
    assert "val.json" in message
    assert "nose, left_hand, right_hand" in message


DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="no photographs: POSENAS_TEST_DATA is not set")


@real_data
@pytest.mark.parametrize("folder", ["lspet", "coco-mini"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_real_split_is_what_pycocotools_reads(folder, split):
    dataset = CocoDataset(root=str(DATA / folder))
    path = next((DATA / folder).rglob(f"*{split}*.json"))
    truth = COCO(str(path))
    samples = dataset.split(split)
    assert [sample.id for sample in samples] == [image["id"] for image in truth.dataset["images"]]
    assert all(Path(str(sample.source)).is_file() for sample in samples)
    for sample in samples:
        annotations = truth.imgToAnns[sample.id]
        assert [person.id for person in sample.people] == [each["id"] for each in annotations]
        for person, each in zip(sample.people, annotations, strict=True):
            assert person.keypoints.reshape(-1).tolist() == each["keypoints"]
            assert list(person.box) == each["bbox"]
            assert (person.area, person.crowd) == (each["area"], bool(each["iscrowd"]))


@real_data
@pytest.mark.parametrize(
    ("folder", "annotations", "images", "keypoints", "people"),
    [
        ("coco", "test_coco.json", "", 17, 14),
        ("crowdpose", "test_crowdpose.json", "", 14, 5),
        ("posetrack18", "annotations/test_posetrack18_val.json", "", 17, 14),
        ("freihand", "test_freihand.json", "", 21, 8),
        ("jhmdb", "test_jhmdb_sub1.json", "", 15, 3),
        ("mpii", "test_mpii_trb.json", "", 40, 5),
    ],
)
def test_other_datasets_in_the_format_are_read(folder, annotations, images, keypoints, people):
    dataset = CocoDataset(root=str(DATA / "samples" / folder), val=annotations, val_images=images)
    samples = dataset.split("val")
    assert len(dataset.keypoints()) == keypoints
    assert sum(len(sample.people) for sample in samples) == people
    assert samples[0].source.read().shape == (samples[0].height, samples[0].width, 3)
