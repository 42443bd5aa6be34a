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
from posenas.data.coco import CocoDataset
from posenas.errors import PosenasError
from posenas.protocols import Dataset
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
        (lambda c: c.update(annotations=[3]), "`annotations` is missing or no list of objects"),
        (lambda c: c.update(annotations=[]), "no person is annotated"),
        (lambda c: without("keypoints", "categories", c), "found: none"),
        (lambda c: c["categories"][1].update(keypoints=["tail"]), "found: puppet, dog"),
        (lambda c: c["categories"][0].update(keypoints=[0]), "must be a list of names"),
        (lambda c: c["categories"][0].update(keypoints=["a", "a", "b"]), "a appears twice"),
        (lambda c: c["categories"][0].update(skeleton=[[1, 9]]), "outside"),
        (lambda c: c["categories"][0].update(skeleton=[1, 2]), "list of pairs"),
        (lambda c: without("id", "categories", c), "has no id"),
        (lambda c: without("file_name", "images", c), "entry 0 of `images`"),
        (lambda c: without("width", "images", c), "image 5 has no width"),
        (lambda c: c["images"][1].update(width=0), "image 3 is 0 x 10 pixels; mend its width and height"),
        (lambda c: c["images"][1].update(height=-5), "image 3 is 20 x -5 pixels; mend its width and height"),
        (lambda c: c["images"][1].update(height=float("inf")), "image 3 has no width and height"),
        (lambda c: c["images"][1].update(id=5), "two images have the id 5"),
        (lambda c: c["annotations"][0].update(image_id=99), "image 99"),
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
