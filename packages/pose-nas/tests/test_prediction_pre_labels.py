"""Predicted poses as annotations that labelling tools load."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, keypoint_set_from_names
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import Predictions
from posenas.data.coco.dataset import CocoDataset
from posenas.prediction.frames import Frame
from posenas.prediction.image_files import ImageFiles
from posenas.prediction.labelling import check_new
from posenas.prediction.output import OutputFolder
from posenas.prediction.pre_labels import PreLabels
from pycocotools.coco import COCO

PAIR = replace(keypoint_set_from_names(["nose", "tail"], limbs=[(0, 1)]), categories=(7, 8))


def predictions(frame: int, *poses: Any, scores: tuple[float, ...]) -> Predictions:
    count = len(poses)
    places = np.reshape(np.array(poses, np.float64), (count, -1 if count else 2, 2))
    return Predictions(
        np.full(count, frame, np.int64), places, np.ones(places.shape[:2]), np.array(scores, np.float64)
    )


def frame(number: int, name: str, file_id: int | str | None = None) -> Frame:
    return Frame(number, np.zeros((60, 100, 3), np.uint8), name, file_id)


def written(path: Path, keypoints: KeypointSet = PAIR, **options: Any) -> dict[str, Any]:
    """The file of two images, the first with three poses, of which one scores too low."""
    labels = PreLabels(path, keypoints, threshold=0.3, **options)
    poses = [(10.1234, 5, 30, 25.5), (1, 2, 3, 4), (np.nan, np.nan, 6, 7)]
    labels.add(frame(1, "a.jpg", "x"), predictions(1, *poses, scores=(0.9, 0.2, 0.3)))
    labels.add(frame(2, "b.jpg"), predictions(2, scores=()))
    assert labels.told() == ["1 poses are not in the annotations: they score below 0.3"]
    assert not path.exists()
    labels.close()
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_poses_become_annotations(tmp_path: Path) -> None:
    content = written(tmp_path / "labels.json")
    assert content["images"] == [
        {"id": "x", "file_name": "a.jpg", "width": 100, "height": 60},
        {"id": 2, "file_name": "b.jpg", "width": 100, "height": 60},
    ]
    assert content["categories"] == [
        {
            "id": 7,
            "name": "person",
            "supercategory": "",
            "keypoints": ["nose", "tail"],
            "skeleton": [[1, 2]],
        }
    ]
    first, second = content["annotations"]
    assert first == {
        "id": 1,
        "image_id": "x",
        "category_id": 7,
        "keypoints": [10.123, 5.0, 2, 30.0, 25.5, 2],
        "num_keypoints": 2,
        "bbox": [10.123, 5.0, 19.877, 20.5],
        "area": pytest.approx(19.877 * 20.5),
        "iscrowd": 0,
        "segmentation": [],
        "score": 0.9,
        "attributes": {"score": 0.9},
    }
    assert second["keypoints"] == [0, 0, 0, 6, 7, 2]
    assert (second["id"], second["num_keypoints"], second["bbox"]) == (2, 1, [6, 7, 0, 0])


def test_the_category_keeps_its_name_and_skeleton(tmp_path: Path) -> None:
    known = {"id": 7, "name": "mouse", "supercategory": None, "skeleton": [[2, 1]], "other": 1}
    (category,) = written(tmp_path / "labels.json", category=known)["categories"]
    assert (category["name"], category["supercategory"], category["skeleton"]) == ("mouse", "", [[2, 1]])
    assert category["keypoints"] == ["nose", "tail"]


@pytest.mark.parametrize("skeleton", [None, 3, [], [3], [[1]], [["a", "b"]], [[1.5, float("nan")]]])
def test_a_skeleton_that_is_none_is_replaced(tmp_path: Path, skeleton: Any) -> None:
    (category,) = written(tmp_path / "labels.json", category={"id": 7, "skeleton": skeleton})["categories"]
    assert (category["name"], category["skeleton"]) == ("person", [[1, 2]])


def test_pycocotools_and_this_project_read_them(tmp_path: Path) -> None:
    poses = np.random.default_rng(0).uniform(5, 50, (3, 34))
    labels = PreLabels(tmp_path / "val.json", COCO_17, threshold=0.0)
    for number, pose in enumerate(poses, 1):
        labels.add(frame(number, f"{number}.jpg"), predictions(number, pose, scores=(number / 4,)))
        (tmp_path / f"{number}.jpg").touch()
    labels.close()
    coco = COCO(str(tmp_path / "val.json"))
    assert [each["score"] for each in coco.loadAnns(coco.getAnnIds(imgIds=[2]))] == [0.5]
    dataset = CocoDataset(root=str(tmp_path))
    assert dataset.keypoints() == COCO_17
    for pose, sample in zip(poses, dataset.split("val"), strict=True):
        assert np.abs(sample.people[0].keypoints[:, :2].ravel() - pose).max() < 6e-4


def test_they_are_whole_however_writing_ends(tmp_path: Path) -> None:
    source = ImageFiles(tmp_path, [tmp_path / "a.jpg"], None, warn=print)
    labels = PreLabels(tmp_path / "labels.json", PAIR, threshold=0.0)
    one = frame(1, "a.jpg")

    def write() -> None:
        with OutputFolder(tmp_path / "out", source, keypoints=PAIR, pre_labels=labels) as folder:
            folder.write(one, predictions(1, (1, 2, 3, 4), scores=(0.5,)), one.pixels)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert len(json.loads((tmp_path / "labels.json").read_text())["annotations"]) == 1


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    check_new(tmp_path / "labels.json", "coco")
    (tmp_path / "labels.json").touch()
    with pytest.raises(PosenasError, match=r"labels\.json: exists; choose another --annotations"):
        check_new(tmp_path / "labels.json", "coco")


DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
IMPORTED = DATA.parent / "exports" / "posenas" / "predictions_as_annotations.json"


@pytest.mark.skipif(
    not IMPORTED.is_file(), reason="no file that labelling tools imported beside the test data"
)
def test_the_form_is_that_of_a_file_which_labelling_tools_have_imported(tmp_path: Path) -> None:
    imported = json.loads(IMPORTED.read_text())
    own = written(tmp_path / "labels.json")
    assert own.keys() == imported.keys()
    for kind in ("images", "categories"):
        assert own[kind][0].keys() == imported[kind][0].keys()
    assert own["annotations"][0].keys() == imported["annotations"][0].keys() | {"score"}
    assert {type(each) for each in own["annotations"][0]["keypoints"][2::3]} == {int}
