"""Predicted poses as ultralytics' text files."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, keypoint_set_from_names
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import Predictions
from posenas.prediction.frames import Frame
from posenas.prediction.image_files import image_folder, one_image
from posenas.prediction.labelling import check_new, check_source, make_labels
from posenas.prediction.video import Video
from posenas.standard.yolo.dataset import YoloDataset

WIDTH, HEIGHT = 333, 77
PAIR = keypoint_set_from_names(["nose", "tail"], pairs=())


def predictions(poses: np.ndarray, scores: list[float]) -> Predictions:
    count = len(poses)
    return Predictions(np.ones(count, np.int64), poses, np.ones(poses.shape[:2]), np.array(scores))


def write(
    root: Path, pictures: dict[str, Predictions], keypoints: KeypointSet = COCO_17, **options: object
) -> list[str]:
    """Writes labels, and the pictures where they belong; returns what is told."""
    labels = make_labels(root, "yolo", keypoints=keypoints, threshold=0.3, **options)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, (name, each) in enumerate(pictures.items(), 1):
        labels.add(Frame(number, pixels, name), each)
    labels.close()
    (root / "images").mkdir()
    for name in pictures:
        cv2.imwrite(str(root / "images" / name), pixels)
    *told, last = labels.told()
    assert last == f"the pictures belong into {root / 'images'}; scores are in {root / 'scores.csv'}"
    return told


def test_the_dataset_reads_them_to_the_digit(tmp_path: Path) -> None:
    poses = np.random.default_rng(0).uniform((0, 0), (WIDTH, HEIGHT), (40, 17, 2))
    pictures = {
        "b.png": predictions(poses[:25], np.linspace(0.3, 1, 25).tolist()),
        "a.png": predictions(poses[25:], np.linspace(0.9, 0.5, 15).tolist()),
        "nobody.png": predictions(poses[:0], []),
    }
    assert write(tmp_path / "labels", pictures) == []
    dataset = YoloDataset(root=str(tmp_path / "labels"))
    assert dataset.keypoints().names == COCO_17.names
    assert dataset.keypoints().flip_pairs == COCO_17.flip_pairs
    a, b, nobody = dataset.split("train")
    assert [str(each.source).rpartition("/")[2] for each in (a, b, nobody)] == [
        "a.png",
        "b.png",
        "nobody.png",
    ]
    assert nobody.people == ()
    read = np.array([person.keypoints for sample in (b, a) for person in sample.people])
    assert np.abs(read[:, :, :2] - poses.round(3)).max() < 1e-6
    assert (read[:, :, 2] == 2).all()
    boxes = np.array([person.box for sample in (b, a) for person in sample.people])
    assert np.abs(boxes[:, :2] - poses.round(3).min(axis=1)).max() < 1e-6
    assert np.abs(boxes[:, 2:] - np.ptp(poses.round(3), axis=1)).max() < 1e-6
    assert list(dataset.noticed("train")) == []


def test_every_score_is_kept(tmp_path: Path) -> None:
    poses = np.full((3, 2, 2), 5.0)
    pictures = {
        "a.png": predictions(poses, [0.1234567890123, 0.7, 1 / 3]),
        "b.png": predictions(poses[:1], [1]),
    }
    told = write(tmp_path / "out", pictures, PAIR)
    assert told == ["1 poses are not in the annotations: they score below 0.3"]
    with (tmp_path / "out" / "scores.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["labels", "line", "score"]
    assert [(name, int(line), float(score)) for name, line, score in rows[1:]] == [
        ("labels/a.txt", 1, 0.7),
        ("labels/a.txt", 2, 1 / 3),
        ("labels/b.txt", 1, 1.0),
    ]


def test_what_lies_outside_the_picture_is_told(tmp_path: Path) -> None:
    poses = np.array(
        [
            [(-0.001, 5), (WIDTH, HEIGHT)],
            [(np.nan, np.nan), (0, HEIGHT / 2)],
            [(WIDTH + 1, 5), (5, -3)],
        ]
    )
    told = write(tmp_path / "out", {"a.png": predictions(poses, [0.5, 0.6, 0.7])}, PAIR)
    assert told == [
        "1 poses are not in the annotations: none of their keypoints lies in the picture",
        "3 keypoints lie outside their picture and are not labelled",
    ]
    assert (tmp_path / "out/labels/a.txt").read_text() == "0 1 1 0 0 0 0 0 1 1 2\n0 0 0.5 0 0 0 0 0 0 0.5 2\n"


@pytest.mark.parametrize("known", [True, False])
def test_the_description_tells_keypoints_and_mirror_images(tmp_path: Path, known: bool) -> None:
    pairs = ((0, 1),) if known else None
    keypoints = replace(keypoint_set_from_names(["ä: 1", "no"], pairs=pairs), categories=(7,))
    write(tmp_path, {"a.png": predictions(np.ones((1, 2, 2)), [0.5])}, keypoints, category={"name": "mouse"})
    assert yaml.safe_load((tmp_path / "data.yaml").read_text()) == {
        "train": "./images",
        "val": "./images",
        "kpt_shape": [2, 3],
        **({"flip_idx": [1, 0]} if known else {}),
        "names": {0: "mouse"},
        "kpt_names": {0: ["ä: 1", "no"]},
    }
    read = YoloDataset(root=str(tmp_path)).keypoints()
    assert (read.names, read.flip_pairs, bool(read.unpaired)) == (("ä: 1", "no"), pairs or (), not known)


def test_pictures_that_would_share_a_label_file_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), np.zeros((2, 2, 3), np.uint8))
    source = image_folder(tmp_path, limit=None, warn=print)
    check_source(source, tmp_path, "coco")
    check_source(one_image(tmp_path / "a.png", warn=print), tmp_path, "yolo")
    with pytest.raises(PosenasError, match=r"2 images differ .* alone, such as a\.jpg and a\.png, and would"):
        check_source(source, tmp_path, "yolo")
    with pytest.raises(PosenasError, match="--annotations is for images, and this is a video"):
        check_source(Video(tmp_path, rate=5, announced=3, limit=None, warn=print), tmp_path, "yolo")


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    check_new(tmp_path, "yolo")
    check_new(tmp_path / "new", "yolo")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(
            PosenasError, match="exists and is not an empty folder; choose another --annotations"
        ):
            check_new(path, "yolo")
