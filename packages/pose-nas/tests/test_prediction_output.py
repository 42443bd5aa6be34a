"""What is written, drawn, counted and told; and boxes of a detector."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.scores import Predictions
from posenas.prediction.boxes import WholeFrames, person_crops_of, read_boxes
from posenas.prediction.display import FrameLines, make_frame_display
from posenas.prediction.drawn import draw_poses
from posenas.prediction.frames import Frame
from posenas.prediction.image_files import ImageFiles
from posenas.prediction.output import OutputFolder, check_unused
from posenas.prediction.results_file import ResultsFile
from posenas.prediction.stages import Stages
from posenas.prediction.video import Video
from posenas.runs.predictions_file import load_predictions
from rich.console import Console

IMAGES = ImageFiles(Path("folder"), [Path("a.png"), Path("b.gif")], [0, 1], warn=print)


def predictions(frame: int, scores: list[float], keypoint_score: float = 1.0) -> Predictions:
    """Poses in a row, 20 pixels wide and 40 high."""
    places = np.random.default_rng(0).random((17, 2)) * (20, 40)
    poses = [places + np.array([10 + 30 * number, 5]) for number in range(len(scores))]
    return Predictions(
        np.full(len(scores), frame, np.int64),
        np.array(poses).reshape(-1, 17, 2),
        np.full((len(scores), 17), keypoint_score),
        np.array(scores),
    )


def picture() -> np.ndarray:
    return np.full((60, 100, 3), 128, np.uint8)


def test_results_are_whole_after_any_number_of_rows(tmp_path):
    for rows in range(3):
        file = ResultsFile(tmp_path / f"{rows}.json")
        file.add({"score": number} for number in range(rows))
        assert not (tmp_path / f"{rows}.json").exists()
        file.close()
        assert json.loads((tmp_path / f"{rows}.json").read_text()) == [
            {"score": number} for number in range(rows)
        ]
    assert list(tmp_path.glob("*.partial")) == []


def test_images_are_written_by_their_names(tmp_path):
    with OutputFolder(tmp_path / "out", IMAGES, keypoints=COCO_17) as folder:
        assert not folder.path.exists()
        folder.write(Frame(0, picture(), "a.png"), predictions(0, [0.9, 0.1]), picture())
        folder.write(Frame(1, picture(), "b.gif"), predictions(1, []), picture())
    assert sorted(path.name for path in folder.drawn.iterdir()) == ["a.png", "b.gif.png"]
    assert (cv2.imread(str(folder.drawn / "a.png")) == 128).all()
    rows = json.loads(folder.results.read_text())
    assert [(row["image_id"], row["file_name"], row["score"]) for row in rows] == [
        (0, "a.png", 0.9),
        (0, "a.png", 0.1),
    ]
    again = load_predictions(folder.results, keypoints=17)
    assert np.abs(again.keypoints - predictions(0, [0.9, 0.1]).keypoints).max() < 6e-4


def written(folder: Path, *images: tuple[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The drawn pictures by their names."""
    with OutputFolder(folder, IMAGES, keypoints=COCO_17) as out:
        for number, (name, pixels) in enumerate(images):
            out.write(Frame(number, pixels, name), predictions(number, []), pixels)
    return {path.name: cv2.imread(str(path)) for path in out.drawn.iterdir()}


@pytest.mark.parametrize(("name", "width"), [("x.jpg", 70_000), ("z.webp", 20_000)])
def test_pictures_too_large_for_their_format_become_png(tmp_path, capfd, name, width):
    drawn = written(tmp_path / "out", (name, np.full((3, width, 3), 7, np.uint8)))
    assert list(drawn) == [f"{name}.png"]
    assert drawn[f"{name}.png"].shape == (3, width, 3)
    assert (drawn[f"{name}.png"] == 7).all()
    assert capfd.readouterr().err == ""


def test_no_drawn_picture_replaces_another(tmp_path):
    names = ("a.gif", "a.gif.png", "a.gif.png.png", "a.png")
    drawn = written(
        tmp_path / "out", *((name, np.full((4, 4, 3), level, np.uint8)) for level, name in enumerate(names))
    )
    assert len(drawn) == 4
    assert sorted(int(image.max()) for image in drawn.values()) == [0, 1, 2, 3]
    assert drawn["a.gif.png"].max() == 0


def test_files_are_whole_where_something_fails(tmp_path):
    video = Video(Path("v.avi"), rate=10.0, announced=None, limit=None, warn=print)
    folder = OutputFolder(tmp_path / "out", video, keypoints=COCO_17)

    def write(canvases: list[Any]) -> None:
        with folder:
            for canvas in canvases:
                folder.write(Frame(0, picture()), predictions(0, [0.9]), canvas)

    with pytest.raises(AttributeError):
        write([picture(), None])
    assert [row["image_id"] for row in json.loads(folder.results.read_text())] == [0, 0]
    assert "file_name" not in folder.results.read_text()
    capture = cv2.VideoCapture(str(folder.drawn))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 1


def test_nothing_is_overwritten(tmp_path):
    check_unused(tmp_path / "new")
    check_unused(tmp_path)
    (tmp_path / "file").write_text("mine")
    for used in (tmp_path, tmp_path / "file"):
        with pytest.raises(PosenasError, match="choose another --output"):
            check_unused(used)


def test_only_poses_above_the_threshold_are_drawn():
    image = picture()
    drawn = draw_poses(image, predictions(0, [0.9, 0.2]), COCO_17, threshold=0.3)
    assert (image == 128).all()
    assert (drawn[:, :34] != 128).any()
    assert (drawn[:, 36:] == 128).all()
    both = draw_poses(image, predictions(0, [0.9, 0.2]), COCO_17, threshold=0.2)
    assert (both[:, 40:] != 128).any()
    assert (draw_poses(image, predictions(0, []), COCO_17, threshold=0.0) == 128).all()


def test_keypoints_that_nothing_confirms_are_rings():
    poses = predictions(0, [1.0], keypoint_score=0.0)
    x, y = (round(value) for value in poses.keypoints[0, 9])
    ring, disc = (
        draw_poses(np.full((600, 1000, 3), 128, np.uint8), each, COCO_17, threshold=0.0)
        for each in (scaled(poses), scaled(predictions(0, [1.0])))
    )
    assert disc[10 * y, 10 * x].max() > 100
    assert ring[10 * y, 10 * x].max() < 100


@pytest.mark.parametrize("factor", [1e9, 1e300])
def test_huge_poses_are_drawn_as_far_as_the_picture_goes(factor):
    poses = predictions(0, [0.9])
    huge = Predictions(poses.image_ids, poses.keypoints * factor, poses.keypoint_scores, poses.scores)
    assert draw_poses(picture(), huge, COCO_17, threshold=0.0).shape == (60, 100, 3)


def test_keypoints_that_are_no_numbers_are_not_drawn():
    poses = predictions(0, [0.9, 0.8])
    poses.keypoints[0] = np.nan
    alone = poses.chosen(np.array([1]))
    drawn, expected = (draw_poses(picture(), each, COCO_17, threshold=0.0) for each in (poses, alone))
    assert (drawn == expected).all()
    poses.keypoints[1, 3] = np.inf
    assert (draw_poses(picture(), poses, COCO_17, threshold=0.0) != 128).any()


def scaled(poses: Predictions) -> Predictions:
    return Predictions(poses.image_ids, poses.keypoints.round() * 10, poses.keypoint_scores, poses.scores)


def row(**changes: Any) -> dict[str, Any]:
    return {"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5, **changes}


def test_boxes_name_their_frame_by_id_or_file(tmp_path):
    rows = [
        row(),
        row(image_id=0, score=0.4),
        row(image_id=7),
        row(category_id=2),
        {"file_name": "a.png", "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.9},
        row(bbox=[0, 0, 0, 5]),
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    said: list[str] = []
    boxes = read_boxes(tmp_path / "boxes.json", IMAGES, threshold=0.0, warn=said.append)
    says = "1 of 4 boxes name none of the 2 frames, such as 7; they are left out"
    assert said == [f"{tmp_path / 'boxes.json'}: {says}"]
    frames = [Frame(0, picture(), "a.png"), Frame(1, picture(), "b.gif")]
    crops = person_crops_of(frames, boxes, COCO_17)
    assert [(crop.sample, crop.box, crop.score) for crop in crops] == [
        (0, (1, 2, 30, 40), 0.4),
        (0, (0, 0, 5, 5), 0.9),
        (1, (1, 2, 30, 40), 0.5),
    ]
    better = read_boxes(tmp_path / "boxes.json", IMAGES, threshold=0.5, warn=said.append)
    assert [len(better.of(frame)) for frame in frames] == [1, 1]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({}, "not a detector's result"),
        ([{"category_id": 1, "bbox": [0, 0, 5, 5], "score": 1}], "entry 0"),
        ([row(image_id=5), row(file_name="c.png")], "none of its 2 boxes"),
        ([row(), row(image_id=True)], "entry 1 is not a box .*image_id True is no whole number"),
        ([row(image_id=1.5)], "entry 0 is not a box .*image_id 1.5 is no whole number"),
        ([row(image_id=float("inf"))], "entry 0 is not a box .*image_id inf is no whole number"),
    ],
)
def test_wrong_boxes_are_refused(tmp_path, rows, says):
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    with pytest.raises(PosenasError, match=says):
        read_boxes(tmp_path / "boxes.json", IMAGES, threshold=0.0, warn=pytest.fail)


def test_boxes_beside_their_frame_are_left_out(tmp_path):
    boxes = [[-5, 0, 5, 9], [100, 0, 5, 9], [0, 60, 5, 9], [0, -9, 5, 9], [99, 59, 1e9, 1e9], [-4, -8, 5, 9]]
    (tmp_path / "boxes.json").write_text(json.dumps([row(bbox=box) for box in boxes]))
    found = read_boxes(tmp_path / "boxes.json", IMAGES, threshold=0.0, warn=pytest.fail)
    assert [list(each.box) for each in found.of(Frame(1, picture(), "b.gif"))] == boxes[4:]
    assert found.beside == 4
    assert list(found.of(Frame(0, picture(), "a.png"))) == []
    assert found.beside == 4


def test_many_boxes_of_many_files_are_sorted_out_fast(tmp_path):
    files = [tmp_path / f"photograph-{number}.jpg" for number in range(5000)]
    source = ImageFiles(tmp_path, files, list(range(5000)), warn=print)
    started = time.perf_counter()
    assert [source.find(file.name) for file in files] == list(range(5000))
    assert {source.find(number) for number in range(5000, 25_000)} == {None}
    assert time.perf_counter() - started < 1


def test_the_whole_frame_is_one_box():
    (crop,) = person_crops_of([Frame(3, picture())], WholeFrames(), COCO_17)
    assert (crop.sample, crop.box, crop.score) == (0, (0.0, 0.0, 100.0, 60.0), 1.0)


def ticks(*times: float) -> Any:
    return iter(times).__next__


def test_stages_add_up():
    stages = Stages(torch.device("cpu"), clock=ticks(0, 1, 1, 3, 3, 3.5, 10, 14))
    assert list(stages.each("reading", "ab")) == ["a", "b"]  # and the look that finds the end
    with stages("decoding"):
        pass
    stages.divide("decoding", {"decoding": 1.0, "fusion": 1.5})
    assert stages.seconds == {"reading": 3.5, "decoding": 2.5, "fusion": 1.5}


def test_lines_tell_speed_and_time_left():
    said: list[str] = []
    display = FrameLines(said.append, clock=ticks(0, 5, 10, 25, 30, 45))
    for done, total in ((0, 100), (5, 100), (40, 100), (50, 100), (60, None)):
        display.advanced(done, total)
    display.warned("careful")
    assert said == [
        "40 of 100 frames, 2.0 frames/s, 30 s left",
        "60 frames, 1.5 frames/s",
        "warning: careful",
    ]


@pytest.mark.parametrize("total", [40, None])
def test_bar_tells_speed_and_goes_away(total):
    written = io.StringIO()
    display = make_frame_display(Console(file=written, force_terminal=True, width=120))
    assert not isinstance(display, FrameLines)
    display.advanced(0, total)
    display.advanced(30, total)
    display.warned("[careful]")
    display.close()
    assert "frames/s" in written.getvalue()
    assert ("30 of 40" if total else "30") in written.getvalue()
    assert "warning: [careful]" in written.getvalue()


def test_a_display_that_never_began_closes():
    make_frame_display(Console(file=io.StringIO(), force_terminal=True)).close()
