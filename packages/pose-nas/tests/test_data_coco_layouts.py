"""Where annotations and images of COCO's form are found, and what is said if they are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from posenas.contract.errors import PosenasError
from posenas.data.coco.dataset import CocoDataset

NAMES = ["nose", "left_hand", "right_hand"]


def content(*names: str, category: int = 1) -> dict[str, Any]:
    """A person in each image, whose nose is at the image's number."""
    return {
        "categories": [{"id": category, "name": "person", "keypoints": NAMES}],
        "images": [{"id": i, "file_name": n, "width": 90, "height": 90} for i, n in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": category, "keypoints": [i + 1, 5, 2, 9, 9, 2, 8, 8, 2]}
            for i in range(len(names))
        ],
    }


def write(root: Path, files: dict[str, dict[str, Any]], images: list[str]) -> str:
    for file, each in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(json.dumps(each))
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).touch()
    return str(root)


def sources(dataset: CocoDataset, split: str) -> list[str]:
    return [Path(str(each.source)).relative_to(dataset.root).as_posix() for each in dataset.split(split)]


def refused(dataset: CocoDataset, split: str = "val") -> str:
    with pytest.raises(PosenasError) as caught:
        dataset.split(split)
    return str(caught.value)


LAYOUTS = {
    "subsets of CVAT": ("annotations/person_keypoints_{}.json", "images/{}", ("Train", "Validation")),
    "Roboflow": ("{}/_annotations.coco.json", "{}", ("train", "valid")),
    "FiftyOne": ("default_{}/labels.json", "default_{}/data", ("train", "val")),
    "two tasks of CVAT": (
        "{}/annotations/person_keypoints_default.json",
        "{}/images/default",
        ("train", "val"),
    ),
    "captions beside": ("annotations/keypoints_{}2014.json", "{}2014", ("train", "val")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_without_options(tmp_path: Path, layout: str) -> None:
    annotations, images, subsets = LAYOUTS[layout]
    files = {annotations.format(each): content("1.jpg", "2.jpg") for each in subsets}
    if layout == "captions beside":
        files |= {f"annotations/captions_{each}2014.json": {} for each in subsets}
    places = [[f"{images.format(each)}/{number}.jpg" for number in (1, 2)] for each in subsets]
    dataset = CocoDataset(root=write(tmp_path, files, [*places[0], *places[1]]))
    assert [sources(dataset, split) for split in ("train", "val")] == places
    assert dataset.noticed("train") == ()


@pytest.mark.parametrize("name", ["annotations/person_keypoints_default.json", "result.json", "labels.json"])
def test_one_file_is_divided(tmp_path: Path, name: str) -> None:
    names = [f"{number}.jpg" for number in range(20)]
    root = write(tmp_path, {name: content(*names, category=3)}, [f"images/default/{each}" for each in names])
    dataset = CocoDataset(root=root, val_share=0.2)
    train, val = sources(dataset, "train"), sources(dataset, "val")
    assert (len(train), len(val)) == (16, 4)
    assert sorted([*train, *val]) == sorted(f"images/default/{each}" for each in names)
    assert dataset.keypoints().categories == (3,)
    assert sources(CocoDataset(root=root, val_share=0.2, val_seed=1), "val") != val
    message = refused(CocoDataset(root=root))
    assert "there is no" in message
    assert f"but {name}; set dataset.train and dataset.val; or dataset.val_share=0.2 holds out" in message


def test_what_was_noticed_about_one_file_is_told_once(tmp_path: Path) -> None:
    changed = content("1.jpg", "2.jpg")
    changed["annotations"].append({"id": 9, "image_id": 0, "category_id": 7})
    dataset = CocoDataset(root=write(tmp_path, {"a.json": changed}, ["1.jpg", "2.jpg"]), val_share=0.5)
    assert str(dataset.noticed("train")[0]).startswith("1 annotations of category_id 7 are left out")
    assert dataset.noticed("val") == ()


def test_groups_that_stay_together_are_the_folders_of_the_images(tmp_path: Path) -> None:
    names = [f"{clip}/{number}.jpg" for clip in "abc" for number in range(4)]
    root = write(tmp_path, {"a.json": content(*names)}, names)
    dataset = CocoDataset(root=root, val_share=0.3, val_together="folder")
    assert len({name[0] for name in sources(dataset, "val")}) == 1
    assert len(sources(dataset, "val")) == 4


def test_a_share_and_a_file_of_val_contradict_each_other(tmp_path: Path) -> None:
    files = {"train.json": content("1.jpg", "2.jpg"), "val.json": content("3.jpg")}
    root = write(tmp_path, files, ["1.jpg", "2.jpg", "3.jpg"])
    assert "but there is val.json too" in refused(CocoDataset(root=root, val_share=0.5, val="val.json"))
    assert "val.json too; give dataset.train" in refused(CocoDataset(root=root, val_share=0.5))
    given = CocoDataset(root=root, val_share=0.5, train="train.json")
    assert len(sources(given, "train")) == len(sources(given, "val")) == 1


def test_several_fitting_files_are_told(tmp_path: Path) -> None:
    files = {f"{name}/{split}.json": content("1.jpg") for name in "ab" for split in ("train", "val")}
    message = refused(CocoDataset(root=write(tmp_path, files, ["1.jpg"])))
    assert "2 files may hold val: a/val.json, b/val.json; set dataset.train and dataset.val" in message


def test_everything_missing_is_told_at_once(tmp_path: Path) -> None:
    files = {"train.json": content("1.jpg"), "other.json": content("2.jpg")}
    root = write(tmp_path, files, ["3.jpg"])
    assert "set dataset.train_images and dataset.val;" in refused(CocoDataset(root=root))
    assert "set dataset.train_images and dataset.val_images" in refused(
        CocoDataset(root=root, val="other.json"), "train"
    )


MOVED = ["../upload/1/00ab12ef-1.jpg", "/home/somebody/2.jpg", "D:\\a\\3.jpg", "old/4.jpg"]


@pytest.mark.parametrize("given", ["", "pictures", "../beside"])
def test_images_are_found_by_the_last_part_of_their_name_and_that_is_told(tmp_path: Path, given: str) -> None:
    root = tmp_path / "root"
    folder = given or "pictures"
    images = [f"{folder}/deep/{number}.jpg" for number in (1, 2, 3)]
    dataset = CocoDataset(
        root=write(root, {"val.json": content(*MOVED), "train.json": content(*MOVED)}, images),
        val_images=given,
        train_images=given,
    )
    found = [Path(str(each.source)) for each in dataset.split("val")]
    assert [each.resolve() for each in found[:3]] == [(root / each).resolve() for each in images]
    assert not found[3].exists()
    (told,) = dataset.noticed("val")
    assert (told.count, told.split) == (3, "val")
    assert "found by its last part: ../upload/1/00ab12ef-1.jpg is" in str(told)


def test_an_image_that_may_be_several_files_is_refused(tmp_path: Path) -> None:
    files = {"val.json": content("x/1.jpg", "x/2.jpg"), "train.json": content("c.jpg")}
    root = write(tmp_path, files, ["a/1.jpg", "b/1.jpg", "b/2.jpg", "c.jpg"])
    message = refused(CocoDataset(root=root))
    assert "1 of its images may each be several files, such as x/1.jpg: a/1.jpg or b/1.jpg" in message
    assert message.endswith("set dataset.val_images")
    assert sources(CocoDataset(root=root, val_images="b"), "val") == ["b/1.jpg", "b/2.jpg"]


def test_what_climbs_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").touch()
    names = ["../upload/1.jpg", "../../secret.jpg"]
    files = {"val.json": content(*names), "train.json": content("1.jpg")}
    root = write(tmp_path / "root", files, ["pictures/1.jpg"])
    assert sources(CocoDataset(root=root), "val") == ["pictures/1.jpg", "secret.jpg"]  # below root: missing
    (tmp_path / "root" / "pictures" / "secret.jpg").symlink_to(tmp_path / "secret.jpg")
    assert "is a link out of the data set's folder" in refused(CocoDataset(root=root))
