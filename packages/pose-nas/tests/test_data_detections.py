"""A detector's boxes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Sample
from posenas.data.coco.dataset import CocoDataset
from posenas.data.detections import boxes_of_other_images, detection_crops
from posenas.data.images.file_image import FileImage
from posenas.data.person_crop import PersonCrop

SAMPLES = [Sample(number, FileImage(Path("absent.jpg")), 100, 100, ()) for number in (40, 41)]


def box(**changes: Any) -> dict[str, Any]:
    return {"image_id": 41, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5, **changes}


def read(path: Path, rows: Any, threshold: float = 0.0) -> list[PersonCrop]:
    path.write_text(json.dumps(rows))
    return detection_crops(path, SAMPLES, keypoints=COCO_17, threshold=threshold)


def test_boxes_of_people_in_the_split_are_kept(tmp_path):
    rows = [
        box(),
        box(image_id=40, score=0.9),
        box(image_id=99),
        box(category_id=2),
        box(score=0.1),
        box(bbox=[1, 2, 0, 5]),
    ]
    crops = read(tmp_path / "boxes.json", rows, threshold=0.2)
    assert [(crop.sample, crop.score) for crop in crops] == [(1, 0.5), (0, 0.9)]
    assert crops[0].box == (1, 2, 30, 40)
    assert crops[0].keypoints.shape == (17, 3)
    assert not crops[0].keypoints.any()


def test_boxes_of_other_images_are_told(tmp_path):
    rows = [
        *(box(image_id=each) for each in (41, 99, 98, "x", 97)),
        box(image_id=99, score=0.9),
        box(image_id=98, score=0.1),
        box(image_id=98, category_id=2),
        box(file_name="c/other.jpg"),
    ]
    crops = read(tmp_path / "boxes.json", rows, threshold=0.2)
    assert len(crops) == 2  # the last one has an image_id of the split too
    path = tmp_path / "boxes.json"
    (told,) = boxes_of_other_images(path, SAMPLES, keypoints=COCO_17, threshold=0.2)
    says = f"5 of 9 boxes in {path} are of other images than val's 2 and are left out"
    assert str(told) == f"{says}: image_id 99; image_id 98; image_id 'x'; ..."
    path.write_text(json.dumps([box(), box(file_name="c/other.jpg", image_id=7)]))
    (told,) = boxes_of_other_images(path, SAMPLES, keypoints=COCO_17)
    assert told.examples == ("file_name 'c/other.jpg'",)
    path.write_text(json.dumps([box()]))
    assert boxes_of_other_images(path, SAMPLES, keypoints=COCO_17) == []


@pytest.mark.parametrize(
    ("categories", "kept"), [((0,), [0.1]), (("1",), [0.2]), ((0, 1), [0.1, 0.2]), (("person",), [0.3])]
)
def test_boxes_of_the_datasets_own_category_are_kept(tmp_path, categories, kept):
    rows = [
        box(category_id=0, score=0.1),
        box(category_id=1, score=0.2),
        box(category_id="person", score=0.3),
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    keypoints = replace(COCO_17, categories=categories)
    crops = detection_crops(tmp_path / "boxes.json", SAMPLES, keypoints=keypoints)
    assert [crop.score for crop in crops] == kept


def test_images_are_named_as_in_their_file(tmp_path):
    huge = replace(SAMPLES[0], id=0, file_id=2**127)
    text = replace(SAMPLES[1], id=1, file_id="000041")
    rows = [box(image_id=each) for each in (41, "41", "000041", str(2**127), 2**127, 0)]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    crops = detection_crops(tmp_path / "boxes.json", [huge, text], keypoints=COCO_17)
    assert [crop.sample for crop in crops] == [1, 1, 1, 0, 0]


def test_images_may_be_named_by_their_files(tmp_path):
    names = ("a/clip_7.jpg", "a/41.jpg", "b/twice.jpg", "c/twice.jpg")
    samples = [
        Sample(number, FileImage(Path(name)), 100, 100, ()) for number, name in enumerate(names, start=40)
    ]
    calls: list[dict[str, Any]] = [
        {"file_name": "clip_7.jpg", "image_id": 41},  # the name counts before the number
        {"file_name": "elsewhere\\41.jpg"},
        {"image_id": "clip_7"},
        {"image_id": 41},
        {"file_name": "another.jpg", "image_id": 42},
        {"file_name": "twice.jpg"},
        {"file_name": "twice.jpg", "image_id": "twice"},
    ]
    rows = [
        {"category_id": 1, "bbox": [1, 2, 30, 40], "score": 1 - number / 10} | call
        for number, call in enumerate(calls)
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    crops = detection_crops(tmp_path / "boxes.json", samples, keypoints=COCO_17)
    assert [(round(10 - 10 * crop.score), crop.sample) for crop in crops] == [
        (0, 0),
        (1, 1),
        (2, 0),
        (3, 1),
        (4, 2),
    ]


EXPORTED = (
    Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")).parent
    / "exports"
)


@pytest.mark.skipif(not EXPORTED.is_dir(), reason="no exports of tools beside POSENAS_TEST_DATA")
@pytest.mark.parametrize("dropped", ["file_name", "image_id"])
def test_boxes_of_ultralytics_whose_ids_are_text(tmp_path, dropped):
    rows = json.loads((EXPORTED / "ultralytics" / "predictions_text_ids.json").read_text())
    names = sorted({row["file_name"] for row in rows})
    for row in rows:
        del row[dropped]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    samples = [Sample(number, FileImage(Path(name)), 160, 200, ()) for number, name in enumerate(names)]
    crops = detection_crops(tmp_path / "boxes.json", samples, keypoints=COCO_17)
    assert len(crops) == len(rows) > 0


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"images": []}, "not a detector's result"),
        ([box(), {"image_id": 41}], "entry 1"),
        ([box(bbox=[1, 2, 3])], "entry 0"),
        ([box(score=None)], "entry 0"),
        ([box(score=float("inf"))], "entry 0 .* must be finite"),
        ([box(score=float("nan"))], "entry 0 .* must be finite"),
        ([box(score=10**400)], "entry 0"),
        ([box(bbox=[0, 0, 10**400, 1])], "entry 0"),
        ([box(category_id=[1])], "entry 0"),
        ([box(image_id=[[]] * 999)], "entry 0 .* is no whole number or text"),
        ([3], "entry 0"),
        (
            [box(image_id=7)],
            r"none of its 1 boxes .* \(the first is of image_id 7, category 1, and scores 0.5\)",
        ),
        ([], "none of its 0 boxes"),
    ],
)
def test_wrong_files_are_refused(tmp_path, rows, says):
    with pytest.raises(PosenasError, match=says) as caught:
        read(tmp_path / "boxes.json", rows)
    assert str(tmp_path / "boxes.json") in str(caught.value)
    assert len(str(caught.value)) <= 400


def test_missing_file(tmp_path):
    with pytest.raises(PosenasError, match="cannot be read: No such file"):
        detection_crops(tmp_path / "absent.json", SAMPLES, keypoints=COCO_17)


DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.skipif(not DATA.is_dir(), reason="no photographs: POSENAS_TEST_DATA is not set")
def test_published_boxes_of_coco():
    root = DATA / "samples" / "coco"
    dataset = CocoDataset(root=str(root), val="test_coco.json")
    samples = dataset.split("val")
    path = root / "test_coco_det_AP_H_56.json"
    crops = detection_crops(path, samples, keypoints=dataset.keypoints())
    rows = [row for row in json.loads(path.read_text()) if row["category_id"] == 1]
    assert [samples[crop.sample].id for crop in crops] == [row["image_id"] for row in rows]
    assert [list(crop.box) for crop in crops] == [row["bbox"] for row in rows]
