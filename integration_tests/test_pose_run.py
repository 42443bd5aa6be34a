"""pose-run beside the core: it repeats some functions, and both must go on doing the same.

Crops, letterboxes, decoded images and drawings are equal to the byte, entries of results exactly; what two
runtimes compute is equal to 0.01 pixel.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pose_run.drawing
import pose_run.ids
import pose_run.images
import pose_run.manifest
import pose_run.output
import pose_run.poses
import pose_run.results
import pose_run.sources
import pose_run.views
import pytest
from head_kapao.space import YoloSpace
from nas_ofa_elastic.space import ElasticSpace
from pose_run.command import run
from posenas.cli import main
from posenas.contract.batches import View
from posenas.contract.file_ids import as_number, same_id
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.contract.keypoints import KeypointSet
from posenas.contract.scores import Predictions
from posenas.data.affine import crop_matrix, invert, shown_area, transform, warp
from posenas.data.detected_poses import DetectionRules, judged
from posenas.data.images.file_image import FileImage
from posenas.data.letterbox import letterbox
from posenas.exporting.manifest import keypoints_table, view_table
from posenas.prediction.drawn import draw_poses
from posenas.prediction.frames import Frame
from posenas.prediction.image_files import ENDINGS, image_folder
from posenas.runs.predictions_file import as_results
from posenas.runs.run import unused_path
from running import SMALL

DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
VTEST = DATA / "video" / "vtest.avi"
TOLERANCE = 0.01
"""Pixels of the image between what torch and what onnxruntime find."""
RNG = np.random.default_rng(0)
PICTURE = cv2.GaussianBlur(RNG.integers(0, 256, (240, 320, 3), np.uint8), (5, 5), 0)
PERSON_VIEWS = [View("person", 64, 48), View("person", 256, 192, crop="standard")]
BOXES = np.array([[20.0, 30, 100, 150], [-40, -10, 77.7, 300.3], [310, 200, 0.2, 0.1], [0, 0, 320, 240]])
SETS = [COCO_17, COCO_WHOLEBODY_133]


def the_same_view(view: View) -> pose_run.manifest.View:
    """The view as a manifest tells it."""
    table = {"crop": "", "padding": 1.0, **view_table(view)}
    table.pop("stride", None)
    return pose_run.manifest.View(**table)


def the_same_set(keypoints: KeypointSet) -> pose_run.manifest.KeypointSet:
    """The keypoint set as a manifest tells it."""
    return pose_run.manifest._keypoints(json.loads(json.dumps(keypoints_table(keypoints))))


def people(keypoints: KeypointSet) -> Predictions:
    """Poses of several sizes, some scores of which are low; one keypoint is no number."""
    rng, number = np.random.default_rng(1), 4
    sizes = np.array([20, 60, 150, 400])[:, None, None]
    points = rng.random((number, 1, 2)) * 150 + rng.random((number, len(keypoints), 2)) * sizes
    points[1, 0] = np.nan
    scores = rng.random((number, len(keypoints))) ** 3
    parts = {name: scores[:, list(indices)].mean(axis=1) for name, indices in keypoints.regions.items()}
    return Predictions(np.full(number, 7), points, scores, scores.mean(axis=1), part_scores=parts)


def the_same_poses(poses: Predictions) -> pose_run.poses.Poses:
    """The poses as pose-run holds them."""
    boxes = np.zeros((len(poses.scores), 4))
    return pose_run.poses.Poses(
        poses.keypoints, poses.keypoint_scores, poses.scores, boxes, dict(poses.part_scores)
    )


@pytest.mark.parametrize("view", PERSON_VIEWS, ids=lambda view: view.crop)
def test_crops_are_equal_to_the_byte(view: View) -> None:
    ours, same = crop_matrix(BOXES, view), the_same_view(view)
    theirs = pose_run.views.crop_matrices(BOXES, same)
    assert (ours == theirs).all()
    for matrix in ours:
        assert (warp(PICTURE, matrix, view) == pose_run.views.crop(PICTURE, matrix, same)).all()
    inverses = invert(ours)
    assert (inverses == pose_run.views.invert(theirs)).all()
    assert (shown_area(inverses, view) == pose_run.views.shown_areas(inverses, same)).all()
    points = RNG.random((len(BOXES), 17, 2)).astype(np.float32)
    assert (transform(inverses, points) == pose_run.views.transform(inverses, points)).all()


@pytest.mark.parametrize("shape", [(240, 320), (31, 17), (40, 40), (1, 300)])
def test_letterboxes_are_equal_to_the_byte(shape: tuple[int, int]) -> None:
    view, image = View("image", 128, 160, stride=32), np.ascontiguousarray(PICTURE[: shape[0], : shape[1]])
    picture, matrix = letterbox(image, view, (view.height, view.width))
    other, other_matrix = pose_run.views.letterbox(image, the_same_view(view))
    assert (picture == other).all()
    assert (matrix == other_matrix).all()


@pytest.mark.parametrize("keypoints", SETS, ids=lambda each: each.name)
def test_drawings_are_equal_to_the_byte(keypoints: KeypointSet) -> None:
    poses = people(keypoints)
    for threshold in (0.0, 0.24):
        drawn = draw_poses(PICTURE, poses, keypoints, threshold=threshold)
        other = pose_run.drawing.draw_poses(
            PICTURE, the_same_poses(poses), the_same_set(keypoints), threshold=threshold
        )
        assert (drawn == other).all()
    assert (drawn != PICTURE).any()


@pytest.mark.parametrize("keypoints", SETS, ids=lambda each: each.name)
def test_entries_of_results_are_equal(keypoints: KeypointSet) -> None:
    poses, frame = people(keypoints), Frame(7, PICTURE, "a.png")
    poses = replace(poses, keypoints=np.nan_to_num(poses.keypoints))
    ours = as_results(poses, keypoints=keypoints, samples=[frame.as_sample()])
    theirs = pose_run.results.entries(
        pose_run.sources.Frame(7, PICTURE, "a.png"), the_same_poses(poses), the_same_set(keypoints)
    )
    assert [each | {"file_name": "a.png"} for each in ours] == theirs


def test_poses_in_detected_boxes_are_judged_alike() -> None:
    rng = np.random.default_rng(2)
    poses = people(COCO_17)
    poses = poses.chosen(np.array([0, 1, 2, 3, 0, 2, 2, 3, 3]))
    poses = replace(poses, keypoints=np.nan_to_num(poses.keypoints, nan=50) + rng.normal(0, 2, (9, 17, 2)))
    areas, box_scores = rng.random(9) * 20_000, rng.random(9).round(1)
    ours = judged(poses, box_scores, areas, DetectionRules(0.2, 0.5, COCO_17.sigmas))
    theirs = pose_run.poses.judged(
        the_same_poses(poses),
        box_scores,
        areas=areas,
        rules=pose_run.manifest.DetectionRules(0.0, 0.2, 0.5),
        sigmas=np.array(COCO_17.sigmas),
    )
    assert 2 < len(theirs) < 9
    assert (ours.keypoints == theirs.keypoints).all()
    assert (ours.scores == theirs.scores).all()


def test_images_are_decoded_alike(tmp_path: Path) -> None:
    deep = (PICTURE.astype(np.uint16) << 4) + 7
    for name, pixels in (("a.png", PICTURE), ("a.jpg", PICTURE), ("deep.png", deep), ("a.webp", PICTURE)):
        cv2.imwrite(str(tmp_path / name), pixels)
    cv2.imwrite(str(tmp_path / "full.tif"), PICTURE.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "grey.bmp"), PICTURE[..., 0])
    for file in tmp_path.iterdir():
        ours, theirs = FileImage(file).decode(), pose_run.images.read_image(file)
        assert (ours.pixels == theirs.pixels).all(), file.name
        assert ours.stretched == theirs.stretched, file.name


@pytest.mark.parametrize("folder", ["", "long" * 20])
def test_odd_images_are_told_alike(tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir(exist_ok=True)
    for number in range(4):
        cv2.imwrite(str(place / f"{number}.tiff"), np.full((4, 6, 3), 4095, np.uint16))
    cv2.imwrite(str(place / "floats.tiff"), np.zeros((4, 6), np.float32))
    cv2.imwrite(str(place / "signed.tiff"), np.zeros((4, 6), np.int16))
    ours: list[str] = []
    theirs: list[str] = []
    read = [*image_folder(place, limit=None, warn=ours.append).frames()]
    assert len([*pose_run.sources.open_source(place, limit=None, warn=theirs.append).frames()]) == len(read)
    assert theirs == ours
    assert len(ours) > 1


def test_images_and_ids_are_found_alike(tmp_path: Path) -> None:
    for name in ("007.png", "7b.png", "a.jpg", "a.png", "12.JPG", ".hidden.png", "text.txt"):
        (tmp_path / name).touch()
    assert pose_run.sources.ENDINGS == ENDINGS
    ours = image_folder(tmp_path, limit=4, warn=print)
    theirs = pose_run.sources.open_source(tmp_path, limit=4, warn=print)
    assert theirs.total == ours.total == 4
    for image in (7, "7", "007", "x/007.png", "x\\7b.png", "7b", "a", "a.png", 12, "12.0", "none", -7, ""):
        assert theirs.find(image) == ours.find(image), image
    for value in ("7", "007", 7, "7.0", "x", "-3"):
        assert pose_run.ids.as_number(value) == as_number(value)
        assert pose_run.ids.same_id(value, 7) == same_id(value, 7)
    (tmp_path / "a-1").touch()
    assert pose_run.output.unused_path(tmp_path, "a") == unused_path(tmp_path, "a")


# End to end, with networks that were trained for seconds: what counts is that both find the same.
TRAINED = {
    "heatmap": ("--space", "ofa", "--epochs", "30"),
    "kapao": (
        *("--space", "yolo", "--epochs", "3", "-o", "training.learning_rate=0.01"),
        *("-o", "head.input_size=128,128", "-o", "augmentation.mosaic=0"),
        *("-o", "head.pose_threshold=0", "-o", "head.limit=20"),
    ),
}
SPACES = {"heatmap": ElasticSpace(), "kapao": YoloSpace()}
AS_EXPORTED = ("-o", "evaluation.flip_test=false", "-o", "evaluation.rectangular=false")


def posenas(*words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["posenas", *words])
        main()


@pytest.fixture(scope="module", params=[*SPACES])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A finished run and its exported file."""
    head, folder = request.param, tmp_path_factory.mktemp(request.param)
    (folder / "genotype.json").write_text(json.dumps(SPACES[head].smallest()))
    flags = (*SMALL, *TRAINED[head], "--precision", "32", "--head", head, "--run", str(folder / "run"))
    posenas("train", str(folder / "genotype.json"), *flags)
    posenas("export", str(folder / "run"), "--output", str(folder / "net.onnx"), "--people", "16")
    return folder / "run", folder / "net.onnx"


def compare(ours: Path, theirs: Path) -> list[dict[str, Any]]:
    """Compare two folders of predictions; return the entries."""
    first, second = (json.loads((each / "predictions.json").read_text()) for each in (ours, theirs))
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        assert all(one[name] == other[name] for name in one.keys() - {"keypoints", "score"})
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
        assert np.abs(np.subtract(one["keypoints"], other["keypoints"])).max() <= TOLERANCE
    return list(second)


@pytest.mark.slow
def test_a_folder_is_predicted_as_posenas_predict_does(exported: tuple[Path, Path], tmp_path: Path) -> None:
    trained, file = exported
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "c.webp"):
        cv2.imwrite(str(folder / name), np.roll(PICTURE, ord(name[0]) * 10, axis=1))
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    posenas("predict", str(trained), str(folder), "--output", str(ours), *AS_EXPORTED)
    assert run([str(file), str(folder), "--output", str(theirs)]) == 0
    assert {each["file_name"] for each in compare(ours, theirs)} == {"a.png", "b.jpg", "c.webp"}
    assert {each.name for each in (ours / "drawn").iterdir()} == {
        each.name for each in (theirs / "drawn").iterdir()
    }


@pytest.mark.slow
@pytest.mark.skipif(not VTEST.is_file(), reason="no video/vtest.avi in POSENAS_TEST_DATA")
def test_a_video_is_predicted_as_posenas_predict_does(exported: tuple[Path, Path], tmp_path: Path) -> None:
    trained, file = exported
    ours, theirs, frames = tmp_path / "ours", tmp_path / "theirs", ("--frames", "20")
    posenas("predict", str(trained), str(VTEST), "--output", str(ours), *frames, *AS_EXPORTED)
    assert run([str(file), str(VTEST), "--output", str(theirs), *frames]) == 0
    assert {each["image_id"] for each in compare(ours, theirs)} == {*range(20)}


@pytest.mark.slow
@pytest.mark.parametrize("exported", ["heatmap"], indirect=True)
def test_boxes_of_a_file_are_looked_at_as_posenas_predict_does(
    exported: tuple[Path, Path], tmp_path: Path
) -> None:
    trained, file = exported
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    rows = [
        {"image_id": "a", "category_id": 1, "bbox": box, "score": score}
        for box, score in zip([*BOXES.tolist(), BOXES[0].tolist()], (0.9, 0.8, 0.7, 0.6, 0.5), strict=True)
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    flags = (str(tmp_path / "a.png"), "--boxes", str(tmp_path / "boxes.json"), "--output")
    posenas("predict", str(trained), *flags, str(tmp_path / "ours"), *AS_EXPORTED)
    assert run([str(file), *flags, str(tmp_path / "theirs")]) == 0
    assert len(compare(tmp_path / "ours", tmp_path / "theirs")) == 4  # a twin is left out
