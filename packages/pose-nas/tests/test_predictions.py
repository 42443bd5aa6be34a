"""Results files: the dataset's own ids and category go out and come back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133, keypoint_set_from_names
from posenas.contract.samples import Sample
from posenas.contract.scores import Predictions
from posenas.data.images.file_image import FileImage
from posenas.runs.keypoint_files import keypoints_as_dict, keypoints_from
from posenas.runs.predictions_file import load_predictions, save_predictions

FILE = Path("keypoints.json")
TWO = keypoint_set_from_names(["1", "2"])
OF_PERSONS = keypoint_set_from_names(["1", "2"], categories=("person",))
IDS = (2**127, "64b5-f0", 17.0, 4)


def predictions(*images: int) -> Predictions:
    count = len(images)
    return Predictions(np.array(images), np.ones((count, 2, 2)), np.ones((count, 2)), np.ones(count))


def test_ids_are_written_as_they_were_read_and_found_again(tmp_path):
    samples = [Sample(each, FileImage(Path("a")), 9, 9, (), file_id=name) for each, name in enumerate(IDS)]
    save_predictions(tmp_path / "a.json", predictions(3, 0, 2, 1), keypoints=OF_PERSONS, samples=samples)
    rows = json.loads((tmp_path / "a.json").read_text())
    assert [row["image_id"] for row in rows] == [4, 2**127, 17.0, "64b5-f0"]
    assert '"image_id": 17.0' in (tmp_path / "a.json").read_text()
    assert {row["category_id"] for row in rows} == {"person"}
    again = load_predictions(tmp_path / "a.json", keypoints=2, samples=samples)
    assert again.image_ids.tolist() == [3, 0, 2, 1]


def test_ordinary_ids_need_no_samples(tmp_path):
    save_predictions(tmp_path / "a.json", predictions(5, 3), keypoints=TWO)
    assert json.loads((tmp_path / "a.json").read_text())[0]["category_id"] == 1
    assert load_predictions(tmp_path / "a.json", keypoints=2).image_ids.tolist() == [5, 3]


def test_unknown_ids_are_one_line(tmp_path):
    save_predictions(
        tmp_path / "a.json",
        predictions(0),
        keypoints=TWO,
        samples=[Sample(0, FileImage(Path("a")), 9, 9, (), file_id=2**99)],
    )
    with pytest.raises(PosenasError, match="not a COCO keypoint results file"):
        load_predictions(tmp_path / "a.json", keypoints=2)


@pytest.mark.parametrize(
    "keypoints",
    [
        COCO_17,
        keypoint_set_from_names(["1", "2"], pairs=[(1, 0)], categories=("a", 0)),
        keypoint_set_from_names(["1", "2"], pairs=[]),
        keypoint_set_from_names(["1", "2"]),
        replace(keypoint_set_from_names(["1", "2", "3"]), regions={"paw": (2, 0), "tail": (1,)}),
        COCO_WHOLEBODY_133,
        replace(COCO_WHOLEBODY_133, regions={}),
    ],
    ids=["known", "given", "denied", "unknown", "regions", "known regions", "no regions"],
)
def test_keypoints_of_a_run_come_back(keypoints):
    content = json.dumps(keypoints_as_dict(keypoints)).encode()
    assert keypoints_from(content, FILE) == keypoints


def test_regions_are_written_only_where_the_names_do_not_tell_them():
    assert set(keypoints_as_dict(COCO_17)) == set(keypoints_as_dict(COCO_WHOLEBODY_133))
    paws = replace(keypoint_set_from_names(["1", "2", "3"]), regions={"paw": (2, 0)})
    assert keypoints_as_dict(paws)["regions"] == {"paw": ["3", "1"]}


def test_an_older_run_has_a_list_of_names():
    assert keypoints_from(json.dumps(COCO_17.names).encode(), FILE) is COCO_17


@pytest.mark.parametrize(
    "content",
    [
        *(7, [7], {}, []),
        {"names": ["a"], "pairs": ["a:b"]},
        {"names": ["a"], "categories": [[]]},
        *({"names": ["a"], "regions": each} for each in (7, [], {"b": 7}, {"b": ["c"]}, {"b": [0]})),
    ],
)
def test_a_damaged_file_is_one_line(content):
    with pytest.raises(PosenasError, match=r"keypoints\.json: not the keypoints of a run"):
        keypoints_from(json.dumps(content).encode(), FILE)
