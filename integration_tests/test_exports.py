"""Files that labelling tools write, unchanged, with the fewest options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import EXPORTS, LACKING, are_there, draw, truth
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.data.checking.findings import find
from posenas.data.coco.dataset import CocoDataset

pytestmark = pytest.mark.skipif(not are_there(), reason=LACKING)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("pictures"))


LABEL_STUDIO = {"train": "coco_train/result.json", "val": "coco_val/result.json"}
NAMED: dict[str, Any] = {"keypoint_names": ("coco-17",)}
TOOLS: dict[str, tuple[str, dict[str, Any], float]] = {
    "CVAT, one label of two": ("cvat_datumaro/second_label", {}, 0.01),
    "CVAT, keypoints without names": ("cvat_datumaro/numbered_subsets", NAMED, 0.01),
    "FiftyOne": ("fiftyone", NAMED, 1.0),
    "Label Studio": ("label_studio", LABEL_STUDIO, 0.51),
    "SLEAP": ("sleap_io/coco", {}, 0.01),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_of_two_splits_is_read(pictures: Path, tool: str) -> None:
    folder, options, tolerance = TOOLS[tool]
    places = {f"{split}_images": str(pictures / split) for split in ("train", "val")}
    dataset = CocoDataset(root=str(EXPORTS / folder), **places, **options)
    assert dataset.keypoints().names == COCO_17.names
    for split, count in (("train", 12), ("val", 6)):
        samples, poses = dataset.split(split), truth(split)
        assert len(samples) == count
        for sample in samples:
            number = int(Path(str(sample.source)).stem)
            (person,) = sample.people
            labelled = person.keypoints[:, 2] > 0
            assert labelled.tolist() == (poses[number][:, 2] > 0).tolist()
            assert np.abs(person.keypoints - poses[number])[labelled, :2].max() <= tolerance
            assert sample.source.read().shape == (200, 160, 3)


def test_an_export_of_one_file_is_divided(pictures: Path) -> None:
    root = str(EXPORTS / "cvat_datumaro" / "names_1_to_12")
    images = str(pictures / "numbered")
    with pytest.raises(PosenasError, match=r"dataset\.val_share=0\.2 holds out a part of train"):
        CocoDataset(root=root, train_images=images).split("val")
    dataset = CocoDataset(root=root, train_images=images, val_share=0.25)
    assert [len(dataset.split(name)) for name in ("train", "val")] == [9, 3]
    poses = truth("train")
    for sample in dataset.split("val"):
        number = int(Path(str(sample.source)).stem)
        assert np.abs(sample.people[0].keypoints[:, :2] - poses[number][:, :2])[:16].max() < 0.01


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("label_studio", "2 files may hold val: coco_two_people_val/result.json, coco_val/result.json"),
        ("fiftyone", "6 annotations have keypoints: name them with dataset.keypoint_names"),
        ("source", "set dataset.train_images and dataset.val_images"),
    ],
)
def test_an_export_that_lacks_something_says_what(folder: str, says: str) -> None:
    with pytest.raises(PosenasError) as caught:
        CocoDataset(root=str(EXPORTS / folder)).split("val")
    assert says in str(caught.value)


def findings(pictures: Path, folder: str, **options: Any) -> list[str]:
    places = {f"{split}_images": str(pictures / split) for split in ("train", "val")}
    return [str(each) for each in find(CocoDataset(root=str(EXPORTS / folder), **places, **options))]


def test_two_boxes_and_one_skeleton_are_told(pictures: Path) -> None:
    files = {split: f"coco_two_people_{split}/result.json" for split in ("train", "val")}
    two = [each for each in findings(pictures, "label_studio", **files) if "more boxes" in each]
    assert [each.partition(" images")[0] for each in two] == ["train: 12", "val: 6"]
    assert not any("more boxes" in each for each in findings(pictures, "label_studio", **LABEL_STUDIO))


def test_boxes_that_a_tool_makes_of_keypoints_are_told_as_tight(pictures: Path) -> None:
    found = findings(pictures, "sleap_io/coco")
    assert [each.partition(" their")[0] for each in found] == [
        f"{split} people have a box tight around" for split in ("train: 12", "val: 6")
    ]
    assert findings(pictures, "sleap_io/coco", box_margin=0.1) == []
    assert findings(pictures, "source") == []


def test_keypoints_named_in_another_order_are_told(pictures: Path) -> None:
    backwards = COCO_17.names[::-1]
    found = findings(pictures, "cvat_datumaro/numbered_subsets", keypoint_names=backwards)
    assert sum("are the keypoints named in another order?" in each for each in found) == 2
