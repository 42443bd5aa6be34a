"""Exported networks called on images, and files that are refused in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pose_run import PoseRunError, Poses, load
from pose_run.cpu import lacks_fast_int8
from pose_run.manifest import KeypointSet
from pose_run.results import entries
from pose_run.sources import Frame

Write = Callable[..., Path]
WHITE = np.full((200, 100, 3), 255, np.uint8)
BOX = [20.0, 40.0, 30.0, 60.0, 0.5]


def test_the_whole_frame_is_one_box_without_boxes(write: Write) -> None:
    poses = load(write())(WHITE)
    assert poses.keypoints.shape == (1, 3, 2)
    assert poses.keypoints[0, 0] == pytest.approx((50, 100))  # the middle of the view is the frame's
    assert poses.boxes.tolist() == [[0, 0, 100, 200]]
    assert poses.scores[0] == pytest.approx(poses.keypoint_scores.mean())
    assert 0.3 < poses.scores[0] < 0.5  # what lies beside the frame is black


def test_a_pose_is_where_its_box_is_and_scores_with_it(write: Write) -> None:
    poses = load(write())(WHITE[..., ::-1], boxes=[BOX, [0, 0, 9, 9, 0.1]])
    assert len(poses) == 1  # the other box is below the threshold of 0.2
    assert poses.keypoints[0, 0] == pytest.approx((35, 70))
    assert poses.keypoints[0, 1] == pytest.approx(np.array([35, 70]) - np.array([13.5, 11.5]) * 75 / 63)
    assert poses.scores[0] == pytest.approx(0.5)


def test_many_boxes_are_looked_at_and_twins_leave_the_better_one(write: Write) -> None:
    model = load(write())
    apart = [[(number % 10) * 8, (number // 10) * 8, 6, 9, 0.9] for number in range(150)]
    assert len(model(WHITE, boxes=apart)) == 150
    twins = model(WHITE, boxes=[BOX, [*BOX[:4], 0.8], [0, 0, 6, 9, 0.7]])
    assert twins.scores.tolist() == pytest.approx([0.8, 0.7], abs=0.2)
    assert len(model(WHITE, boxes=[])) == 0


def test_a_network_for_whole_images_finds_everybody(write: Write) -> None:
    model = load(write("image"))
    assert model.finds_people
    poses = model(np.zeros((64, 128, 3), np.uint8))  # 4 pixels for one of the view, 8 rows of grey above
    assert poses.scores.tolist() == pytest.approx([0.9, 0.4])
    assert poses.keypoints[0, 0].tolist() == pytest.approx([33.5, 1.5])
    assert poses.boxes[1].tolist() == pytest.approx([65.5, 33.5, 40, 56])
    with pytest.raises(PoseRunError, match="finds people by itself"):
        model(WHITE, boxes=[BOX])


@pytest.mark.parametrize(
    ("image", "boxes", "says"),
    [
        (WHITE[:, :, 0], None, r"not \(200, 100\) uint8"),
        (WHITE.astype(np.float32), None, "float32"),
        (WHITE[:0], None, r"\(0, 100, 3\)"),
        (WHITE, [[1, 2, 3, 4]], r"\(P, 5\), not \(1, 4\)"),
        (WHITE, [[1, 2, 3, 4, np.nan]], "finite"),
        (WHITE, [[1, 2], [3]], "rows of x, y"),
    ],
)
def test_what_is_no_image_or_no_boxes_is_refused(
    write: Write, image: np.ndarray, boxes: list[list[float]] | None, says: str
) -> None:
    with pytest.raises(PoseRunError, match=says):
        load(write())(image, boxes=boxes)


def test_a_manifest_of_another_file_is_refused(write: Write) -> None:
    file = write()
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(PoseRunError, match=r"person\.json: does not fit person\.onnx: .* export again"):
        load(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "no manifest of an export"),
        (b"[1]", "no manifest of an export"),
        (b'{"schema": 2}', "schema 2; this pose-run reads 1"),
        (b'{"schema": 1}', "KeyError"),
    ],
)
def test_what_is_no_manifest_is_refused(write: Write, content: bytes, says: str) -> None:
    file = write()
    file.with_suffix(".json").write_bytes(content)
    with pytest.raises(PoseRunError, match=says):
        load(file)


@pytest.mark.parametrize(
    "view", [{"kind": "person"}, {"kind": "cloud", "height": 1, "width": 1, "border": 0}]
)
def test_a_manifest_that_lacks_something_is_refused(write: Write, view: dict[str, object]) -> None:
    with pytest.raises(PoseRunError, match="no manifest of an export"):
        load(write(view=view))


WRONG_VALUES: dict[str, dict[str, list[object]]] = {
    "view": {
        "kind": [["person"], "cloud"],
        "height": [65, 64.0, "64", 1, True, math.inf],
        "width": [47, None, 10**400],
        "crop": ["none", None, []],
        "padding": [0, -1.25, math.nan, math.inf, 1e308, 1e-320, "1.25", 10**400],
        "border": [-1, 256, 0.5, "x", math.nan],
    },
    "detections": {
        "box_threshold": ["0.2", math.nan, 10**400],
        "keypoint_threshold": [None, math.nan],
        "oks_nms": [[], math.nan, math.inf],
    },
    "keypoints": {
        "names": [["a", "b"], ["a", "b", "c", "d"], "abc", []],
        "limbs": [[[0, 99]], [[0, -1]], [[0, 1.5]], [[0]], [[0, 1, 2]], "01", [0]],
        "flip_pairs": [[[1, 3]], [[1, math.nan]]],
        "sigmas": [[0.05, 0.05], [0.05, 0.05, 0], [0.05, 0.05, math.nan], [0.05, 0.05, "x"], 3],
        "parts": [{"head": [3]}, [[0]]],
        "regions": [{"eyes": [3]}, {"eyes": []}, {"eyes": [math.nan]}, {"eyes": 1}],
        "categories": [[], [math.nan], [1.5], [None], "1"],
    },
}


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table in WRONG_VALUES for name in WRONG_VALUES[table]]
)
def test_a_manifest_with_wrong_values_is_refused(write: Write, table: str, name: str) -> None:
    right = json.loads(write().with_suffix(".json").read_text())[table]
    for value in WRONG_VALUES[table][name]:
        file = write(**{table: right | {name: value}})
        with pytest.raises(
            PoseRunError, match=r"person\.json: no manifest of an export \(.*\); export again"
        ):
            load(file)


def test_a_manifest_of_another_kind_of_file_is_refused(write: Write) -> None:
    views = {
        kind: json.loads(write(kind).with_suffix(".json").read_text())["view"] for kind in ("person", "image")
    }
    with pytest.raises(PoseRunError, match="the file's inputs are images, pitch, not images"):
        load(write("image", view=views["person"]))
    with pytest.raises(PoseRunError, match="the file's inputs are images, not images, pitch"):
        load(write("person", view=views["image"]))
    with pytest.raises(PoseRunError, match=r"the file's images: \['N', 32, 32, 3\], not \[None, 64, 32, 3\]"):
        load(write("image", view=views["image"] | {"height": 64}))


def test_a_whole_body_with_a_region_more_is_written_as_others_are() -> None:
    regions = {"face": (0,), "left_hand": (1,), "right_hand": (2,), "feet": (3,)}
    keypoints = KeypointSet(("",) * 133, (), (), (0.1,) * 133, parts={}, regions=regions, categories=(1,))
    parts = {name: np.ones(1) for name in regions}
    poses = Poses(np.zeros((1, 133, 2)), np.ones((1, 133)), np.ones(1), np.zeros((1, 4)), part_scores=parts)
    assert entries(Frame(1, WHITE), poses, keypoints)[0].keys() == {
        "image_id",
        "category_id",
        "keypoints",
        "score",
    }


def test_missing_files_are_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(PoseRunError, match="No such file"):
        load(tmp_path / "none.onnx")
    file = write()
    file.with_suffix(".json").unlink()
    with pytest.raises(PoseRunError, match=r"person\.json: no such file; .* copy both"):
        load(file)


def test_what_onnxruntime_cannot_run_is_told_in_one_line(write: Write) -> None:
    with pytest.raises(PoseRunError, match="cannot run this network of precision int8 on this CPU") as caught:
        load(write(content=b"no network", precision="int8"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("threads", [-1, 1025, 99999999999])
def test_threads_that_cannot_be_started_are_refused(write: Write, threads: int) -> None:
    with pytest.raises(PoseRunError, match=f"threads {threads}: not from 0 to 1024; give one for each core"):
        load(write(), threads=threads)


def test_int8_on_a_cpu_without_it_is_told(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    for flags, lacking in (("sse4_1 avx2", True), ("avx2 avx512_vnni", False)):
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
        assert lacks_fast_int8(tmp_path / "cpuinfo") is lacking
        monkeypatch.setattr("pose_run.model.lacks_fast_int8", lambda: lacking)  # noqa: B023
        load(write(precision="int8"), warn=told.append)
        load(write(), warn=told.append)
    assert len(told) == 1
    assert "of precision int8, and this CPU has no instructions for it" in told[0]
    assert not lacks_fast_int8(tmp_path / "missing")


def test_regions_score_by_themselves(write: Write) -> None:
    keypoints = json.loads(write().with_suffix(".json").read_text())["keypoints"]
    file = write(keypoints=keypoints | {"regions": {"eyes": [1, 2]}})
    poses = load(file)(WHITE, boxes=[BOX])
    assert poses.part_scores["eyes"] == pytest.approx([0.5])
